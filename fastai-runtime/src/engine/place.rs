//! Where a run is.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Tells the program that started a run where the run folder is, as soon as the run could be resumed from there, also if the run
/// fails later. Several runs with the same options report the folder of the first one. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RunPlace(Arc<OnceLock<PathBuf>>);

impl RunPlace {
    /// The folder; `None` before there is one.
    pub fn folder(&self) -> Option<&Path> {
        self.0.get().map(PathBuf::as_path)
    }

    /// Names the folder, unless it is that of a fold, whose run has named its own.
    pub(super) fn set(&self, folder: &Path) {
        let _ = self.0.set(folder.to_path_buf());
    }
}
