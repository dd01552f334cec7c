//! Why activations were computed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic::write_atomic;

/// Why activations were computed: what they are of. It is kept beside them, for people; nothing else reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purpose {
    /// The recipe that computed them; others with the same body, preparation and images use them, too.
    pub recipe: String,
    /// The working directory of its run.
    pub directory: String,
    /// The part of the data set: `training`, `validation` or `test`.
    pub part: String,
    /// Number of images.
    pub images: usize,
    /// The architecture.
    pub network: String,
    /// The digest of the body's weights.
    pub body: String,
    /// How images are prepared.
    pub preparation: String,
}

impl Purpose {
    fn path(features: &Path) -> PathBuf {
        features.with_extension("json")
    }

    /// Writes it beside a file of features. Without it, `fastai cache why` knows less, and nothing else changes.
    pub(super) fn keep(&self, features: &Path) {
        if let Ok(text) = serde_json::to_vec_pretty(self) {
            let _ = write_atomic(Self::path(features), |file| file.write_all(&text));
        }
    }

    /// Removes what is kept beside a file of features.
    pub(super) fn remove(features: &Path) {
        let _ = std::fs::remove_file(Self::path(features));
    }

    /// Reads what is kept beside a file of features; `None` if there is nothing, or nothing sound.
    pub fn of(features: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(Self::path(features)).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_is_read_back_and_damage_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let features = folder.path().join("x.features");
        let purpose = Purpose { recipe: "Cats".into(), images: 3, ..Purpose::default() };
        assert_eq!(Purpose::of(&features), None);
        purpose.keep(&features);
        assert_eq!(Purpose::of(&features), Some(purpose));
        std::fs::write(folder.path().join("x.json"), b"{").unwrap();
        assert_eq!(Purpose::of(&features), None);
    }
}
