//! What a run keeps of its complete folds until all of them are complete.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::RunError;
use crate::engine::HeldOut;
use crate::report::DataOverview;
use crate::sealed::{read_sealed, write_sealed};

/// The kind of the file.
const KIND: &str = "fastai fold 1";
/// Largest file, bytes.
const LARGEST: u64 = 4 << 30;

/// What the report and the evaluation of all folds need of one, besides its run folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct KeptFold {
    /// Its predictions; `None` if it holds nothing out.
    pub(in crate::engine) held_out: Option<HeldOut>,
    /// The files of the images that it holds out, for the report.
    pub(in crate::engine) paths: Vec<String>,
    /// Its images of each class.
    pub(in crate::engine) data: DataOverview,
}

impl KeptFold {
    /// Reads the file; `None` if there is none or it is damaged.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, RunError> {
        if !path.is_file() {
            return Ok(None);
        }
        let Ok(bytes) = read_sealed(path, KIND, LARGEST)? else { return Ok(None) };
        let kept: Option<KeptFold> = ciborium::from_reader(&bytes[..]).ok();
        Ok(kept.filter(|kept| kept.held_out.as_ref().is_none_or(HeldOut::is_sound)))
    }

    pub(in crate::engine) fn write(&self, path: &Path) -> Result<(), RunError> {
        let mut bytes = Vec::new();
        ciborium::into_writer(self, &mut bytes)
            .map_err(|e| RunError::file("write", path, std::io::Error::other(e.to_string())))?;
        Ok(write_sealed(path, KIND, &bytes)?)
    }
}
