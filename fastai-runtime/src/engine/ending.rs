//! Ends a run: complete, stopped or failed.

use std::path::Path;

use burn::module::Module;

use super::folds::KeptFold;
use super::session::Session;
use super::{HeldOut, Outcome};
use crate::RunError;
use crate::error::Reached;
use crate::predict::Predictor;
use crate::report::{BatchRow, RunFailure, Status};

impl Session<'_> {
    /// Completes a run after its last step. What is kept of a fold goes to the file `keep`.
    pub(super) fn complete(mut self, keep: Option<&Path>) -> Result<Outcome, RunError> {
        let size = self.stages.last().map_or(self.recipe.transforms().size, |s| s.state.size);
        self.summary.status = Status::Complete;
        let saved = self.save_model("final", size).and_then(|_| {
            // The weights of an earlier stop are superseded; the report lists what is in the folder.
            let _ = std::fs::remove_file(self.folder.model_path("interrupted")?);
            self.write()
        });
        if let Err(error) = saved {
            return Err(self.failed(error));
        }
        let network = self.learner.network().valid();
        let meta = self.meta(size);
        let held_out = self.held_out();
        if let Some(path) = keep {
            let paths = self.sets.dataset.valid.iter().map(|item| item.path.to_string_lossy().into_owned()).collect();
            KeptFold { held_out: held_out.clone(), paths, data: self.record.data.clone() }.write(path)?;
        }
        // Up to this point the run could resume from its last stage; now it is complete.
        self.snapshots.remove()?;
        Ok(Outcome {
            folder: self.folder.path().to_path_buf(),
            classes: self.sets.dataset.classes,
            task: self.recipe.task(),
            predictor: Predictor::new(network, meta, self.learner.device().clone()),
            summary: self.summary,
            batches: BatchRow::of_run(&self.record),
            supplied: self.supplied,
            held_out,
        })
    }

    /// That the network has values that are not finite, which no model may have, and the step that lost them.
    pub(super) fn lost_weights(&self) -> Option<RunError> {
        let parameter = self.learner.network().valid().not_finite()?;
        let stages = &self.summary.stages;
        let lost = self.summary.ruined_by().map(|(stage, _)| stage);
        let stage = lost.or_else(|| stages.iter().rev().find(|stage| stage.kind.changes_weights())).or(stages.last())?;
        let clip_may_help = self.may_need_clip(stage.step);
        Some(RunError::LostWeights { step: stage.named(), parameter, clip_may_help })
    }

    /// The final network's predictions of the validation images.
    fn held_out(&mut self) -> Option<HeldOut> {
        let (look, loss) = (self.look.take()?, self.valid_loss.as_ref()?);
        let ids = self.sets.dataset.valid.iter().map(|item| item.id.clone()).collect();
        let augmented = self.averaged.take();
        Some(HeldOut { ids, probabilities: look.probabilities, augmented, truth: loss.truth().clone() })
    }

    /// Ends a run after a stop request.
    pub(super) fn stopped(mut self) -> RunError {
        let size = self.stages.get(self.summary.stages.len()).map_or(self.recipe.transforms().size, |s| s.state.size);
        self.summary.status = Status::Stopped;
        let saved = self.save_model("interrupted", size).and_then(|(path, _)| self.write().map(|()| path));
        match saved {
            Ok(weights) => RunError::Stopped(Reached::Run { weights, folder: self.folder.path().to_path_buf() }),
            Err(error) => error,
        }
    }

    /// Ends a failed run with a summary of the results so far, and returns the run's own error.
    pub(super) fn failed(mut self, error: RunError) -> RunError {
        self.summary.status = Status::Failed;
        self.summary.failure = Some(RunFailure::of(&error));
        self.summary.notes.push(error.to_string());
        if let Err(second) = self.write() {
            self.progress.warn(&second.to_string());
        }
        // What is kept is from before the step that lost them, which would lose them again.
        if let RunError::LostWeights { .. } = error
            && let Err(second) = self.snapshots.remove()
        {
            self.progress.warn(&second.to_string());
        }
        error
    }

    fn write(&mut self) -> Result<(), RunError> {
        self.folder.write_summary(&self.summary)?;
        self.folder.write_batches(&self.record, self.recipe.model().facts().groups())?;
        if self.reports {
            if let Some(gallery) = &mut self.record.gallery {
                gallery.make_thumbnails();
            }
            self.folder.write_report(&self.summary, &self.record)?;
        }
        Ok(())
    }
}
