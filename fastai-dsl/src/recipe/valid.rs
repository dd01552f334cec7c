//! Which images are held out for validation.

use serde::{Deserialize, Serialize};

use crate::fits::fits;
use calls::{blocks, column, folder, folds, grouped, indices, random, rows, stratified};

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

impl Valid {
    /// How many times a share, in (0, 1), can be held out without overlap; rounding does not take the last slice off a share
    /// such as 1/3.
    pub fn slices(share: f64) -> u32 {
        (1.0 / share + 1e-9) as u32
    }

    /// The seed of a split that names none.
    pub fn default_seed() -> u32 {
        calls::RANDOM.default("seed")
    }
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

/// Keys that every random split has.
macro_rules! drawn {
    ($doc:tt $konst:ident $name:ident $keys:tt) => {
        $crate::construct::construct! { $doc $konst $name $keys {
            /// Seed of the permutation.
            seed: Count in range(0.0, 4294967295.0) = "42";
            /// Index of the slice of the permutation, from 0; folds do not overlap.
            fold: Count in range(0.0, 1000000.0) = "0";
        } }
    };
}

/// The constructs of the splits.
pub mod calls {
    crate::construct::construct_lists! {
        /// The splits of `valid` that are calls.
        SPLITS in splits {
            /// A random share, exactly as fastai's `get_cv_idxs` draws it.
            RANDOM random {
                /// Share of all images.
                share: Number in open(0.0, 1.0), required like "0.2";
            } + drawn
            /// A random share of each class, or set of tags, which preserves the proportions: a class whose share is an image or
            /// more has at least one held out, and each class keeps one for training.
            STRATIFIED stratified {
                /// Share of all images.
                share: Number in open(0.0, 1.0), required like "0.2";
            } + drawn
            /// A random share of blocks of consecutive images, for lists in which neighbouring images look alike.
            BLOCKS blocks {
                /// Images per block, in the order of the csv file or of the sorted listing.
                size: Count in range(2.0, 1000000.0), required like "20";
                /// Share of all blocks.
                share: Number in open(0.0, 1.0) = "0.2";
            } + drawn
            /// A random share of groups: images with the same cell in a csv column (a patient, a place) stay together.
            GROUPED grouped {
                /// The column's name.
                name: Text, required like "\"patient\"";
                /// Share of all groups.
                share: Number in open(0.0, 1.0) = "0.2";
            } + drawn
            /// Equal parts, each held out in turn: a run for each, the predictions for all images by networks that have not seen
            /// them, and an ensemble of the networks. Each class, or set of tags, is dealt out evenly.
            FOLDS folds {
                /// Parts.
                count: Count in range(2.0, 100.0), required like "5";
                /// Seed of the permutation.
                seed: Count in range(0.0, 4294967295.0) = "42";
                /// Holds out this part alone, from 0, in one ordinary run.
                fold: Count in range(0.0, 99.0);
                /// Keeps images with the same cell in this csv column together, instead of dealing the classes out.
                grouped: Text like "\"patient\"";
                /// Keeps blocks of so many consecutive images together, instead of dealing the classes out.
                blocks: Count in range(2.0, 1000000.0) like "20";
            }
            /// A folder of validation images; with a csv file, all rows whose image lies in it.
            FOLDER folder {
                /// The folder's path below `root`. With a csv file, it is laid out like `images`, or lies inside `images`.
                path: Text, required like "\"valid\"";
            }
            /// A list of image ids, one per line.
            INDICES indices {
                /// The text file, below `root`.
                path: Text, required like "\"valid.txt\"";
            }
            /// A list of positions, as the original's `val_idxs`.
            ROWS rows {
                /// Positions from 0, in the order of the csv file or of the sorted listing.
                positions: Counts in range(0.0, 4294967295.0), required like "[0, 5]";
            }
            /// A csv column that marks the held-out images (`1`, `true`).
            COLUMN column {
                /// The column's name.
                name: Text, required like "\"is_valid\"";
            }
        }
    }
}

fits! {
    Split: random, stratified, blocks, grouped, folds, folder, indices, rows, column;
}
