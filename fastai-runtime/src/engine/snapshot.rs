//! The state that a run writes after each stage, so that it can continue from there.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use fastai_dsl::HeadSpec;
use serde::{Deserialize, Serialize};

use super::data_digest::DataDigest;
use super::measured::Look;
use super::snapshot_moment::SnapshotMoment;
use crate::RunError;
use crate::atomic::FileError;
use crate::error::ResumeError;
use crate::metrics::{Probabilities, Thresholds};
use crate::models::{ModelDigest, WeightsError};
use crate::report::{Record, Summary, refuse_link};
use crate::sealed::{read_sealed, write_sealed};
use crate::train::{EpochRow, Midway};

/// Version of the snapshot's layout.
const FORMAT: u32 = 3;
/// What a state begins with.
pub(super) const KIND: &str = "fastai snapshot 2";
/// Largest snapshot that is read, bytes; the curves of a million batches take less.
const MAX_BYTES: u64 = 1 << 30;

/// Everything that the next stage needs from earlier ones, except the weights, which are in a file beside it.
///
/// The format is CBOR because floats come back with identical bits, including NaN.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Snapshot {
    pub(super) format: u32,
    /// The kept text of the recipe.
    pub(super) recipe: String,
    pub(super) seed: u64,
    pub(super) smoke: bool,
    pub(super) data: DataDigest,
    /// Digest of the initial body.
    pub(super) body: String,
    /// Finished stages.
    pub(super) finished: usize,
    /// The weights, in a file within the folder; `None` while they are the initial ones.
    pub(super) weights: Option<KeptFile>,
    /// Where the next stage, a fit, was; the weights are those of that batch.
    #[serde(default)]
    pub(super) midway: Option<KeptMidway>,
    /// The models that `save` steps wrote, by name.
    pub(super) models: BTreeMap<String, ModelDigest>,
    /// The names of the program's metrics.
    #[serde(default)]
    pub(super) own_metrics: Vec<String>,
    /// The parts in which the batches of each stage pass the body.
    #[serde(default)]
    pub(super) parts: Vec<usize>,
    pub(super) head: HeadSpec,
    pub(super) heads: u64,
    #[serde(alias = "threshold")]
    pub(super) thresholds: Option<Thresholds>,
    pub(super) look: Option<SavedLook>,
    /// What the last `tta` step predicted for the validation part.
    #[serde(default)]
    pub(super) averaged: Option<Probabilities>,
    pub(super) summary: Summary,
    pub(super) record: Record,
    pub(super) history: Vec<(usize, EpochRow)>,
}

impl Snapshot {
    /// The snapshot of a run before its first stage.
    pub(super) fn begin(recipe: String, seed: u64, smoke: bool, data: DataDigest, body: String) -> Self {
        Snapshot {
            format: FORMAT,
            recipe,
            seed,
            smoke,
            data,
            body,
            finished: 0,
            weights: None,
            midway: None,
            models: BTreeMap::new(),
            own_metrics: Vec::new(),
            parts: Vec::new(),
            head: HeadSpec { hidden: Vec::new(), dropout: Vec::new() },
            heads: 1,
            thresholds: None,
            look: None,
            averaged: None,
            summary: Summary::default(),
            record: Record::default(),
            history: Vec::new(),
        }
    }
}

impl Snapshot {
    /// Reads the snapshot of that place; the error says why it is none.
    fn decode(bytes: &[u8], place: SnapshotMoment) -> Result<Self, String> {
        let snapshot: Snapshot = ciborium::from_reader(bytes).map_err(|e| format!("no snapshot of a run ({e})"))?;
        if snapshot.format != FORMAT {
            return Err(format!("a snapshot of layout {}, not {FORMAT}", snapshot.format));
        }
        if snapshot.place() != place {
            return Err(format!("the snapshot {}", snapshot.place().stem()));
        }
        let is_elsewhere = |name: &str| name.is_empty() || name.contains(['/', '\\']) || name == "..";
        if snapshot.files().any(|kept| is_elsewhere(&kept.file)) {
            return Err("its weights are no file in its folder".to_string());
        }
        Ok(snapshot)
    }
}

impl Snapshot {
    pub(super) fn place(&self) -> SnapshotMoment {
        SnapshotMoment {
            finished: self.finished,
            batches: self.midway.as_ref().map_or(0, |kept| kept.midway.iterations),
        }
    }

    /// The files beside the state, with their digests.
    pub(super) fn files(&self) -> impl Iterator<Item = &KeptFile> {
        let midway = self.midway.iter().flat_map(|kept| std::iter::once(&kept.optimizer).chain(kept.networks()));
        self.weights.iter().chain(midway)
    }
}

/// A file of a snapshot. The digest ties it to its state: another run's weights do not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptFile {
    pub(super) file: String,
    pub(super) digest: ModelDigest,
}

/// Where a fit was, and the files with the rest of its state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeptMidway {
    pub(super) midway: Midway,
    /// Steps of the optimizer, and its tensors.
    pub(super) steps: u64,
    pub(super) optimizer: KeptFile,
    /// The weights of the best epoch so far.
    pub(super) best: Option<KeptFile>,
    /// The steps or epochs of the average of the weights, and the network with it.
    #[serde(default)]
    pub(super) average: Option<(u64, KeptFile)>,
}

impl KeptMidway {
    /// The files with weights.
    pub(super) fn networks(&self) -> impl Iterator<Item = &KeptFile> {
        self.best.iter().chain(self.average.iter().map(|(_, file)| file))
    }
}

/// Predictions of the current network for the validation part, in serialisable form.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SavedLook {
    values: Vec<f32>,
    loss: f64,
    trn_loss: Option<f64>,
    made: String,
    chosen: Option<String>,
}

impl SavedLook {
    pub(super) fn of(look: &Look) -> Self {
        SavedLook {
            values: look.probabilities.values().to_vec(),
            loss: look.loss,
            trn_loss: look.trn_loss,
            made: look.made.clone(),
            chosen: look.chosen.clone(),
        }
    }

    /// Restores the predictions for `images` images and `classes` classes; `None` if the numbers differ.
    pub(super) fn restore(self, images: usize, classes: usize) -> Option<Look> {
        (self.values.len() == images * classes).then(|| Look {
            probabilities: Probabilities::new(self.values, classes),
            loss: self.loss,
            trn_loss: self.trn_loss,
            made: self.made,
            chosen: self.chosen,
        })
    }
}

/// Writes a state as the whole content of its file, or not at all.
pub(super) fn write_state(path: &Path, snapshot: &Snapshot) -> Result<(), RunError> {
    let mut content = Vec::new();
    ciborium::into_writer(snapshot, &mut content)
        .map_err(|e| RunError::file("write", path, std::io::Error::other(e)))?;
    write_sealed(path, KIND, &content)?;
    Ok(())
}

/// Reads the state of that place; the error says why the file is none.
pub(super) fn read_state(path: &Path, place: SnapshotMoment) -> Result<Snapshot, String> {
    refuse_link(path).map_err(reason)?;
    let bytes = read_sealed(path, KIND, MAX_BYTES).map_err(|e| e.error.to_string())??;
    Snapshot::decode(&bytes, place)
}

/// Why a file of a snapshot cannot be used, without the file, which the error of the snapshot names.
pub(super) fn reason(error: RunError) -> String {
    match error {
        RunError::Weights(WeightsError::NoModel(_)) => "it is gone".to_string(),
        RunError::Weights(WeightsError::File(FileError { error, .. })) if error.kind() == ErrorKind::NotFound => {
            "it is gone".to_string()
        }
        RunError::Weights(WeightsError::File(FileError { action, error, .. })) => {
            format!("cannot {action} it: {error}")
        }
        RunError::Weights(WeightsError::Unfit { reason, .. }) => reason,
        RunError::Resume(ResumeError::Broken { reason, .. }) => reason,
        other => other.to_string(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::engine::snapshot_folder::SnapshotFolder;

    pub(in crate::engine) fn snapshot() -> Snapshot {
        Snapshot::begin("A { }".into(), 7, false, DataDigest::default(), "0".into())
    }

    /// The place of a snapshot between two stages.
    pub(in crate::engine) fn between(finished: usize) -> SnapshotMoment {
        SnapshotMoment { finished, batches: 0 }
    }

    pub(in crate::engine) fn kept(file: &str) -> KeptFile {
        KeptFile { file: file.into(), digest: serde_json::from_str("\"0\"").unwrap() }
    }

    #[test]
    fn floats_come_back_with_the_same_bits() {
        let run = tempfile::tempdir().unwrap();
        let mut folder = SnapshotFolder::take(run.path()).unwrap();
        let mut saved = snapshot();
        let numbers = [0.1 + 0.2, 1.0 / 3.0, f64::MIN_POSITIVE, 5e-324, f64::NAN, f64::INFINITY, 6.1e-5];
        saved.summary.found_rates = numbers.to_vec();
        saved.look = Some(SavedLook {
            values: vec![f32::NAN, 1e-45, 0.1],
            loss: f64::NAN,
            trn_loss: None,
            made: String::new(),
            chosen: None,
        });
        folder.write(&saved).unwrap();
        let (read, warnings) = folder.read().unwrap();
        let bits = |numbers: &[f64]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&read.summary.found_rates), bits(&numbers));
        let look = read.look.unwrap();
        assert!(look.values[0].is_nan() && look.values[1..] == [1e-45, 0.1] && look.loss.is_nan());
        assert!(look.restore(2, 2).is_none() && warnings.is_empty());
    }

    /// Damage that carries a digest reaches the reader of CBOR. `MUTATIONS=N` tries more of it.
    #[test]
    fn mutated_snapshots_are_errors_or_snapshots() {
        use rand::{RngExt, SeedableRng};
        let mut whole = Vec::new();
        ciborium::into_writer(&Snapshot { weights: Some(kept("after-0.safetensors")), ..snapshot() }, &mut whole)
            .unwrap();
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let (mut read, mut refused) = (0, 0);
        let count = std::env::var("MUTATIONS").map_or(20_000, |count| count.parse().unwrap());
        for _ in 0..count {
            let mut bytes = whole.clone();
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..bytes.len());
                match random.random_range(0..8) {
                    0 => bytes.truncate(at + 1),
                    1 => bytes.insert(at, random.random()),
                    _ => bytes[at] = random.random(),
                }
            }
            match Snapshot::decode(&bytes, between(0)) {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
        }
        assert!(read > 100 && refused > 100, "{read} {refused}");
    }
}
