//! The data set of a recipe: its images, their labels and the held-out part.

use std::path::{Path, PathBuf};

use fastai_dsl::{Corrupt, Data, Facts, Sampler, Source, TaskKind, Valid};

use super::DataError;
use super::findings::{Findings, names, nearest};
use super::sources::csv::CsvSource;
use super::sources::folders;
use super::splits::holdout;
use super::vocabulary::Vocabulary;

/// One image with its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The csv's image name; for labelled folders the path below the root, with slashes; for unlabelled test images the
    /// file name without its suffix.
    pub id: String,
    /// The file, absolute.
    pub path: PathBuf,
    /// The label.
    pub target: Target,
}

/// An image's label, as indices into [`Dataset::classes`].
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Exactly this class.
    Class(u32),
    /// These tags, ascending, without repetitions; possibly none.
    Tags(Vec<u32>),
    /// This number, finite.
    Value(f32),
    /// No label.
    Unlabelled,
}

/// An opened data set. Its files exist; [`Preflight`](super::Preflight) decodes them.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The root folder of all files, absolute.
    pub root: PathBuf,
    /// Names of the classes or tags, sorted by bytes; for a regression, the single name of the measured quantity.
    pub classes: Vec<String>,
    /// What a label is.
    pub task: TaskKind,
    /// Training images, in the order of the csv file or the sorted listing.
    pub train: Vec<Item>,
    /// Validation images, in the order of the csv file or the sorted listing.
    pub valid: Vec<Item>,
    /// Test images, sorted by name.
    pub test: Vec<Item>,
    /// The split into training and validation images.
    pub split: Valid,
    /// Warnings that do not stop the run.
    pub notes: Vec<String>,
}

/// A row with label names instead of indices.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) path: PathBuf,
    pub(crate) labels: Vec<String>,
    /// Whether the source itself holds the row out.
    pub(crate) held_out: Option<bool>,
    /// The row's group, for `grouped`: rows of one group stay together.
    pub(crate) group: Option<String>,
    /// Whether the file is missing; a recipe may tolerate that.
    pub(crate) absent: bool,
}

impl Dataset {
    /// Reads labels and listings, splits, and checks that every file is there; decodes nothing.
    ///
    /// # Errors
    /// All findings at once; after 20 findings of one kind, the rest is only counted.
    pub fn open(data: &Data, task: TaskKind) -> Result<Dataset, DataError> {
        let (dataset, findings) = Dataset::survey(data, task)?;
        findings.or_with_notes(dataset, |dataset| dataset.notes.clone())
    }

    /// Like [`open`](Self::open), but returns the readable part beside the findings, so that the images can be examined in
    /// the same step.
    ///
    /// # Errors
    /// If the folder does not exist.
    pub(crate) fn survey(data: &Data, task: TaskKind) -> Result<(Dataset, Findings), DataError> {
        if data.source == Source::Given {
            return Err(DataError::one(
                "the recipe says `data: given`: the images are given by the Rust program that runs it, and are not known \
                 here. Run it, or go on with its run, from that program, with \
                 `RunOptions { dataset: Some(Dataset::from_files(..)?), .. }`; or name the data in the recipe: \
                 `data: folders { root: \"data\" }`",
            ));
        }
        let root = find_root(&data.root)?;
        let mut findings = Findings::default();
        let mut notes = Vec::new();
        let (rows, vocabulary) = read_source(data, task, &root, &mut findings, &mut notes);
        let suffix = match &data.source {
            Source::Csv { suffix, .. } => suffix.as_str(),
            Source::Folders { .. } | Source::Given => "",
        };
        let test = match &data.test {
            Some(folder) => folders::read_test(&root, folder, suffix, &mut findings, &mut notes),
            None => Vec::new(),
        };
        if !rows.is_empty() {
            check_classes(&vocabulary, task, &rows, &mut findings);
        }
        let held_out = holdout::hold_out(data, &root, &rows, &mut findings);
        let test = number_test(test, &vocabulary, task, &mut findings);
        let absent = rows.iter().zip(&held_out).filter(|(row, held_out)| row.absent && **held_out).count();
        let (train, valid) = part(rows, held_out, &vocabulary, task);
        let (classes, split) = (vocabulary.into_names(), data.valid.clone());
        let dataset = Dataset { root, classes, task, train, valid, test, split, notes };
        Ok(dataset.checked(absent, findings))
    }

    /// Returns the numbers of images and classes for the plan.
    pub fn facts(&self) -> Facts {
        Facts {
            train: Some(self.train.len() as u64),
            valid: Some(self.valid.len() as u64),
            test: Some(self.test.len() as u64),
            classes: Some(self.classes.len() as u64),
        }
    }

    /// Returns the number of training images of each class or tag, by index.
    pub fn class_counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.classes.len()];
        for item in &self.train {
            match &item.target {
                Target::Class(class) => counts[*class as usize] += 1,
                Target::Tags(tags) => tags.iter().for_each(|tag| counts[*tag as usize] += 1),
                Target::Value(_) | Target::Unlabelled => {}
            }
        }
        counts
    }

    /// Returns the sampling weight of each training image relative to the others; `None` for the shuffle, which visits each
    /// image once.
    ///
    /// The weight of an image is the reciprocal of the number of training images of its class or, with several tags, of its
    /// rarest tag. Images without a tag form a class of their own.
    pub fn sampling_weights(&self, sampler: Sampler) -> Option<Vec<f64>> {
        if sampler == Sampler::Shuffle {
            return None;
        }
        let counts = self.class_counts();
        let untagged = self.train.iter().filter(|item| matches!(&item.target, Target::Tags(t) if t.is_empty())).count();
        let weight = |item: &Item| match &item.target {
            Target::Class(class) => 1.0 / counts[*class as usize] as f64,
            Target::Tags(tags) => {
                tags.iter().map(|tag| counts[*tag as usize]).min().map_or(1.0 / untagged as f64, |n| 1.0 / n as f64)
            }
            Target::Value(_) | Target::Unlabelled => 1.0,
        };
        Some(self.train.iter().map(weight).collect())
    }
}

/// The root as an absolute path.
fn find_root(root: &str) -> Result<PathBuf, DataError> {
    let absolute = std::path::absolute(root)
        .map_err(|error| DataError::one(format!("cannot find the data folder {root:?}: {error}")))?;
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
    Err(DataError::one(format!("the data folder {} {is}{from}", absolute.display())))
}

fn read_source(
    data: &Data,
    task: TaskKind,
    root: &Path,
    findings: &mut Findings,
    notes: &mut Vec<String>,
) -> (Vec<Row>, Vocabulary) {
    match &data.source {
        Source::Folders { train } => {
            match task {
                TaskKind::SingleLabel => {}
                TaskKind::MultiLabel => {
                    findings.push("`data: folders` gives each image one class; `task: multi_label` needs `data: csv`");
                }
                TaskKind::Regression => {
                    findings.push("`data: folders` gives each image a class; `task: regression` needs `data: csv`");
                }
            }
            let read = folders::read(root, train, "train", findings, notes);
            let vocabulary = Vocabulary::new(read.classes);
            let mut rows = read.rows;
            if let Valid::Folder(folder) = &data.valid {
                if folder.trim_end_matches('/') == train.trim_end_matches('/') {
                    findings.push(format!("train and valid are the same folder {train:?}"));
                }
                let valid = folders::read(root, folder, "valid", findings, notes);
                check_known(&vocabulary, &valid.classes, &root.join(folder), findings);
                let known = valid.rows.into_iter().filter(|row| vocabulary.number(&row.labels[0]).is_some());
                rows.iter_mut().for_each(|row| row.held_out = Some(false));
                rows.extend(known.map(|row| Row { held_out: Some(true), ..row }));
            }
            (rows, vocabulary)
        }
        Source::Csv { labels, images, suffix, id, label, separator, header } => {
            let source = CsvSource {
                labels,
                images,
                suffix,
                id,
                label,
                separator,
                header: *header,
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
    if known.is_empty() {
        return;
    }
    let unknown = classes.iter().filter(|class| vocabulary.number(class).is_none());
    let list = unknown.map(|class| {
        let hint = nearest(class, &known).map_or(String::new(), |near| format!("; did you mean {near:?}?"));
        format!("class {class:?} of {} is no training class; they are {}{hint}", folder.display(), names(&known, 10))
    });
    findings.extend("unknown classes", list.collect());
}

pub(crate) fn check_classes(vocabulary: &Vocabulary, task: TaskKind, rows: &[Row], findings: &mut Findings) {
    match (task, vocabulary.names()) {
        (TaskKind::SingleLabel, [only]) => findings.push(format!(
            "all {} images have the label {only:?}: a classifier needs at least two classes",
            rows.len()
        )),
        (TaskKind::MultiLabel, []) => findings.push(format!("none of {} images has a tag", rows.len())),
        _ => {}
    }
}

/// Returns the two parts of a split in row order, with labels as indices.
pub(crate) fn part(
    rows: Vec<Row>,
    held_out: Vec<bool>,
    vocabulary: &Vocabulary,
    task: TaskKind,
) -> (Vec<Item>, Vec<Item>) {
    let (mut train, mut valid) = (Vec::new(), Vec::new());
    // Rows with missing files take part in the split, so that a file added later does not move any other row.
    for (row, held_out) in rows.into_iter().zip(held_out).filter(|(row, _)| !row.absent) {
        let item = number(row, vocabulary, task);
        if held_out { valid.push(item) } else { train.push(item) }
    }
    (train, valid)
}

fn number(row: Row, vocabulary: &Vocabulary, task: TaskKind) -> Item {
    if task == TaskKind::Regression {
        let value = row.labels.first().and_then(|cell| cell.trim().parse().ok());
        return Item { id: row.id, path: row.path, target: value.map_or(Target::Unlabelled, Target::Value) };
    }
    let mut numbers: Vec<u32> = row.labels.iter().filter_map(|label| vocabulary.number(label)).collect();
    let target = match (task, numbers.first()) {
        (TaskKind::MultiLabel, _) => {
            numbers.sort_unstable();
            Target::Tags(numbers)
        }
        (_, Some(class)) => Target::Class(*class),
        // Only rows with a finding reach this point.
        (_, None) => Target::Unlabelled,
    };
    Item { id: row.id, path: row.path, target }
}

fn number_test(rows: Vec<Row>, vocabulary: &Vocabulary, task: TaskKind, findings: &mut Findings) -> Vec<Item> {
    if rows.iter().all(|row| row.labels.is_empty()) {
        let item = |row: Row| Item { id: row.id, path: row.path, target: Target::Unlabelled };
        return rows.into_iter().map(item).collect();
    }
    if task != TaskKind::SingleLabel {
        findings.push(format!(
            "the test folder has one sub-folder a class, but `task: {}` gives an image no class; put the test images \
             directly into the folder",
            task.word()
        ));
    } else {
        let mut classes: Vec<String> = rows.iter().flat_map(|row| row.labels.clone()).collect();
        classes.dedup();
        let folder = rows[0].path.parent().and_then(Path::parent).unwrap_or(Path::new("test")).to_path_buf();
        check_known(vocabulary, &classes, &folder, findings);
    }
    rows.into_iter().map(|row| number(row, vocabulary, task)).collect()
}
