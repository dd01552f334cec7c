//! In how many parts a batch passes the body so that a training step fits into a GPU's memory.

use std::time::Instant;

use burn::tensor::Tensor;
use fastai_dsl::{BodyState, Stage};

use crate::RunError;
use crate::device::{self, DeviceError, DeviceKind};
use crate::engine::room::{FEWEST, in_parts};
use crate::engine::session::Session;
use crate::random::Stream;
use crate::train::Inputs;

/// Seconds of a first step from which on the run says what they were for.
const WORTH_A_LINE: f64 = 2.0;

impl Session<'_> {
    /// Finds the parts in which the batches of a training stage fit into a GPU's memory, by trying a step that changes nothing.
    /// This is also when a GPU's kernels are chosen and compiled, so the time of the stage is that of training.
    ///
    /// # Errors
    /// The device's failure for any other reason, or with the fewest images.
    pub(super) fn make_room(&mut self, index: usize, stage: &Stage) -> Result<(), RunError> {
        let (size, batch) = (stage.state.size as usize, stage.state.batch as usize);
        if self.device == DeviceKind::Cpu || stage.state.body == BodyState::Precomputed {
            return Ok(());
        }
        let device = self.learner.device().clone();
        let rows: Vec<usize> = (0..batch.min(self.sets.dataset.train.len())).collect();
        let (least, most) = (self.snapshot.parts[index], rows.len() / FEWEST as usize);
        let what = format!("step with {} images of {size} x {size} pixels, kernels included", rows.len());
        self.progress.begin(&what, 1);
        let started = Instant::now();
        let parts = parts_that_pass(least, most, |parts| {
            self.learner.set_parts(parts);
            let tried = device::guarded(|| {
                let images = Tensor::zeros([rows.len(), 3, size, size], &device);
                let mut rng = Stream::new(self.seed, "room").at(&[]);
                self.learner.try_step(Inputs::Images(images), &rows, &self.train_loss, &mut rng);
                device.sync().map_err(|error| device::cause_in(&error.to_string()))
            });
            device.memory_cleanup();
            tried.and_then(|done| done)
        });
        self.progress.finish();
        let parts = parts.map_err(|reason| DeviceError::Failed { name: self.summary.device.clone(), reason })?;
        let seconds = started.elapsed().as_secs_f64();
        if seconds >= WORTH_A_LINE {
            // A served device has its kernels where it is.
            let folder = device::kernels_folder().filter(|_| self.device != DeviceKind::Remote);
            let kept =
                folder.map_or(String::new(), |folder| format!(" and kept in {} for later runs", folder.display()));
            self.progress.note(&format!("first {what}: {seconds:.0} s{kept}"));
        }
        self.learner.set_parts(parts);
        self.snapshot.parts[index] = parts;
        if parts > least {
            self.note(format!("step {} `{}`: {}", index + 1, stage.step, in_parts(stage, parts)));
        }
        Ok(())
    }
}

/// The first number of parts, doubled from `least` to at most `most`, with which `attempt` does not run out of memory.
///
/// # Errors
/// The last attempt's reason.
fn parts_that_pass(
    least: usize,
    most: usize,
    mut attempt: impl FnMut(usize) -> Result<(), String>,
) -> Result<usize, String> {
    let mut parts = least;
    loop {
        match attempt(parts) {
            Ok(()) => return Ok(parts),
            Err(reason) if device::is_memory(&reason) && parts < most => parts = (2 * parts).min(most),
            Err(reason) => return Err(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_double_until_a_step_passes() {
        let mut tried = Vec::new();
        let passes = parts_that_pass(1, 32, |parts| {
            tried.push(parts);
            if parts < 6 { Err("CUDA_ERROR_OUT_OF_MEMORY".to_string()) } else { Ok(()) }
        });
        assert_eq!((passes, tried), (Ok(8), vec![1, 2, 4, 8]));
        let mut last = 0;
        let never = |parts| {
            last = parts;
            Err("out of memory".to_string())
        };
        assert_eq!((parts_that_pass(1, 6, never), last), (Err("out of memory".to_string()), 6));
        let lost = |_| Err("device lost".to_string());
        assert_eq!(parts_that_pass(1, 32, lost), Err("device lost".to_string()));
    }
}
