//! Why activations were computed.

use std::path::{Path, PathBuf};

use fastai_dsl::blank_is_none;
use serde::{Deserialize, Serialize};

use crate::atomic::write_own;

/// Why activations were computed: what they are of. It is kept beside them; `fastai cache` reads it, and no run
/// does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purpose {
    /// The recipe that computed them; others with the same body, preparation and images use them, too.
    pub recipe: String,
    /// The working directory of its run; `None` if it was not known. What is no UTF-8 in it is replaced.
    #[serde(default, deserialize_with = "blank_is_none::deserialize", skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The part of the data set.
    pub part: Part,
    /// Number of images.
    pub images: usize,
    /// The architecture.
    pub network: String,
    /// The digest of the body's weights.
    pub body: String,
    /// How images are prepared.
    pub preparation: String,
}

/// A part of the data set, whose activations are kept in a file of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// The images to train on.
    #[serde(rename = "training")]
    Train,
    /// The images to measure with.
    #[serde(rename = "validation")]
    Valid,
    /// The test images.
    #[serde(rename = "test")]
    Test,
}

impl Part {
    /// All parts, in the order of their numbers.
    pub const ALL: [Part; 3] = [Part::Train, Part::Valid, Part::Test];

    /// Returns the name in messages: `training`, `validation` or `test`.
    pub fn word(self) -> &'static str {
        match self {
            Part::Train => "training",
            Part::Valid => "validation",
            Part::Test => "test",
        }
    }
}

impl Purpose {
    fn path(features: &Path) -> PathBuf {
        features.with_extension("json")
    }

    /// Writes it beside a file of features. Without it, `fastai cache why` knows less, and nothing else changes.
    pub(super) fn keep(&self, features: &Path) {
        if let Ok(text) = serde_json::to_vec_pretty(self) {
            let _ = write_own(Self::path(features), |file| file.write_all(&text));
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
impl Purpose {
    /// That of the training images of a run whose working directory is not known.
    pub(super) fn example() -> Self {
        Purpose {
            recipe: "Cats".into(),
            directory: None,
            part: Part::Train,
            images: 3,
            network: "resnet18".into(),
            body: "9".repeat(64),
            preparation: "side 64".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_is_read_back_and_damage_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let features = folder.path().join("x.features");
        let purpose = Purpose::example();
        assert_eq!(Purpose::of(&features), None);
        purpose.keep(&features);
        assert_eq!(Purpose::of(&features), Some(purpose));
        let earlier = r#"{"recipe":"Cats","directory":"","part":"validation","images":3,"network":"n","body":"b","preparation":"p"}"#;
        std::fs::write(folder.path().join("x.json"), earlier).unwrap();
        let read = Purpose::of(&features).map(|purpose| (purpose.directory, purpose.part));
        assert_eq!(read, Some((None, Part::Valid)));
        std::fs::write(folder.path().join("x.json"), b"{").unwrap();
        assert_eq!(Purpose::of(&features), None);
    }
}
