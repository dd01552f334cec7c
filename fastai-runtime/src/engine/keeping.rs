//! Keeps the state of a fit while it runs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use burn::module::Module;
use fastai_dsl::cycle_model;

use super::course_watch::CourseWatch;
use super::snapshot::{KeptFile, KeptMidway, Snapshot};
use super::snapshot_folder::SnapshotFolder;
use super::snapshot_moment::SnapshotMoment;
use crate::RunError;
use crate::keeping_times::KeepingTimes;
use crate::models::{self, ModelDigest, ModelMeta, Network};
use crate::report::RunFolder;
use crate::train::{EpochRow, FitCurve, FitState, Logbook, Midway};

/// Time between two states of a fit, unless the options name another.
pub(super) const EVERY: Duration = Duration::from_secs(60);

/// The logbook of a fit of a run.
pub(super) struct Keeping<'a> {
    /// The step.
    pub(super) index: usize,
    pub(super) folder: &'a mut RunFolder,
    pub(super) snapshots: &'a mut SnapshotFolder,
    /// The state before the step.
    pub(super) before: &'a Snapshot,
    pub(super) meta: ModelMeta,
    pub(super) times: &'a mut KeepingTimes,
    /// When this process began to work on the run, and how long others had worked on it before, seconds.
    pub(super) began: (Instant, f64),
    /// The best epoch whose weights have been written.
    pub(super) best: Option<(u64, KeptFile)>,
    /// The models of cycles: the start of their names, their header, and those that have been saved.
    pub(super) cycles: Option<(String, ModelMeta)>,
    pub(super) saved: BTreeMap<String, ModelDigest>,
    /// What is said of the epochs.
    pub(super) watch: CourseWatch,
    /// What the fit recorded before an error ended it; no batches until then.
    pub(super) failed: FitCurve,
}

impl Logbook for Keeping<'_> {
    fn epoch(&mut self, row: &EpochRow) -> Result<(), RunError> {
        self.folder.append_epoch(self.index, row).map(drop)
    }

    fn cycle(&mut self, cycle: u64, network: &Network) -> Result<(), RunError> {
        let Some((name, meta)) = &self.cycles else { return Ok(()) };
        let name = cycle_model(name, cycle);
        let digest = models::save_model(&network.valid(), meta, &self.folder.model_path(&name)?)?;
        self.saved.insert(name, digest);
        Ok(())
    }

    fn verdict(&mut self, at: &Midway) -> Option<String> {
        self.watch.after_epoch(at)
    }

    fn failed(&mut self, at: &Midway) {
        let read = at.losses.len();
        self.failed = FitCurve {
            rates: at.rates.iter().map(|rates| rates[..read.min(rates.len())].to_vec()).collect(),
            losses: at.losses.clone(),
            batch_losses: at.batch_losses.clone(),
            ends: at.ends.clone(),
            epochs: at.epochs.clone(),
            ..std::mem::take(&mut self.failed)
        };
    }

    fn is_due(&self) -> bool {
        self.times.is_due()
    }

    fn keep(&mut self, state: FitState<'_>) -> Result<(), RunError> {
        let begun = Instant::now();
        let written = self.write(state);
        // After a failure too, or every batch would try again.
        self.times.kept(begun);
        written
    }
}

impl Keeping<'_> {
    fn write(&mut self, state: FitState<'_>) -> Result<(), RunError> {
        let FitState { midway, network, optimizer, best, average } = state;
        let stem = SnapshotMoment { finished: self.before.finished, batches: midway.iterations }.stem();
        let weights = self.save(network, format!("{stem}.safetensors"))?;
        let best = match (best, &midway.best) {
            (Some(network), Some(epoch)) => Some(match self.best.take_if(|(written, _)| *written == epoch.epoch) {
                Some((_, file)) => file,
                None => {
                    self.save(network, format!("after-{}-best-{}.safetensors", self.before.finished, epoch.epoch))?
                }
            }),
            _ => None,
        };
        self.best = best.clone().zip(midway.best.as_ref()).map(|(file, best)| (best.epoch, file));
        let average = match average {
            Some(average) => {
                // The mean of epochs grows between two states at the same batch.
                let file = format!("{stem}-average-{}.safetensors", average.count());
                Some((average.count(), self.save(&average.network(network), file)?))
            }
            None => None,
        };
        let optimizer_state = optimizer.snapshot(network);
        let file = format!("{stem}-optimizer.safetensors");
        let digest = models::save_state(&optimizer_state.tensors, &self.snapshots.file(&file))?;
        let kept = KeptMidway {
            midway: midway.clone(),
            steps: optimizer_state.steps,
            optimizer: KeptFile { file, digest },
            best,
            average,
        };
        let earlier = self.before.history.iter().filter(|(step, _)| *step != self.index).cloned();
        let (began, seconds_before) = self.began;
        let mut snapshot = Snapshot {
            weights: Some(weights),
            history: earlier.chain(midway.epochs.iter().map(|row| (self.index, row.clone()))).collect(),
            midway: Some(kept),
            ..self.before.clone()
        };
        snapshot.models.extend(self.saved.clone());
        snapshot.summary.seconds = seconds_before + began.elapsed().as_secs_f64();
        self.snapshots.write(&snapshot)
    }

    fn save(&self, network: &Network, file: String) -> Result<KeptFile, RunError> {
        let digest = models::save_model(&network.valid(), &self.meta, &self.snapshots.file(&file))?;
        Ok(KeptFile { file, digest })
    }
}
