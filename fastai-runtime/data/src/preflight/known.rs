//! The list of files that an earlier run decoded, so that the next run need not decode them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::looks::Looks;
use crate::atomic::{FileError, write_atomic};

/// Incremented whenever the checks become stricter, so that files are checked again.
const VERSION: u32 = 2;
/// Largest list of known files that is read, bytes.
const MAX_LIST_BYTES: u64 = 1 << 30;

/// A stamp that detects changes to a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    /// Bytes.
    size: u64,
    /// Modification time, nanoseconds since 1970.
    changed: u64,
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> Option<Stamp> {
        let metadata = std::fs::metadata(path).ok()?;
        let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Stamp { size: metadata.len(), changed: changed.as_nanos().try_into().ok()? })
    }
}

/// A file that decodes without an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sound {
    #[serde(flatten)]
    pub(crate) stamp: Stamp,
    pub(crate) looks: Looks,
}

/// Valid files, by absolute path.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Known {
    version: u32,
    pub(crate) files: BTreeMap<String, Sound>,
}

impl Known {
    /// Loads the list in `file`; empty if there is no usable one.
    pub(crate) fn load(file: &Path) -> Known {
        let mut bytes = Vec::new();
        let read = File::open(file).and_then(|file| file.take(MAX_LIST_BYTES).read_to_end(&mut bytes));
        match read.map(|_| serde_json::from_slice::<Known>(&bytes)) {
            Ok(Ok(list)) if list.version == VERSION => list,
            _ => Known::default(),
        }
    }

    pub(crate) fn save(&mut self, file: &Path) -> Result<(), FileError> {
        self.version = VERSION;
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|e| FileError::new("create", folder, e))?;
        }
        write_atomic(file, |out| Ok(serde_json::to_writer(out, &self)?))
    }
}
