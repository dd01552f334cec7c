//! The data set that a recipe names: which images there are, what they show, which are held out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use fastai_dsl::{Data, Facts, Source, TaskKind, Valid};

use super::csv::CsvSource;
use super::findings::{Findings, names, nearest};
use super::vocabulary::Vocabulary;
use super::{DataError, folders, split};

/// One image and what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The csv's image name; for labelled folders the path below the root, with slashes; for unlabelled test images the
    /// file name without its suffix.
    pub id: String,
    /// The file, absolute.
    pub path: PathBuf,
    /// What it shows.
    pub target: Target,
}

/// What an image shows, in numbers of [`Dataset::classes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Exactly this class.
    Class(u32),
    /// These tags, ascending, without repetitions; maybe none.
    Tags(Vec<u32>),
    /// Nobody said.
    Unlabelled,
}

/// An opened data set. Files were seen to exist; [`preflight`](super::preflight) decodes them.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The folder that everything lies in, absolute.
    pub root: PathBuf,
    /// Names of the classes or tags, sorted by bytes.
    pub classes: Vec<String>,
    /// What a label is.
    pub task: TaskKind,
    /// Images to train on, in the order of the csv file or the sorted listing.
    pub train: Vec<Item>,
    /// Images that are held out, in the same order.
    pub valid: Vec<Item>,
    /// Test images, sorted by name.
    pub test: Vec<Item>,
    /// What somebody should know although nothing is wrong.
    pub notes: Vec<String>,
}

/// A row as it was read: label names, not yet numbers.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) path: PathBuf,
    pub(super) labels: Vec<String>,
    /// Whether the source itself says that the row is held out.
    pub(super) held_out: Option<bool>,
}

impl Dataset {
    /// Reads labels and listings, splits, and checks that every file is there; decodes nothing.
    ///
    /// # Errors
    /// Everything that is wrong, at once; lists of one kind are cut after 20.
    pub fn open(data: &Data, task: TaskKind) -> Result<Dataset, DataError> {
        if task == TaskKind::Regression {
            return Err(DataError::one(
                "`task: regression` is not run by this engine yet; use single_label or multi_label",
            ));
        }
        let root = find_root(&data.root)?;
        let mut findings = Findings::default();
        let mut notes = Vec::new();
        let (rows, vocabulary) = read_source(data, task, &root, &mut findings, &mut notes);
        let suffix = match &data.source {
            Source::Csv { suffix, .. } => suffix.as_str(),
            Source::Folders { .. } => "",
        };
        let test = match &data.test {
            Some(folder) => folders::read_test(&root, folder, suffix, &mut findings, &mut notes),
            None => Vec::new(),
        };
        if !rows.is_empty() {
            check_classes(&vocabulary, task, &rows, &mut findings);
        }
        let held_out = hold_out(data, &root, &rows, &mut findings);
        let (mut train, mut valid) = (Vec::new(), Vec::new());
        for (row, held_out) in rows.into_iter().zip(held_out) {
            let item = number(row, &vocabulary, task);
            if held_out { valid.push(item) } else { train.push(item) }
        }
        let test = number_test(test, &vocabulary, task, &mut findings);
        let dataset = Dataset { root, classes: vocabulary.into_names(), task, train, valid, test, notes };
        dataset.check_split(data, &mut findings);
        let mut dataset = findings.or(dataset)?;
        dataset.note_untrained_classes();
        Ok(dataset)
    }

    /// How many images and classes there are, for the plan.
    pub fn facts(&self) -> Facts {
        Facts {
            train: Some(self.train.len() as u64),
            valid: Some(self.valid.len() as u64),
            test: Some(self.test.len() as u64),
            classes: Some(self.classes.len() as u64),
        }
    }

    /// Training images a class or tag, by number.
    pub fn class_counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.classes.len()];
        for item in &self.train {
            match &item.target {
                Target::Class(class) => counts[*class as usize] += 1,
                Target::Tags(tags) => tags.iter().for_each(|tag| counts[*tag as usize] += 1),
                Target::Unlabelled => {}
            }
        }
        counts
    }

    fn check_split(&self, data: &Data, findings: &mut Findings) {
        let all = self.train.len() + self.valid.len();
        if all == 0 {
            // With no rows at all, what is wrong was found before; listings of empty folders were not.
            if findings.is_empty() {
                findings.push(format!("no images in {}", self.root.display()));
            }
        } else if self.train.is_empty() {
            findings
                .push(format!("all {all} images are held out ({}): none is left to train on", valid_text(&data.valid)));
        } else if self.valid.is_empty()
            && data.valid != Valid::None
            // A list or folder with findings of its own holds out nothing because of them.
            && (findings.is_empty() || matches!(data.valid, Valid::Random { .. }))
        {
            findings.push(format!(
                "{} holds out none of {all} images; give a larger part, or say `valid: none`",
                valid_text(&data.valid)
            ));
        }
    }

    fn note_untrained_classes(&mut self) {
        let counts = self.class_counts();
        let empty: Vec<&String> = self.classes.iter().zip(&counts).filter(|(_, n)| **n == 0).map(|(c, _)| c).collect();
        if !empty.is_empty() {
            let note = format!(
                "{} of {} classes have no training image and cannot be learned: {}",
                empty.len(),
                self.classes.len(),
                names(&empty, 5)
            );
            self.notes.push(note);
        }
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
            if task == TaskKind::MultiLabel {
                findings.push("`data: folders` gives each image one class; `task: multi_label` needs `data: csv`");
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
            let source =
                CsvSource { labels, images, suffix, id, label, separator, header: *header, valid: &data.valid, task };
            let rows = source.read(root, findings, notes);
            let vocabulary = Vocabulary::new(rows.iter().flat_map(|row| row.labels.iter().cloned()));
            (rows, vocabulary)
        }
    }
}

/// Every class of another folder must be one of the training classes: numbering them apart would shift labels.
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

fn check_classes(vocabulary: &Vocabulary, task: TaskKind, rows: &[Row], findings: &mut Findings) {
    match (task, vocabulary.names()) {
        (TaskKind::SingleLabel, [only]) => findings.push(format!(
            "all {} images have the label {only:?}: a classifier needs at least two classes",
            rows.len()
        )),
        (TaskKind::MultiLabel, []) => findings.push(format!("none of {} images has a tag", rows.len())),
        _ => {}
    }
}

/// Which rows are held out; all rows of one image go where its first row goes.
fn hold_out(data: &Data, root: &Path, rows: &[Row], findings: &mut Findings) -> Vec<bool> {
    let mut held_out: Vec<bool> = rows.iter().map(|row| row.held_out == Some(true)).collect();
    match &data.valid {
        Valid::Random { share, seed, fold } => {
            for index in split::cv_indices(rows.len(), *share, *seed, *fold) {
                held_out[index] = true;
            }
        }
        Valid::Indices(file) => hold_out_listed(data, &root.join(file), rows, &mut held_out, findings),
        Valid::Column(column) if matches!(data.source, Source::Folders { .. }) => {
            findings.push(format!("`valid: column({column:?})` needs `data: csv`; folders have no columns"));
        }
        Valid::Folder(_) | Valid::Column(_) | Valid::None => {}
    }
    // By the path, which is the same for the ids `a` and `./a`.
    let mut first: HashMap<&Path, bool> = HashMap::with_capacity(rows.len());
    for (row, held_out) in rows.iter().zip(&mut held_out) {
        *held_out = *first.entry(&row.path).or_insert(*held_out);
    }
    held_out
}

/// Holds out the images that a text file names, one a line.
fn hold_out_listed(data: &Data, file: &Path, rows: &[Row], held_out: &mut [bool], findings: &mut Findings) {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return findings.push(format!("cannot read {} (valid: indices): {error}", file.display())),
    };
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        places.entry(&row.id).or_default().push(index);
    }
    // In a list of a folder's images the folder itself may be left out, and so may a csv's suffix be given.
    let known = |id: &str| match &data.source {
        Source::Folders { train } => {
            places.get(id).or_else(|| places.get(format!("{}/{id}", train.trim_end_matches('/')).as_str()))
        }
        Source::Csv { suffix, .. } => places.get(id).or_else(|| places.get(id.strip_suffix(suffix.as_str())?)),
    };
    let mut unknown = Vec::new();
    for (line, id) in text.trim_start_matches('\u{feff}').lines().map(str::trim).enumerate() {
        if id.is_empty() {
            continue;
        }
        match known(id) {
            Some(rows) => rows.iter().for_each(|row| held_out[*row] = true),
            None => unknown.push(format!("{}:{}: no image is called {id:?}", file.display(), line + 1)),
        }
    }
    if !rows.is_empty() {
        findings.extend("unknown image names", unknown);
    }
}

fn number(row: Row, vocabulary: &Vocabulary, task: TaskKind) -> Item {
    let mut numbers: Vec<u32> = row.labels.iter().filter_map(|label| vocabulary.number(label)).collect();
    let target = match (task, numbers.first()) {
        (TaskKind::MultiLabel, _) => {
            numbers.sort_unstable();
            Target::Tags(numbers)
        }
        (_, Some(class)) => Target::Class(*class),
        // Only rows with a finding get here.
        (_, None) => Target::Unlabelled,
    };
    Item { id: row.id, path: row.path, target }
}

fn number_test(rows: Vec<Row>, vocabulary: &Vocabulary, task: TaskKind, findings: &mut Findings) -> Vec<Item> {
    if rows.iter().all(|row| row.labels.is_empty()) {
        let item = |row: Row| Item { id: row.id, path: row.path, target: Target::Unlabelled };
        return rows.into_iter().map(item).collect();
    }
    if task == TaskKind::MultiLabel {
        findings.push(
            "the test folder has one sub-folder a class, but `task: multi_label` gives an image any number of tags; \
             put the test images directly into the folder",
        );
    } else {
        let mut classes: Vec<String> = rows.iter().flat_map(|row| row.labels.clone()).collect();
        classes.dedup();
        let folder = rows[0].path.parent().and_then(Path::parent).unwrap_or(Path::new("test")).to_path_buf();
        check_known(vocabulary, &classes, &folder, findings);
    }
    rows.into_iter().map(|row| number(row, vocabulary, task)).collect()
}

/// The recipe's words for a split.
fn valid_text(valid: &Valid) -> String {
    match valid {
        Valid::Random { share, seed, fold } => format!("`valid: random({share}, seed = {seed}, fold = {fold})`"),
        Valid::Folder(folder) => format!("`valid: folder({folder:?})`"),
        Valid::Indices(file) => format!("`valid: indices({file:?})`"),
        Valid::Column(column) => format!("`valid: column({column:?})`"),
        Valid::None => "`valid: none`".to_string(),
    }
}
