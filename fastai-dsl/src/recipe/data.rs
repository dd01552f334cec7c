//! Where images and labels come from.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Valid;
use crate::construct::Key;
use crate::draft::{Value, ValueKind};
use crate::fits::{Fits, kind};
use crate::from_value::FromValue;
use crate::word_enums::word_enums;

/// Where images and labels come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// The folder that all other paths are relative to; itself relative to the working directory. `None` for `given`.
    #[serde(with = "crate::blank_is_none")]
    pub root: Option<String>,
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

impl Data {
    /// Returns the data folder of a run that started in `directory`: that directory itself if the recipe names no folder.
    pub fn root_in(&self, directory: &Path) -> PathBuf {
        match &self.root {
            Some(root) => directory.join(root),
            None => directory.to_path_buf(),
        }
    }
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

impl FromValue for Column {
    fn from_value(value: &Value, key: &Key) -> Option<Self> {
        match &value.kind {
            ValueKind::Text(name) => Some(Column::Name(name.clone())),
            _ => u32::from_value(value, key).map(Column::Position),
        }
    }
}

/// Keys that every source has.
macro_rules! loading {
    ($doc:tt $konst:ident $name:ident $keys:tt) => {
        $crate::construct::construct! { $doc $konst $name $keys {
            /// Images per batch.
            batch: Count in range(2.0, 65536.0) = "64";
            /// Threads that decode and transform; the default is one per CPU core.
            workers: Count in range(1.0, 1024.0);
            /// Policy for files that are missing or cannot be decoded: `deny` lists them and stops before training, `skip`
            /// lists them and leaves them out.
            corrupt: Word(Corrupt) = "deny";
            /// Policy for training images that equal a validation image byte for byte: `drop` leaves them out, `keep`
            /// trains on them.
            duplicates: Word(Duplicates) = "drop";
            /// The order of an epoch: `shuffle` visits each training image once, `balanced` visits rare classes more often
            /// and frequent ones less.
            sampler: Word(Sampler) = "shuffle";
            /// Shorter side, in pixels, of scaled copies that a run keeps in the cache folder and reads instead of the images;
            /// `validate` and `predict` see equal pixels.
            resize_to: Count in range(8.0, 8192.0) like "512";
            /// The images that are decoded and compared before training: `all`, or at most this many of each part, in random
            /// order. An unexamined image that cannot be decoded stops the run when the run reads it. Preflight reports
            /// training images that show nearly the same as a validation image: copies that were encoded anew, resized or
            /// lightened a little. Mirrored, rotated and strongly changed copies do not count, nor do images with hardly any
            /// pattern.
            preflight: Extent = "all";
        } }
    };
}

/// The constructs of the sources, and of what is examined.
pub mod calls {
    use super::{Corrupt, Duplicates, Encoding, Sampler};

    crate::construct::construct_lists! {
        /// The sources of `data`.
        SOURCES in sources {
            /// Images in folders, one subfolder per class.
            FOLDERS folders {
                /// Folder of the data set, relative to the working directory.
                root: Text, required like "\"data\"";
                /// Folder of the training images, below `root`.
                train: Text = "\"train\"";
                /// The held-out images: a folder's name, or a split.
                valid: Split = "\"valid\"";
                /// Folder of test images, below `root`.
                test: Text;
            } + loading
            /// Images in one folder, labels in a csv file.
            CSV csv {
                /// Folder of the data set, relative to the working directory.
                root: Text, required like "\"data\"";
                /// The csv file, below `root`.
                labels: Text, required like "\"labels.csv\"";
                /// Folder of the images, below `root`.
                images: Text, required like "\"train\"";
                /// Folder of test images, below `root`.
                test: Text;
                /// Appended to the id to make a file name, such as `".jpg"`. Of several suffixes, the first for which a file
                /// exists counts.
                suffix: Texts = "\"\"" like "\".jpg\"";
                /// Column of the image name.
                id: Column in range(0.0, 10000.0) = "0";
                /// Column of the label or the tags.
                label: Column in range(0.0, 10000.0) = "1";
                /// The separator of tags (multi_label).
                separator: Text = "\" \"";
                /// Instead of `label`: a column of 0 and 1 for each class or tag, named after it; or, for tags, columns with
                /// one tag each.
                columns: Columns in range(0.0, 10000.0);
                /// The character between cells: `";"`, `"\t"`.
                delimiter: Text = "\",\"";
                /// How the file's bytes are read: `utf8`, `latin1` (Windows-1252) or `utf16`.
                encoding: Word(Encoding) = "utf8";
                /// Whether the first row is a header.
                header: Switch = "on";
                /// The held-out images: a split, or the name of the folder that contains them.
                valid: Split = "random(0.2)";
            } + loading
            /// Images, labels and the held-out part that the Rust program supplies in `RunOptions { dataset, .. }`.
            GIVEN given {} + loading
        }
        /// What the key `preflight` of `data` takes.
        CHECKS in checks {
            /// So many images of each part, in random order.
            SAMPLE sample {
                /// Images of each part.
                images: Count in range(1.0, 1000000000.0), required like "10000";
            }
        }
    }
}

impl Fits<kind::Extent> for calls::sample {}

registry_defaults! {
    Corrupt = FOLDERS.corrupt;
    Duplicates = FOLDERS.duplicates;
    Sampler = FOLDERS.sampler;
    Encoding = CSV.encoding;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::RecipeText;

    #[test]
    fn data_without_a_folder_are_stored_with_an_empty_one() {
        for (source, root) in [("given", ""), ("folders { root: \"d\" }", "d")] {
            let text = format!(
                "A {{ task: single_label, data: {source}, transforms: none {{ size: 64 }}, model: squeezenet1_1, \
                 metrics: [accuracy], train: {{ fit(0.01, 1); }} }}"
            );
            let recipe = RecipeText::new("a.recipe", &text, &[]).result.unwrap().recipe;
            let stored = serde_json::to_value(recipe.data()).unwrap();
            assert_eq!(stored["root"], root);
            assert_eq!(serde_json::from_value::<Data>(stored).unwrap(), *recipe.data());
            assert_eq!(recipe.data().root_in(Path::new("of/run")), Path::new("of/run").join(root));
        }
    }
}
