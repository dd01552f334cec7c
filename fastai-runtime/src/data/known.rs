//! The list of files that were decoded before, so that a second run costs nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::looks::Looks;
use crate::report::write_atomic;

/// Raised whenever the checks get stricter, so that files which older ones passed are looked at again.
const VERSION: u32 = 2;
/// A longer list of known files is not read.
const MAX_LIST_BYTES: u64 = 1 << 30;

/// What tells one content of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Bytes.
    size: u64,
    /// Time of change, nanoseconds since 1970.
    changed: u64,
}

impl Stamp {
    pub(super) fn of(path: &Path) -> Option<Stamp> {
        let metadata = std::fs::metadata(path).ok()?;
        let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Stamp { size: metadata.len(), changed: changed.as_nanos().try_into().ok()? })
    }
}

/// A file that was decoded without a complaint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sound {
    #[serde(flatten)]
    pub(super) stamp: Stamp,
    pub(super) looks: Looks,
}

/// Sound files, by absolute path.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Known {
    version: u32,
    pub(super) files: BTreeMap<String, Sound>,
}

impl Known {
    /// The list in `file`; empty if there is none that can be used.
    pub(super) fn load(file: &Path) -> Known {
        let mut bytes = Vec::new();
        let read = File::open(file).and_then(|file| file.take(MAX_LIST_BYTES).read_to_end(&mut bytes));
        match read.map(|_| serde_json::from_slice::<Known>(&bytes)) {
            Ok(Ok(list)) if list.version == VERSION => list,
            _ => Known::default(),
        }
    }

    pub(super) fn save(&mut self, file: &Path) -> Result<(), crate::RunError> {
        self.version = VERSION;
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|e| crate::RunError::file("create", folder, e))?;
        }
        write_atomic(file, |out| Ok(serde_json::to_writer(out, &self)?))
    }
}
