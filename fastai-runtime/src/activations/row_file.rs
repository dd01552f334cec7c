//! An open file with rows of features, and the images that they are of.

use std::fs::File;
use std::path::PathBuf;

/// What identifies an image among those with the same body and preparation.
pub(super) type ImageKey = [u8; 16];

/// A file that is open, and the images whose rows it has, each with the byte at which its row begins.
#[derive(Debug)]
pub(super) struct RowFile {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) rows: Vec<(ImageKey, u64)>,
}
