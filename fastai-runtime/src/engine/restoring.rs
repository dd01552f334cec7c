//! Restores a run to the state that it kept.

use super::beginning::initial_network;
use super::notes_of_parts;
use super::session::Session;
use super::snapshot::{KeptFile, KeptMidway};
use crate::RunError;
use crate::device::HalfFloat;
use crate::error::ResumeError;
use crate::metrics::Probabilities;
use crate::models::{self, ModelDigest, Network, WeightsError};
use crate::report::Summary;
use crate::train::{Continued, OptimizerState};

impl Session<'_> {
    /// Restores the session to its snapshot.
    pub(super) fn restore(&mut self) -> Result<(), RunError> {
        let finished = self.snapshot.finished;
        if finished > self.stages.len() {
            let reason = format!("{finished} stages are finished of {}", self.stages.len());
            return Err(ResumeError::Broken { path: self.folder.path().to_path_buf(), reason }.into());
        }
        self.head = self.snapshot.head.clone();
        self.heads = self.snapshot.heads;
        self.thresholds = self.snapshot.thresholds.clone();
        if let Some(weights) = self.snapshot.weights.clone() {
            let network = self.load_kept(&weights)?;
            self.learner.replace(network);
        }
        let (images, classes) = (self.sets.dataset.valid.len(), self.sets.dataset.classes.len());
        self.look = self.snapshot.look.clone().and_then(|look| look.restore(images, classes));
        let whole = |p: &Probabilities| p.classes() == classes && p.values().len() == images * classes;
        self.averaged = self.snapshot.averaged.clone().filter(whole);
        self.record = self.snapshot.record.clone();
        let now = std::mem::replace(&mut self.summary, self.snapshot.summary.clone());
        self.seconds_before = self.summary.seconds;
        let [before, here] = [self.summary.half, now.half].map(|half| half.map_or("f32", HalfFloat::word));
        self.summary = Summary {
            status: now.status,
            device: now.device,
            device_reason: now.device_reason,
            half: now.half,
            threads: now.threads,
            directory: now.directory,
            ..std::mem::take(&mut self.summary)
        };
        // The run has said it when it opened; it may have found more parts since this state was kept.
        let parts = notes_of_parts(&self.stages, &self.snapshot.parts);
        let new: Vec<String> = parts.filter(|note| !self.summary.notes.contains(note)).collect();
        self.summary.notes.extend(new);
        if before != here {
            self.note(format!("training convolved in {before} before and does in {here} on this device"));
        }
        let count = self.stages.len();
        match self.snapshot.midway.take() {
            None => self.note(format!("goes on after step {finished} of {count}, which was finished")),
            Some(kept) => {
                let batches = kept.midway.iterations;
                self.note(format!("goes on in step {} of {count}, after {batches} batches of it", finished + 1));
                self.continued = Some(self.restore_midway(kept)?);
            }
        }
        Ok(())
    }

    /// Restores the state of a fit.
    fn restore_midway(&self, kept: KeptMidway) -> Result<Continued, RunError> {
        let KeptMidway { midway, steps, optimizer, best, average } = kept;
        let (groups, classes) = (self.learner.network().groups(), self.sets.dataset.classes.len());
        let apart = midway.best.is_some() != best.is_some();
        let contradiction = midway.contradiction(groups, classes, self.sets.dataset.valid.len());
        if let Some(reason) = contradiction.or(apart.then_some("the weights of its best epoch are missing")) {
            let path = self.folder.path().to_path_buf();
            return Err(ResumeError::Broken { path, reason: format!("the state of its fit: {reason}") }.into());
        }
        let tensors = models::load_state(&self.snapshots.file(&optimizer.file), &optimizer.digest)?;
        let best = best.map(|kept| self.load_kept(&kept)).transpose()?;
        let average = match average {
            Some((steps, kept)) => Some((steps, self.load_kept(&kept)?)),
            None => None,
        };
        Ok(Continued { midway, optimizer: OptimizerState { steps, tensors }, best, average })
    }

    /// The network with the weights of a file of the snapshot.
    fn load_kept(&self, kept: &KeptFile) -> Result<Network, RunError> {
        let device = self.learner.device().clone();
        let (model, classes) = (self.recipe.model(), self.sets.dataset.classes.len());
        let network = initial_network(model, &self.head, classes, self.seed, &device);
        let network = network.with_half(self.learner.network().half());
        let meta = self.meta(self.recipe.transforms().size);
        Ok(models::load_model(network, &meta, &self.snapshots.file(&kept.file), Some(&kept.digest))?)
    }

    /// Describes the saved models of the run that are no longer what it saved. A step that loads one fails.
    pub(super) fn damaged_models(&self) -> Vec<String> {
        let damage = |(name, saved): (&String, &ModelDigest)| {
            let path = self.folder.model_path(name).ok()?;
            match models::verify_model(&path) {
                Ok(found) if found == *saved => None,
                Ok(_) => Some(format!("{}: a sound model, but not the one that this run saved there", path.display())),
                Err(WeightsError::NoModel(_)) => {
                    Some(format!("{}: the model that this run saved there is gone", path.display()))
                }
                Err(error) => Some(error.to_string()),
            }
        };
        self.snapshot.models.iter().filter_map(damage).collect()
    }
}
