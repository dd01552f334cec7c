//! Where images and labels come from, and how they are split.

use serde::{Deserialize, Serialize};

use crate::word_enums::word_enums;

/// Where images and labels come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// The folder that all other paths are relative to; itself relative to the working directory. Empty for `given`.
    pub root: String,
    /// Folders, a csv file, or a Rust program.
    pub source: Source,
    /// Which images are held out.
    pub valid: Valid,
    /// Folder of unlabelled test images below `root` (or one sub-folder a class).
    pub test: Option<String>,
    /// Images per batch, at least 2 (because of batch norm).
    pub batch: u32,
    /// Threads that decode and transform; `None` means one per CPU core.
    pub workers: Option<u32>,
    /// What to do about files that are missing or cannot be decoded.
    #[serde(default)]
    pub corrupt: Corrupt,
    /// The policy for training images that equal a validation image.
    #[serde(default)]
    pub duplicates: Duplicates,
    /// How an epoch goes through the training images.
    #[serde(default)]
    pub sampler: Sampler,
    /// Shorter side of the scaled copies that are read instead of the images, pixels.
    #[serde(default)]
    pub resize_to: Option<u32>,
    /// The images that are examined before training.
    #[serde(default)]
    pub preflight: Extent,
}

/// How many images are examined before training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// Every image.
    #[default]
    All,
    /// At most so many of each part.
    Sample(u32),
}

word_enums! {
    values in data_words;

    /// What to do about files that are missing or cannot be decoded.
    Corrupt {
        /// Stop before training and list them all.
        Deny = deny,
        /// Leave them out and list them.
        Skip = skip,
    }

    /// What to do about training images that equal a validation image byte for byte.
    Duplicates {
        /// Leave them out of training; the validation set stays as the split says.
        Drop = drop,
        /// Train on them.
        Keep = keep,
    }

    /// How the bytes of a csv file stand for characters.
    Encoding {
        /// UTF-8, with or without a byte order mark.
        Utf8 = utf8,
        /// Latin-1 with the additions of Windows-1252.
        Latin1 = latin1,
        /// UTF-16, in the order of its byte order mark, else little-endian.
        Utf16 = utf16,
    }

    /// How an epoch goes through the training images.
    Sampler {
        /// Each image once, in random order.
        Shuffle = shuffle,
        /// As many images as there are, drawn in inverse proportion to the size of their class.
        Balanced = balanced,
    }
}

/// How labels are stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// One subfolder per class.
    Folders {
        /// Folder of the training images, below `root`.
        train: String,
    },
    /// A csv file with one row per image.
    Csv {
        /// The csv file, below `root`.
        labels: String,
        /// Folder of the images, below `root`.
        images: String,
        /// Appended to the id to make the file name, `.jpg`; of several, the first that makes the name of a file.
        suffix: Vec<String>,
        /// Column of the image name.
        id: Column,
        /// Column of the label or the tags, unless there are `columns`.
        label: Column,
        /// Columns of 0 and 1, one for each class or tag; or columns with one tag each. Empty if there is a `label`.
        columns: Vec<Column>,
        /// What separates tags in a cell (multi-label only).
        separator: String,
        /// Whether the first row is a header.
        header: bool,
        /// The character between cells.
        delimiter: char,
        /// How the file's bytes are read.
        encoding: Encoding,
    },
    /// The program that runs the recipe supplies images, labels and the held-out part.
    Given,
}

/// A csv column, by name or by 0-based position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// By its name in the header.
    Name(String),
    /// By its 0-based position.
    Position(u32),
}

/// Which images are held out for validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Valid {
    /// fastai's `get_cv_idxs`, bit for bit.
    Random {
        /// Share of all images, in (0, 1).
        share: f64,
        /// Seed of the permutation.
        seed: u32,
        /// Which slice of the permutation, 0-based.
        fold: u32,
    },
    /// A share of each class.
    Stratified {
        /// Share of all images, in (0, 1).
        share: f64,
        /// Seed of the permutation.
        seed: u32,
        /// Which slice, 0-based; folds do not overlap.
        fold: u32,
    },
    /// Blocks of consecutive images, held out as a whole.
    Blocks {
        /// Images per block, at least 2.
        size: u32,
        /// Share of all blocks, in (0, 1).
        share: f64,
        /// Seed of the permutation of the blocks.
        seed: u32,
        /// Which slice of the permutation, 0-based.
        fold: u32,
    },
    /// Images with the same cell in a csv column, held out as a whole.
    Grouped {
        /// The column's name.
        column: String,
        /// Share of all groups, in (0, 1).
        share: f64,
        /// Seed of the permutation of the groups.
        seed: u32,
        /// Which slice of the permutation, 0-based.
        fold: u32,
    },
    /// Equal parts, of which each image is in one.
    Folds {
        /// How many, from 2.
        count: u32,
        /// Seed of the permutation.
        seed: u32,
        /// The part that is held out, 0-based; `None` for each in turn.
        fold: Option<u32>,
        /// How images are dealt out.
        dealing: Dealing,
    },
    /// A folder below `root`, laid out as the training folder.
    Folder(String),
    /// A text file below `root` with one image id a line.
    Indices(String),
    /// The images at these positions, from 0, in the order of the csv file or of the sorted listing.
    Rows(Vec<u32>),
    /// A csv column with 0/1 or true/false.
    Column(String),
    /// The images that the program holds out.
    Given,
    /// Train on all images without validation.
    None,
}

/// How images are dealt out into folds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dealing {
    /// Each class, or set of tags, evenly.
    Stratified,
    /// At random: numbers have no classes.
    Random,
    /// Blocks of so many consecutive images as a whole.
    Blocks(u32),
    /// Images with the same cell in this csv column as a whole.
    Grouped(String),
}

impl Valid {
    /// The number of folds that a run trains in turn; `None` for a split that holds the same images out throughout.
    pub fn turns(&self) -> Option<u32> {
        match self {
            Valid::Folds { count, fold: None, .. } => Some(*count),
            _ => None,
        }
    }

    /// The csv column whose equal cells keep images together.
    pub fn group(&self) -> Option<&str> {
        match self {
            Valid::Grouped { column, .. } | Valid::Folds { dealing: Dealing::Grouped(column), .. } => Some(column),
            _ => None,
        }
    }

    /// The split of this kind that holds out part `fold`, from 0, of `folds` equal ones; `None` for a split that holds out no
    /// share. The parts do not overlap. Unless the split is `folds`, they are rounded down as every share, so that fewer than
    /// `folds` images (blocks, groups) may be in none.
    pub fn fold_of(&self, folds: u32, fold: u32) -> Option<Valid> {
        // Not below the quotient, so that a number of images that divides is divided.
        let quotient = 1.0 / f64::from(folds.max(1));
        let part = if quotient.mul_add(f64::from(folds), -1.0) < 0.0 { quotient.next_up() } else { quotient };
        let mut valid = self.clone();
        match &mut valid {
            Valid::Random { share, fold: which, .. }
            | Valid::Stratified { share, fold: which, .. }
            | Valid::Blocks { share, fold: which, .. }
            | Valid::Grouped { share, fold: which, .. } => (*share, *which) = (part, fold),
            Valid::Folds { count, fold: which, .. } => (*count, *which) = (folds, Some(fold)),
            _ => return None,
        }
        Some(valid)
    }
}
