//! A finding: what is wrong with a data set, and what it is about.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::{DataKey, DecodeError};

/// One thing that is wrong with a data set, for people and for programs.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it is about.
    pub kind: FindingKind,
    /// The message: the file, line or image, what was expected, and the remedy.
    pub text: String,
}

impl Finding {
    /// A finding of this kind.
    pub fn new(kind: FindingKind, text: impl Into<String>) -> Self {
        Finding { kind, text: text.into() }
    }

    /// An image file cannot be used, for this reason.
    pub fn broken_image(path: &Path, reason: &DecodeError) -> Self {
        let text = format!("{}: {reason}", path.display());
        Finding::new(FindingKind::BrokenImage { path: path.to_path_buf(), reason: reason.clone() }, text)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<String> for Finding {
    fn from(text: String) -> Self {
        Finding::new(FindingKind::Other, text)
    }
}

impl From<&str> for Finding {
    fn from(text: &str) -> Self {
        Finding::new(FindingKind::Other, text)
    }
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FindingKind {
    /// Keys of the recipe, or the recipe and the data set that a program gives, exclude each other, whatever the images are.
    Recipe,
    /// A file or a folder that a key names is missing, cannot be read, or does not hold what is read there.
    Place {
        /// The key that names it.
        key: DataKey,
        /// The file or folder.
        path: PathBuf,
    },
    /// A folder below one that a key names cannot be listed, or one for images in memory cannot be written.
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// A column that a key names is not in the csv file, or more than one has its name.
    Column {
        /// The csv file.
        file: PathBuf,
        /// The key that names it.
        key: DataKey,
    },
    /// The csv file, or the sample of a submission, cannot be read as a table from some line on.
    Table {
        /// The csv file.
        file: PathBuf,
        /// The line, from 1; `None` if the file as a whole is meant.
        line: Option<u64>,
    },
    /// Rows of the csv file have one fault.
    Rows {
        /// The csv file.
        file: PathBuf,
        /// The fault.
        fault: RowFault,
        /// The first line that has it, from 1.
        line: u32,
        /// The number of lines that have it.
        count: usize,
    },
    /// A list of held-out images names one that the data set does not have.
    UnknownImage {
        /// The list.
        file: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// The name.
        name: String,
    },
    /// An image that a program names is not there.
    MissingImage {
        /// The file.
        path: PathBuf,
    },
    /// A label that a program gives is empty, no finite number, or of another kind than the first one.
    GivenLabel {
        /// The number of the image, from 0.
        image: usize,
    },
    /// An image is among those to train on and among those to measure with.
    BothParts {
        /// The file.
        path: PathBuf,
    },
    /// An image cannot be decoded.
    BrokenImage {
        /// The file.
        path: PathBuf,
        /// Why it cannot.
        reason: DecodeError,
    },
    /// An image in memory has no pixels.
    BrokenInput {
        /// Its number, from 0, among the images that are predicted together or given as data.
        image: usize,
    },
    /// Images cannot be used, each for a reason that another finding gives: more than the recipe's `corrupt` bears with, or
    /// any of a submission.
    Unusable {
        /// The number of files, or of rows of the csv file.
        count: usize,
        /// The number of all.
        of: usize,
    },
    /// A class has no images among those that are trained on, though others have it.
    UnknownClass {
        /// The class.
        class: String,
    },
    /// All images that are trained on have one class.
    OneClass {
        /// The class.
        class: String,
    },
    /// All images that a regression is trained on have one label.
    OneValue {
        /// The label.
        value: f32,
    },
    /// No image has a tag.
    NoTags,
    /// Classes or tags are measured and never trained.
    Untrained {
        /// The classes or tags.
        classes: Vec<String>,
    },
    /// A part of the data set has no image, or too few to work with.
    TooFew {
        /// The part.
        part: DataPart,
    },
    /// An image that is trained on has no label of the recipe's task.
    Unlabelled {
        /// The file.
        path: PathBuf,
    },
    /// The recipe's `class_weights` are not as many as the classes.
    ClassWeights {
        /// The number of weights.
        weights: usize,
        /// The number of classes.
        classes: usize,
    },
    /// The classes or tags of the data are not those that a program stated, or that the folds before had.
    OtherClasses {
        /// Those that were stated or there before.
        wanted: Vec<String>,
        /// Those of the data.
        found: Vec<String>,
    },
    /// A metric can measure none of the classes or tags on the validation or the test images.
    Unmeasurable {
        /// The name of the metric's column.
        metric: String,
    },
    /// A sweep has no candidates.
    NoCandidates,
    /// The first metric of a candidate of a sweep, by which all are compared, is not that of the first candidate.
    OtherMetric {
        /// The candidate, from 0.
        candidate: usize,
    },
    /// Two images of a submission have one id.
    SameId {
        /// The id.
        id: String,
        /// Their files.
        paths: [PathBuf; 2],
    },
    /// The model's task, or the number of its classes, is not one for the format of the submission.
    SubmissionFormat,
    /// A tag holds the text that is to stand between the tags of a submission.
    Separator {
        /// The tag.
        tag: String,
    },
    /// A submission does not fit its sample, for reasons that other findings give.
    Sample {
        /// The sample.
        file: PathBuf,
    },
    /// Ids of a submission's sample have no image.
    SampleIds {
        /// The ids, in the order of the sample.
        ids: Vec<String>,
    },
    /// Columns of a submission's sample are no classes of the model.
    SampleColumns {
        /// The names of the columns.
        columns: Vec<String>,
    },
    /// Classes of the model have no column in the sample of a submission.
    NoSampleColumn {
        /// The classes.
        classes: Vec<String>,
    },
    /// `valid` asks for more rows, folds or images than there are.
    Split,
    /// Findings of one kind that are counted and not listed.
    More {
        /// Their number.
        count: usize,
    },
    /// Something else; the text alone says it.
    Other,
}

impl FindingKind {
    /// Whether it keeps from training alone: a model that was trained before can be measured all the same.
    pub(crate) fn is_of_training(&self) -> bool {
        matches!(self, FindingKind::OneClass { .. } | FindingKind::OneValue { .. } | FindingKind::Untrained { .. })
    }
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataPart {
    /// The images to train on.
    Train,
    /// The images to measure with.
    Valid,
}

/// What is wrong with rows of a csv file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowFault {
    /// They repeat the header.
    HeaderAgain,
    /// They have fewer cells than the recipe needs.
    TooFewCells,
    /// They have more cells than the first row.
    TooManyCells,
    /// The image name goes on over the end of the line.
    NameOverLines,
    /// The label goes on over the end of the line.
    LabelOverLines,
    /// The image name is empty.
    NoName,
    /// The cell that says whether a row is held out says neither yes nor no.
    HeldOut,
    /// The label is written as a list.
    LabelList,
    /// The label is empty.
    NoLabel,
    /// The label is no finite number.
    NoNumber,
    /// A tag ends with a comma or the like.
    TagMark,
    /// White space is around a label or tag.
    Spaced,
    /// A column of 0 and 1 holds another number.
    Unsure,
    /// A column of 0 and 1 holds text.
    NoFlag,
    /// Columns of text are read as columns of 0 and 1.
    TextColumn,
    /// None of the columns of classes holds a 1.
    NoClass,
    /// Several columns of classes hold a 1.
    SeveralClasses,
    /// The image lies among the images and among those held out.
    TwoFiles,
    /// The image is not there.
    NoImage,
    /// The image name leads out of the folder of images.
    Outside,
}
