//! Data sets from Rust, for `data: given`: paths and labels, or images in memory, without a csv file or class folders.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use fastai_dsl::{TaskKind, Valid};
use image::{ImageFormat, RgbImage};

use crate::atomic::write_atomic;
use crate::finding::{Finding, FindingKind};
use crate::findings::Findings;
use crate::row::{SourceRow, check_classes, part};
use crate::splits::better::remedy;
use crate::splits::holdout::{drawn, is_chosen, settle, too_many_folds};
use crate::vocabulary::Vocabulary;
use crate::{DataError, DataPart, Dataset, Item, Target};

/// An image's label, by name.
#[derive(Clone, Debug, PartialEq)]
pub enum Label {
    /// Exactly this class.
    Class(String),
    /// These tags; possibly none.
    Tags(Vec<String>),
    /// This number, finite.
    Value(f32),
}

impl Label {
    fn task(&self) -> TaskKind {
        match self {
            Label::Class(_) => TaskKind::SingleLabel,
            Label::Tags(_) => TaskKind::MultiLabel,
            Label::Value(_) => TaskKind::Regression,
        }
    }

    fn into_texts(self) -> Vec<String> {
        match self {
            Label::Class(name) => vec![name],
            Label::Tags(mut tags) => {
                tags.sort_unstable();
                tags.dedup();
                tags
            }
            // The shortest text that reads back as the same number.
            Label::Value(value) => vec![value.to_string()],
        }
    }
}

impl From<&str> for Label {
    fn from(class: &str) -> Label {
        Label::Class(class.to_string())
    }
}

impl From<String> for Label {
    fn from(class: String) -> Label {
        Label::Class(class)
    }
}

impl From<Vec<String>> for Label {
    fn from(tags: Vec<String>) -> Label {
        Label::Tags(tags)
    }
}

impl From<&[&str]> for Label {
    fn from(tags: &[&str]) -> Label {
        Label::Tags(tags.iter().map(ToString::to_string).collect())
    }
}

impl From<f32> for Label {
    fn from(value: f32) -> Label {
        Label::Value(value)
    }
}

impl Dataset {
    /// Builds a data set from these files, split by `valid`: a random split, or none. Labels that are names make a single-label
    /// task, lists of tags a multi-label task, and numbers a regression.
    ///
    /// An image's id is its path relative to the common folder of all files. This function decodes no image.
    ///
    /// ```
    /// # mod fastai {
    /// #     pub mod data {
    /// #         pub use fastai_data::Dataset;
    /// #         pub use fastai_dsl::Valid;
    /// #     }
    /// # }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # for name in ["a.png", "b.png"] { std::fs::write(folder.path().join(name), "")?; }
    /// use fastai::data::{Dataset, Valid};
    /// let files = [(folder.path().join("a.png"), "cat"), (folder.path().join("b.png"), "dog")];
    /// let dataset = Dataset::from_files(files, &Valid::None)?;
    /// assert_eq!(dataset.classes, ["cat", "dog"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// All findings at once: missing files, labels of several kinds, empty names, numbers that are not finite, a split that
    /// needs a csv file or a folder.
    pub fn from_files<P: Into<PathBuf>, L: Into<Label>>(
        files: impl IntoIterator<Item = (P, L)>,
        valid: &Valid,
    ) -> Result<Dataset, DataError> {
        let mut findings = Findings::default();
        if let Some(count) = valid.turns() {
            let text = format!(
                "`{}` is a split for each fold, and a data set has one: name the fold, from `fold: Some(0)` to \
                 `fold: Some({})`, and run the recipe once for each",
                valid.in_short(),
                count.saturating_sub(1)
            );
            findings.push(FindingKind::Recipe, text);
        }
        if is_chosen(valid) || valid.group().is_some() {
            let text = format!(
                "`{}` needs a csv file or a folder; draw a share, or give both parts to `Dataset::from_parts`",
                valid.in_short()
            );
            findings.push(FindingKind::Recipe, text);
        }
        let files: Vec<(PathBuf, Label)> = files.into_iter().map(|(path, label)| (path.into(), label.into())).collect();
        let (rows, root, task) = rows_of(files, &mut findings);
        findings.extend("folds", too_many_folds(valid, &rows).into_iter().collect());
        let mut held_out = vec![false; rows.len()];
        drawn(valid, &rows).into_iter().for_each(|index| held_out[index] = true);
        build(rows, held_out, root, task, valid, findings)
    }

    /// Builds a data set from these training and validation files. Otherwise like [`from_files`](Self::from_files).
    ///
    /// # Errors
    /// Those of [`from_files`](Self::from_files), and a class of `valid` that no training image has.
    pub fn from_parts<P: Into<PathBuf>, L: Into<Label>>(
        train: impl IntoIterator<Item = (P, L)>,
        valid: impl IntoIterator<Item = (P, L)>,
    ) -> Result<Dataset, DataError> {
        let mut findings = Findings::default();
        let into = |(path, label): (P, L)| (path.into(), label.into());
        let mut files: Vec<(PathBuf, Label)> = train.into_iter().map(into).collect();
        let trained = files.len();
        files.extend(valid.into_iter().map(into));
        let held_out: Vec<bool> = (0..files.len()).map(|index| index >= trained).collect();
        let (rows, root, task) = rows_of(files, &mut findings);
        let both: HashSet<&Path> = rows.iter().take(trained).map(|row| row.path.as_path()).collect();
        let both = rows.iter().skip(trained).filter(|row| both.contains(row.path.as_path()));
        let both = both.map(|row| {
            let text = format!("{} is given both to train and to measure", row.path.display());
            Finding::new(FindingKind::BothParts { path: row.path.clone() }, text)
        });
        findings.extend("images in both parts", both.collect());
        let chosen = if held_out.contains(&true) { Valid::Given } else { Valid::None };
        build(rows, held_out, root, task, &chosen, findings)
    }

    /// Builds a data set from images in memory. Each image is written once as a PNG below `folder`, named by its content,
    /// and then read like any other file, so memory stays bounded and caches work. Otherwise like
    /// [`from_files`](Self::from_files).
    ///
    /// # Errors
    /// Those of [`from_files`](Self::from_files), an image without pixels, and errors of the file system.
    pub fn from_images<L: Into<Label>>(
        folder: impl AsRef<Path>,
        images: impl IntoIterator<Item = (RgbImage, L)>,
        valid: &Valid,
    ) -> Result<Dataset, DataError> {
        Dataset::from_files(written(folder.as_ref(), images)?, valid)
    }

    /// Builds a data set from these training and validation images in memory, written below `folder` as
    /// [`from_images`](Self::from_images) does, each part in its own folder. Otherwise like
    /// [`from_parts`](Self::from_parts). The recipe's `duplicates` decides about an image that is in both parts.
    ///
    /// # Errors
    /// Those of [`from_parts`](Self::from_parts), and errors of the file system.
    pub fn from_image_parts<L: Into<Label>>(
        folder: impl AsRef<Path>,
        train: impl IntoIterator<Item = (RgbImage, L)>,
        valid: impl IntoIterator<Item = (RgbImage, L)>,
    ) -> Result<Dataset, DataError> {
        let folder = folder.as_ref();
        Dataset::from_parts(written(&folder.join("train"), train)?, written(&folder.join("valid"), valid)?)
    }

    /// Adds these unlabelled test images, in this order.
    ///
    /// # Errors
    /// Missing files.
    pub fn with_test<P: Into<PathBuf>>(mut self, files: impl IntoIterator<Item = P>) -> Result<Dataset, DataError> {
        let mut findings = Findings::default();
        let paths: Vec<PathBuf> = files.into_iter().map(|path| absolute(&path.into())).collect();
        let missing = paths.iter().filter(|path| !path.is_file()).map(|path| {
            Finding::new(FindingKind::MissingImage { path: path.clone() }, format!("no image {}", path.display()))
        });
        findings.extend("missing images", missing.collect());
        let id = |path: &Path| path.file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned());
        self.test = paths.into_iter().map(|path| Item { id: id(&path), path, target: Target::Unlabelled }).collect();
        findings.or(self)
    }
}

/// Writes each image as a PNG below `folder`, named by its content, unless the file exists.
fn written<L>(folder: &Path, images: impl IntoIterator<Item = (RgbImage, L)>) -> Result<Vec<(PathBuf, L)>, DataError> {
    let failed = |path: &Path, error: &dyn std::fmt::Display| {
        let kind = FindingKind::Folder { path: folder.to_path_buf() };
        DataError::one(Finding::new(kind, format!("{}: {error}", path.display())))
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let mut files = Vec::new();
    for (index, (image, label)) in images.into_iter().enumerate() {
        if image.width() == 0 || image.height() == 0 {
            let text = format!("image {index}: {} x {} pixels, at least 1 x 1 wanted", image.width(), image.height());
            return Err(DataError::one(Finding::new(FindingKind::BrokenInput { image: index }, text)));
        }
        let mut hash = blake3::Hasher::new();
        hash.update(&image.width().to_le_bytes()).update(image.as_raw());
        let path = folder.join(format!("{}.png", &hash.finalize().to_hex()[..32]));
        if !path.is_file() {
            let mut bytes = std::io::Cursor::new(Vec::new());
            image.write_to(&mut bytes, ImageFormat::Png).map_err(|error| failed(&path, &error))?;
            write_atomic(&path, |out| out.write_all(bytes.get_ref())).map_err(|error| failed(&path, &error))?;
        }
        files.push((path, label));
    }
    Ok(files)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// Returns the files as rows, their common folder, and the task that their labels imply.
fn rows_of(files: Vec<(PathBuf, Label)>, findings: &mut Findings) -> (Vec<SourceRow>, PathBuf, TaskKind) {
    if files.is_empty() {
        let text = "no images are given: give the data set some to train on".to_string();
        findings.push(FindingKind::TooFew { part: DataPart::Train }, text);
    }
    let task = files.first().map_or(TaskKind::SingleLabel, |(_, label)| label.task());
    let files: Vec<(PathBuf, Label)> = files.into_iter().map(|(path, label)| (absolute(&path), label)).collect();
    let root = common_folder(files.iter().map(|(path, _)| path.as_path()));
    let (mut missing, mut wrong) = (Vec::new(), Vec::new());
    let mut rows = Vec::with_capacity(files.len());
    for (index, (path, label)) in files.into_iter().enumerate() {
        if !path.is_file() {
            let text = format!("image {index}: there is no file {}", path.display());
            missing.push(Finding::new(FindingKind::MissingImage { path: path.clone() }, text));
        }
        let of_label =
            |what: String| Finding::new(FindingKind::GivenLabel { image: index }, format!("image {index}: {what}"));
        if label.task() != task {
            wrong.push(of_label(format!("{label:?} is a label of another kind than the first one's")));
        } else if matches!(label, Label::Value(value) if !value.is_finite()) {
            wrong.push(of_label(format!("{label:?} is no finite number")));
        }
        let labels = label.into_texts();
        if labels.iter().any(|label| label.trim().is_empty()) {
            wrong.push(of_label("a label is empty".to_string()));
        }
        let below = path.strip_prefix(&root).unwrap_or(&path);
        let id = below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        rows.push(SourceRow { id, path, labels, ..SourceRow::default() });
    }
    findings.extend("missing images", missing);
    findings.extend("labels like these", wrong);
    (rows, root, task)
}

/// Checks the rows, numbers their labels and divides them.
fn build(
    rows: Vec<SourceRow>,
    mut held_out: Vec<bool>,
    root: PathBuf,
    task: TaskKind,
    valid: &Valid,
    mut findings: Findings,
) -> Result<Dataset, DataError> {
    let vocabulary = match task {
        TaskKind::Regression => Vocabulary::new(["value"]),
        _ => Vocabulary::new(rows.iter().flat_map(|row| row.labels.iter().cloned())),
    };
    check_classes(task, &rows, &mut findings);
    let notes = settle(valid, &rows, &mut held_out).into_iter().collect();
    let remedy = remedy(task, valid, &rows, &held_out);
    let (train, valid_items) = part(rows, held_out, &vocabulary, task);
    let classes = vocabulary.into_names();
    let (split, test) = (valid.clone(), Vec::new());
    let dataset = Dataset { root, classes, task, train, valid: valid_items, test, split, notes };
    let (dataset, findings) = dataset.checked(0, remedy, findings);
    findings.or_with_notes(dataset, |dataset| dataset.notes.clone())
}

/// Returns the deepest common folder of all paths.
fn common_folder<'a>(mut paths: impl Iterator<Item = &'a Path>) -> PathBuf {
    let Some(first) = paths.next().and_then(Path::parent) else { return absolute(Path::new(".")) };
    let mut common: Vec<_> = first.components().collect();
    for path in paths {
        let shared = common.iter().zip(path.components()).take_while(|(a, b)| **a == *b).count();
        common.truncate(shared);
    }
    common.into_iter().collect()
}
