//! The lock of the folder of a run or a sweep.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::RunError;
use crate::error::ResumeError;
use crate::locks::{locked, open_lock};

/// What is said once where [`FolderLock`] excludes nobody.
const NO_LOCKS: &str = "the file system of the results has no locks, so nothing keeps a second process out of this folder: \
                        start none that works on it";

/// The folder of a run or a sweep, taken for this process. The lock lasts as long as its file is open, so it ends with the process
/// in every case.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
    /// Whether others are kept out. Some network file systems have no locks.
    excludes: bool,
}

impl FolderLock {
    /// Locks `file`, which stands for `folder`, and creates it if necessary.
    ///
    /// # Errors
    /// If another process holds the lock, or the file cannot be created.
    pub(crate) fn take(folder: &Path, file: &Path) -> Result<Self, RunError> {
        let opened = open_lock(file).map_err(|e| RunError::file("create", file, e))?;
        match locked(&opened) {
            Err(TryLockError::WouldBlock) => Err(ResumeError::Running(folder.to_path_buf()).into()),
            taken => Ok(FolderLock { _file: opened, excludes: taken.is_ok() }),
        }
    }

    /// What to warn of, where the lock excludes nobody.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        (!self.excludes).then_some(NO_LOCKS)
    }
}
