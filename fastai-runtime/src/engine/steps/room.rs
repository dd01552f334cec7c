//! Whether a training step fits into a GPU's memory.

use std::time::Instant;

use burn::tensor::Tensor;
use fastai_dsl::{BodyState, Stage};

use crate::RunError;
use crate::device::{self, DeviceError, DeviceKind};
use crate::engine::room::FEWEST;
use crate::engine::session::Session;
use crate::error::FailedStep;
use crate::random::Stream;
use crate::train::Inputs;

/// Seconds of a first step from which on the run says what they were for.
const WORTH_A_LINE: f64 = 2.0;

impl Session<'_> {
    /// Tries a step of a training stage that changes nothing, so that a GPU whose memory is too small for it is known before the
    /// stage begins. This is also when a GPU's kernels are chosen and compiled, so the time of the stage is that of training.
    ///
    /// burn does not give back what a step held that ran out of memory, so nothing larger than that step's rest fits into this
    /// process any more: the state is kept with the batches in twice as many parts, for another process.
    ///
    /// # Errors
    /// [`RunError::NoRoom`] where more parts may help; the device's failure for any other reason, or with the fewest images.
    pub(super) fn make_room(&mut self, index: usize, stage: &Stage) -> Result<(), RunError> {
        let (size, batch) = (stage.state.size as usize, stage.state.batch as usize);
        if self.device == DeviceKind::Cpu || stage.state.body == BodyState::Precomputed {
            return Ok(());
        }
        let device = self.learner.device().clone();
        let rows: Vec<usize> = (0..batch.min(self.sets.dataset.train.len())).collect();
        let what = format!("step with {} images of {size} x {size} pixels, kernels included", rows.len());
        self.progress.begin(&what, 1);
        let started = Instant::now();
        let parts = self.snapshot.parts[index];
        self.learner.set_parts(parts);
        let tried = device::guarded(|| {
            let images = Tensor::zeros([rows.len(), 3, size, size], &device);
            let mut rng = Stream::new(self.seed, "room").at(&[]);
            self.learner.try_step(Inputs::Images(images), &rows, &self.train_loss, &mut rng);
            device.sync().map_err(|error| device::cause_in(&error.to_string()))
        });
        self.progress.finish();
        if let Err(reason) = tried.and_then(|done| done) {
            let name = self.summary.device.clone();
            let most = rows.len() / FEWEST as usize;
            let more = more_parts(parts, most).filter(|_| device::is_memory(&reason));
            let Some(parts) = more else { return Err(DeviceError::Failed { name, reason }.into()) };
            self.keep_parts(index, parts)?;
            return Err(RunError::NoRoom { step: FailedStep::new(index, &stage.step), device: name, reason, parts });
        }
        device.memory_cleanup();
        let seconds = started.elapsed().as_secs_f64();
        if seconds >= WORTH_A_LINE {
            // A served device has its kernels where it is.
            let folder = device::kernels_folder().filter(|_| self.device != DeviceKind::Remote);
            let kept =
                folder.map_or(String::new(), |folder| format!(" and kept in {} for later runs", folder.display()));
            self.progress.note(&format!("first {what}: {seconds:.0} s{kept}"));
        }
        Ok(())
    }

    /// Keeps the state of the run with the batches of stage `index`, and of later ones that take as much memory, in so many parts.
    fn keep_parts(&mut self, index: usize, parts: usize) -> Result<(), RunError> {
        let needs = |stage: &Stage| (stage.state.size, stage.state.batch, stage.state.body);
        let tried = needs(&self.stages[index]);
        for (stage, of_stage) in self.stages.iter().zip(&mut self.snapshot.parts).skip(index) {
            if needs(stage) == tried {
                *of_stage = parts;
            }
        }
        self.keep(index, self.began.elapsed().as_secs_f64())
    }
}

/// Twice as many parts, at most `most`; `None` if there are that many already.
fn more_parts(parts: usize, most: usize) -> Option<usize> {
    (parts < most).then(|| (2 * parts).min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_double_up_to_the_fewest_images() {
        let doubled: Vec<usize> = std::iter::successors(Some(1), |parts| more_parts(*parts, 6)).collect();
        assert_eq!(doubled, [1, 2, 4, 6]);
        assert_eq!(more_parts(1, 1), None);
        assert_eq!(more_parts(1, 0), None);
    }
}
