//! Features of a set of images, in memory or in files.

use std::io;
use std::path::Path;

use super::feature_file::{RowReader, checked};
use super::rows::FoundRows;
use crate::RunError;

/// Files up to this size are read into memory; larger ones are read row by row.
const IN_MEMORY: u64 = 1 << 30;

/// Concat-pooled features `[rows, width]`, f32.
#[derive(Debug)]
pub struct Features {
    rows: usize,
    width: usize,
    store: Store,
}

#[derive(Debug)]
enum Store {
    Memory(Vec<f32>),
    Files(FoundRows),
}

impl Features {
    /// Wraps features in memory; `values` contains complete rows.
    pub fn in_memory(values: Vec<f32>, width: usize) -> Self {
        Features { rows: values.len().checked_div(width).unwrap_or(0), width, store: Store::Memory(values) }
    }

    /// Reads features from where they were found; none is missing.
    pub(super) fn in_files(rows: FoundRows) -> Self {
        Features { rows: rows.len(), width: rows.width(), store: Store::Files(rows) }
    }

    /// Images.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Features an image.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the rows of these images, concatenated.
    ///
    /// # Errors
    /// If the file can no longer be read.
    ///
    /// # Panics
    /// If an image is not one of [`rows`](Self::rows).
    pub fn gather(&self, images: &[usize]) -> Result<Vec<f32>, RunError> {
        let mut values = Vec::with_capacity(images.len() * self.width);
        match &self.store {
            Store::Memory(all) => {
                for &image in images {
                    values.extend_from_slice(&all[image * self.width..][..self.width]);
                }
            }
            Store::Files(rows) => {
                let mut reader = RowReader::new(self.width);
                for &image in images {
                    rows.read(image, &mut reader, &mut values)?;
                }
            }
        }
        Ok(values)
    }

    /// Opens a file with exactly this key and these dimensions. The error describes how another file differs.
    pub(super) fn open(path: &Path, key: &[u8; 32], rows: usize, width: usize) -> io::Result<Result<Self, String>> {
        Self::open_within(path, key, rows, width, IN_MEMORY)
    }

    fn open_within(
        path: &Path,
        key: &[u8; 32],
        rows: usize,
        width: usize,
        in_memory: u64,
    ) -> io::Result<Result<Self, String>> {
        let keep = rows as u64 * width as u64 * 4 <= in_memory;
        Ok(checked(path, key, rows, width, keep)?.map(|(file, values)| match keep {
            true => Features::in_memory(values, width),
            false => Features::in_files(FoundRows::of_file(file, path, rows, width)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activations::feature_file::{HEADER, Writer};

    const KEY: [u8; 32] = [7; 32];

    fn write(path: &Path) {
        let mut file = Vec::new();
        let mut writer = Writer::begin(&mut file, &KEY, 3, 2).unwrap();
        writer.add(&[0.0, 1.0]).unwrap();
        writer.add(&[2.0, 3.0, 4.0, 5.0]).unwrap();
        writer.finish().unwrap();
        std::fs::write(path, file).unwrap();
    }

    #[test]
    fn rows_come_back_from_memory_and_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path);
        for in_memory in [0, IN_MEMORY] {
            let features = Features::open_within(&path, &KEY, 3, 2, in_memory).unwrap().unwrap();
            assert_eq!(matches!(features.store, Store::Memory(_)), in_memory > 0);
            assert_eq!(features.gather(&[2, 0]).unwrap(), [4.0, 5.0, 0.0, 1.0]);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path);
        let why = |key: &[u8; 32], rows| Features::open(&path, key, rows, 2).unwrap().unwrap_err();
        assert!(why(&[8; 32], 3).contains("header"));
        assert!(why(&KEY, 4).contains("bytes"));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[HEADER + 5] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(why(&KEY, 3).contains("digest"));
        std::fs::write(&path, &bytes[..40]).unwrap();
        assert!(why(&KEY, 3).contains("bytes"));
    }
}
