//! A run in progress: what it holds, and what it keeps.

use std::path::PathBuf;
use std::time::Instant;

use burn::module::Module;
use fastai_dsl::{HeadSpec, Recipe, Stage};

use super::measured::Look;
use super::sets::Sets;
use super::snapshot::{KeptFile, SavedLook, Snapshot};
use super::snapshot_folder::SnapshotFolder;
use super::supplied::Supplied;
use crate::RunError;
use crate::activations::ActivationCache;
use crate::device::{self, DeviceKind};
use crate::keeping_times::KeepingTimes;
use crate::metrics::{Measure, Probabilities, Thresholds};
use crate::models::{self, ModelDigest, ModelMeta};
use crate::progress::{Progress, StopSignal};
use crate::report::{Record, RunFolder, Summary};
use crate::train::{Continued, Learner, Loss};

/// A run in progress.
pub(super) struct Session<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) stop: StopSignal,
    pub(super) progress: &'a mut dyn Progress,
    pub(super) smoke: bool,
    /// Whether the report is written.
    pub(super) reports: bool,
    pub(super) seed: u64,
    /// The kind of the device; failures of a GPU's driver are panics of burn.
    pub(super) device: DeviceKind,
    pub(super) learner: Learner,
    pub(super) sets: Sets,
    pub(super) stages: Vec<Stage>,
    /// Weight of each class in the losses of all parts.
    pub(super) class_weights: Option<Vec<f32>>,
    pub(super) train_loss: Loss,
    pub(super) valid_loss: Option<Loss>,
    /// The loss of a labelled test set, which is measured once at the end.
    pub(super) test_loss: Option<Loss>,
    /// The mean loss of the best constant answer.
    pub(super) constant_loss: f64,
    /// The recipe's metrics, in its order.
    pub(super) metrics: Vec<Box<dyn Measure>>,
    /// What the program supplies, for the outcome.
    pub(super) supplied: Supplied,
    pub(super) cache: ActivationCache,
    pub(super) folder: RunFolder,
    pub(super) summary: Summary,
    pub(super) record: Record,
    /// The current head, and the number of heads before it.
    pub(super) head: HeadSpec,
    pub(super) heads: u64,
    /// Predictions of the current network for the validation part.
    pub(super) look: Option<Look>,
    /// What the last `tta` step predicted for the validation part.
    pub(super) averaged: Option<Probabilities>,
    /// The probabilities above which tags are predicted.
    pub(super) thresholds: Option<Thresholds>,
    pub(super) snapshots: SnapshotFolder,
    /// The state from which the run would continue if it ended now, but for what a fit keeps while it runs.
    pub(super) snapshot: Snapshot,
    /// When a fit keeps its state.
    pub(super) times: KeepingTimes,
    /// The next fit, if it continues.
    pub(super) continued: Option<Continued>,
    /// When this process began to work on the run.
    pub(super) began: Instant,
    /// Whether the weights differ from those of the snapshot.
    pub(super) trained: bool,
    /// Wall time before this process resumed the run, seconds.
    pub(super) seconds_before: f64,
}

impl Session<'_> {
    /// Saves the current network, for images of `size` pixels; returns the file and its digest.
    pub(super) fn save_model(&self, name: &str, size: u32) -> Result<(PathBuf, ModelDigest), RunError> {
        let path = self.folder.model_path(name)?;
        let digest = models::save_model(&self.learner.network().valid(), &self.meta(size), &path)?;
        Ok((path, digest))
    }

    /// Records the model that a `save` step wrote.
    pub(super) fn has_saved(&mut self, name: &str, digest: ModelDigest) {
        self.snapshot.models.insert(name.to_string(), digest);
    }

    /// The model that a `save` step wrote.
    pub(super) fn saved_model(&self, name: &str) -> Option<&ModelDigest> {
        self.snapshot.models.get(name)
    }

    /// Returns the first unfinished stage.
    pub(super) fn next_stage(&self) -> usize {
        self.snapshot.finished
    }

    /// Wall time of the run so far, `seconds` of it in this process.
    pub(super) fn wall_time(&self, seconds: f64) -> f64 {
        self.seconds_before + seconds
    }

    /// Writes a snapshot: `finished` stages are done, and the snapshot contains everything that the next one needs.
    pub(super) fn keep(&mut self, finished: usize, seconds: f64) -> Result<(), RunError> {
        if self.trained {
            let name = format!("after-{finished}.safetensors");
            let meta = self.meta(self.recipe.transforms().size);
            let digest = models::save_model(&self.learner.network().valid(), &meta, &self.snapshots.file(&name))?;
            self.snapshot.weights = Some(KeptFile { file: name, digest });
            self.trained = false;
        }
        self.summary.seconds = self.wall_time(seconds);
        let kept = Snapshot {
            finished,
            head: self.head.clone(),
            heads: self.heads,
            thresholds: self.thresholds.clone(),
            look: self.look.as_ref().map(SavedLook::of),
            averaged: self.averaged.clone(),
            summary: self.summary.clone(),
            record: self.record.clone(),
            history: self.folder.history().to_vec(),
            ..self.snapshot.clone()
        };
        self.snapshots.write(&kept)?;
        self.folder.write_summary(&self.summary)?;
        if finished == 0 || self.stages[finished - 1].step.trains() {
            self.folder.write_batches(&self.record, self.recipe.model().facts().groups())?;
        }
        self.snapshot = kept;
        Ok(())
    }

    /// Reports a line and records it in the summary.
    pub(super) fn note(&mut self, line: String) {
        self.progress.note(&line);
        self.summary.notes.push(line);
    }

    /// Warns, and records it in the summary.
    pub(super) fn warn(&mut self, line: String) {
        self.progress.warn(&line);
        self.summary.notes.push(line);
    }

    /// Returns the header of a saved model.
    pub(super) fn meta(&self, size: u32) -> ModelMeta {
        let meta = ModelMeta::of(self.recipe, self.sets.dataset.classes.clone()).at_size(size);
        let threshold = self.thresholds.clone().or(meta.threshold);
        let class_weights = self.class_weights.clone();
        ModelMeta { head: self.head.clone(), seed: self.seed, threshold, class_weights, ..meta }
    }

    /// Runs the unfinished steps. A failure of a GPU's driver becomes an error, so that the run keeps its results; where memory
    /// ran out, it is [one to go on from](Self::in_more_parts).
    pub(super) fn run_unfinished(&mut self, started: Instant) -> Result<(), RunError> {
        let (device, name) = (self.learner.device().clone(), self.summary.device.clone());
        let result = device::guarded_on(&device, &name, || self.run_steps(started)).unwrap_or_else(|failed| {
            self.progress.finish();
            Err(failed.into())
        });
        result.map_err(|error| self.in_more_parts(error))
    }
}
