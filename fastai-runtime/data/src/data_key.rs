//! The keys of `data` that name a place of the data set.

use std::fmt;

/// A key of the recipe's `data` that names a file, a folder or a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKey {
    /// The folder that the other places are below.
    Root,
    /// The folder of training images, one sub-folder a class.
    Train,
    /// What is held out: a folder, a list, a column.
    Valid,
    /// The folder of test images.
    Test,
    /// The csv file.
    Labels,
    /// The folder of the images that the csv file names.
    Images,
    /// The column of the image names.
    Id,
    /// The column of the labels.
    Label,
    /// The columns of the labels, where there are several.
    Columns,
}

impl DataKey {
    /// The key as a recipe writes it.
    pub const fn word(self) -> &'static str {
        match self {
            DataKey::Root => "root",
            DataKey::Train => "train",
            DataKey::Valid => "valid",
            DataKey::Test => "test",
            DataKey::Labels => "labels",
            DataKey::Images => "images",
            DataKey::Id => "id",
            DataKey::Label => "label",
            DataKey::Columns => "columns",
        }
    }
}

impl fmt::Display for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
