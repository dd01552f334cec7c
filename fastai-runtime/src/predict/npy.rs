//! Rows of numbers as a NumPy file.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use crate::atomic::write_atomic;
use crate::data::FileError;

/// Writes a matrix row by row as a NumPy file (version 1.0 of the format, little-endian float32). A temporary file in the same
/// folder holds the rows until [`finish`](Self::finish).
#[derive(Debug)]
pub struct NpyRows {
    path: PathBuf,
    width: usize,
    rows: u64,
    spool: BufWriter<File>,
}

impl NpyRows {
    /// Starts a matrix of `width` columns. `path` is written by [`finish`](Self::finish) only.
    ///
    /// # Errors
    /// If no file can be made in the folder of `path`.
    pub fn create(path: &Path, width: usize) -> Result<Self, FileError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let spool = tempfile::tempfile_in(folder).map_err(|error| FileError::new("write", path, error))?;
        Ok(NpyRows { path: path.to_path_buf(), width, rows: 0, spool: BufWriter::new(spool) })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// A full disk.
    ///
    /// # Panics
    /// If the row has another width.
    pub fn push(&mut self, row: &[f32]) -> Result<(), FileError> {
        assert_eq!(row.len(), self.width, "columns");
        self.rows += 1;
        let written = row.iter().try_for_each(|value| self.spool.write_all(&value.to_le_bytes()));
        written.map_err(|error| FileError::new("write", &self.path, error))
    }

    /// Writes the file, atomically, and returns its number of rows.
    ///
    /// # Errors
    /// A full disk, or a path that cannot be written.
    pub fn finish(self) -> Result<u64, FileError> {
        let NpyRows { path, width, rows, spool } = self;
        let content = |out: &mut dyn Write| {
            let mut spool = spool.into_inner().map_err(io::IntoInnerError::into_error)?;
            spool.rewind()?;
            out.write_all(&header(rows, width))?;
            io::copy(&mut spool, out).map(drop)
        };
        write_atomic(path, content).map(|()| rows)
    }
}

/// The bytes before the numbers. These begin at a multiple of 64.
fn header(rows: u64, columns: usize) -> Vec<u8> {
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    // Ten bytes come before the text, and it ends with a line.
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    text.extend(std::iter::repeat_n(' ', length - text.len() - 1));
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_numpys_format() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let mut rows = NpyRows::create(&path, 2).unwrap();
        rows.push(&[1.0, 2.0]).unwrap();
        assert!(!path.exists());
        rows.push(&[3.0, 4.0]).unwrap();
        assert_eq!(rows.finish().unwrap(), 2);
        let file = std::fs::read(path).unwrap();
        assert_eq!(file.len(), 128 + 16);
        assert!(
            file.starts_with(b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }")
        );
        assert_eq!((file[127], &file[128..132]), (b'\n', 1f32.to_le_bytes().as_slice()));
        assert!(NpyRows::create(&folder.path().join("gone/a.npy"), 2).is_err());
    }
}
