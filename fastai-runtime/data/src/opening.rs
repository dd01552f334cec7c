//! Opens the data set of a recipe: reads its source, numbers the labels and holds images out.

use std::path::{Path, PathBuf};

use fastai_dsl::suggest::misspelt;
use fastai_dsl::{Corrupt, Data, Source, TaskKind, Valid};

use crate::class_names;
use crate::finding::{Finding, FindingKind};
use crate::findings::{Findings, names};
use crate::row::{SourceRow, check_classes, number, part};
use crate::sources::csv::CsvSource;
use crate::sources::{folders, neighbours};
use crate::splits::better::remedy;
use crate::splits::holdout;
use crate::{DataError, DataKey, Dataset, Item, Target, Vocabulary};

impl Dataset {
    /// Reads labels and listings, splits, and checks that every file is there; decodes nothing.
    ///
    /// # Errors
    /// All findings at once; after 20 findings of one kind, the rest is only counted.
    pub fn open(data: &Data, task: TaskKind) -> Result<Dataset, DataError> {
        let (dataset, findings) = Dataset::survey(data, task)?;
        findings.or_with_notes(dataset, |dataset| dataset.notes.clone())
    }

    /// Like [`open`](Self::open), for measuring a model that was trained before: the images may be of one class, or have one
    /// label.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_to_measure(data: &Data, task: TaskKind) -> Result<Dataset, DataError> {
        let (dataset, findings) = Dataset::survey(data, task)?;
        findings.of_measuring().or_with_notes(dataset, |dataset| dataset.notes.clone())
    }

    /// Like [`open`](Self::open), but returns the readable part beside the findings, so that the images can be examined in
    /// the same step.
    ///
    /// # Errors
    /// If `data` names no folder, or one that does not exist.
    pub(crate) fn survey(data: &Data, task: TaskKind) -> Result<(Dataset, Findings), DataError> {
        if data.source == Source::Given {
            return Err(DataError::one(Finding::new(
                FindingKind::Recipe,
                "the recipe says `data: given`: the images are given by the Rust program that runs it, and are not known \
                 here. Run it, or go on with its run, from that program, with \
                 `RunOptions { dataset: Some(Dataset::from_files(..)?), .. }`; or name the data in the recipe: \
                 `data: folders { root: \"data\" }`",
            )));
        }
        let Some(root) = &data.root else {
            let text = "the data folder is not named: say `root: \"data\"` in `data`";
            return Err(DataError::one(Finding::new(FindingKind::Recipe, text)));
        };
        let root = find_root(root)?;
        let mut findings = Findings::default();
        let mut notes = Vec::new();
        let (rows, vocabulary) = read_source(data, task, &root, &mut findings, &mut notes);
        let suffix: &[String] = match &data.source {
            Source::Csv { suffix, .. } => suffix,
            Source::Folders { .. } | Source::Given => &[],
        };
        let test = match &data.test {
            Some(folder) => folders::read_test(&root, folder, suffix, vocabulary.names(), &mut findings, &mut notes),
            None => Vec::new(),
        };
        check_classes(task, &rows, &mut findings);
        if task != TaskKind::Regression {
            notes.extend(class_names::notes(&vocabulary, task));
        }
        let held_out = holdout::hold_out(data, &root, &rows, &mut findings, &mut notes);
        let remedy = remedy(task, &data.valid, &rows, &held_out);
        let test = number_test(test, &vocabulary, task, &mut findings);
        let absent = rows.iter().zip(&held_out).filter(|(row, held_out)| row.absent && **held_out).count();
        let (train, valid) = part(rows, held_out, &vocabulary, task);
        let (classes, split) = (vocabulary.into_names(), data.valid.clone());
        let dataset = Dataset { root, classes, task, train, valid, test, split, notes };
        Ok(dataset.checked(absent, remedy, findings))
    }
}

/// The rows of a source, below `root`, from which a data set was opened before; `None` if they are no longer without a finding.
pub(crate) fn rows(data: &Data, task: TaskKind, root: &Path) -> Option<Vec<SourceRow>> {
    let mut findings = Findings::default();
    let (rows, _) = read_source(data, task, root, &mut findings, &mut Vec::new());
    (findings.is_empty() && findings.all_read()).then_some(rows)
}

/// The root as an absolute path.
fn find_root(root: &str) -> Result<PathBuf, DataError> {
    let finding = |path: &Path, text: String| {
        let path = path.to_path_buf();
        DataError::one(Finding::new(FindingKind::Place { key: DataKey::Root, path }, text))
    };
    let absolute = std::path::absolute(root)
        .map_err(|error| finding(Path::new(root), format!("cannot find the data folder {root:?}: {error}")))?;
    if absolute.is_dir() {
        return Ok(absolute);
    }
    let is = if absolute.exists() { "is no folder" } else { "does not exist" };
    let from = if Path::new(root).is_absolute() {
        String::new()
    } else {
        let here = std::env::current_dir().map_or("?".into(), |d| d.display().to_string());
        format!("; the recipe says root: {root:?}, which is looked up from the working directory {here}")
    };
    let hint = if absolute.exists() { String::new() } else { neighbours::root_hint(root) };
    Err(finding(&absolute, format!("the data folder {} {is}{hint}{from}", absolute.display())))
}

fn read_source(
    data: &Data,
    task: TaskKind,
    root: &Path,
    findings: &mut Findings,
    notes: &mut Vec<String>,
) -> (Vec<SourceRow>, Vocabulary) {
    match &data.source {
        Source::Folders { train } => {
            if task != TaskKind::SingleLabel {
                let task = task.word();
                let text = format!("`data: folders` gives each image one class; `task: {task}` needs `data: csv`");
                findings.push(FindingKind::Recipe, text);
            }
            let read = folders::read(root, train, DataKey::Train, findings, notes);
            let vocabulary = Vocabulary::new(read.classes);
            let mut rows = read.rows;
            if let Valid::Folder(folder) = &data.valid {
                if folder.trim_end_matches('/') == train.trim_end_matches('/') {
                    findings.push(FindingKind::Recipe, format!("train and valid are the same folder {train:?}"));
                }
                let valid = folders::read(root, folder, DataKey::Valid, findings, notes);
                check_known(&vocabulary, &valid.classes, &root.join(folder), findings);
                let known = valid.rows.into_iter().filter(|row| vocabulary.number(&row.labels[0]).is_some());
                rows.iter_mut().for_each(|row| row.held_out = Some(false));
                rows.extend(known.map(|row| SourceRow { held_out: Some(true), ..row }));
            } else {
                notes.extend(folders::left_out(root, train, data.test.as_deref(), vocabulary.names()));
            }
            (rows, vocabulary)
        }
        Source::Csv { labels, images, suffix, id, label, columns, separator, header, delimiter, encoding } => {
            let source = CsvSource {
                labels,
                images,
                suffixes: suffix,
                id,
                label,
                columns,
                separator,
                header: *header,
                delimiter: *delimiter,
                encoding: *encoding,
                valid: &data.valid,
                test: data.test.as_deref(),
                task,
                skip: data.corrupt == Corrupt::Skip,
            };
            let (rows, measured) = source.read(root, findings, notes);
            let vocabulary = match task {
                TaskKind::Regression => Vocabulary::new([measured]),
                _ => Vocabulary::new(rows.iter().flat_map(|row| row.labels.iter().cloned())),
            };
            (rows, vocabulary)
        }
        // Rejected earlier.
        Source::Given => (Vec::new(), Vocabulary::new(Vec::<String>::new())),
    }
}

/// Reports classes of another folder that are not among the training classes: separate numbering would shift labels.
fn check_known(vocabulary: &Vocabulary, classes: &[String], folder: &Path, findings: &mut Findings) {
    let known: Vec<&str> = vocabulary.names().iter().map(String::as_str).collect();
    if known.is_empty() || !findings.all_read() {
        return;
    }
    let unknown = classes.iter().filter(|class| vocabulary.number(class).is_none());
    let list = unknown.map(|class| {
        let hint = misspelt(class, &known).map_or(String::new(), |near| format!("; did you mean {near:?}?"));
        let (folder, classes) = (folder.display(), names(&known, 10));
        let text = format!("class {class:?} of {folder} is no training class; they are {classes}{hint}");
        Finding::new(FindingKind::UnknownClass { class: class.clone() }, text)
    });
    findings.extend("unknown classes", list.collect());
}

fn number_test(rows: Vec<SourceRow>, vocabulary: &Vocabulary, task: TaskKind, findings: &mut Findings) -> Vec<Item> {
    if rows.iter().all(|row| row.labels.is_empty()) {
        let item = |row: SourceRow| Item { id: row.id, path: row.path, target: Target::Unlabelled };
        return rows.into_iter().map(item).collect();
    }
    if task != TaskKind::SingleLabel {
        let text = format!(
            "the test folder has one sub-folder a class, but `task: {}` gives an image no class; put the test images \
             directly into the folder",
            task.word()
        );
        findings.push(FindingKind::Recipe, text);
    } else {
        let mut classes: Vec<String> = rows.iter().flat_map(|row| row.labels.clone()).collect();
        classes.dedup();
        let folder = rows[0].path.parent().and_then(Path::parent).unwrap_or(Path::new("test")).to_path_buf();
        check_known(vocabulary, &classes, &folder, findings);
    }
    rows.into_iter().map(|row| number(row, vocabulary, task)).collect()
}
