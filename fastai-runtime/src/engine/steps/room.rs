//! Whether a training step fits into a GPU's memory, and how a run goes on if it does not.

use std::time::Instant;

use burn::tensor::Tensor;
use fastai_dsl::{BodyState, Stage, Step};

use crate::RunError;
use crate::device::{self, DeviceError, DeviceKind};
use crate::engine::room::{FEWEST, passes_in_parts};
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
    /// # Errors
    /// The device's failure.
    pub(super) fn make_room(&mut self, stage: &Stage) -> Result<(), RunError> {
        let size = stage.state.size as usize;
        if self.device == DeviceKind::Cpu || stage.state.body == BodyState::Precomputed {
            return Ok(());
        }
        let device = self.learner.device().clone();
        let rows: Vec<usize> = (0..self.images_of_batch(stage)).collect();
        let what = format!("step with {} images of {size} x {size} pixels, kernels included", rows.len());
        self.progress.begin(&what, 1);
        let started = Instant::now();
        let tried = device::guarded(|| {
            let images = Tensor::zeros([rows.len(), 3, size, size], &device);
            let mut rng = Stream::new(self.seed, "room").at(&[]);
            self.learner.try_step(Inputs::Images(images), &rows, &self.train_loss, &mut rng);
            device.sync().map_err(|error| device::cause_in(&error.to_string()))
        });
        self.progress.finish();
        if let Err(reason) = tried.and_then(|done| done) {
            return Err(DeviceError::Failed { name: self.summary.device.clone(), reason }.into());
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

    /// What the run ends with after `error`: where a GPU's memory ran out and more parts may help, [`RunError::NoRoom`], and the
    /// state that the run kept last says to go on in twice as many. Any other error stays what it is.
    ///
    /// burn does not give back what a step held that ran out of memory, so nothing larger than that step's rest fits into this
    /// process any more: another one goes on. The device is full and the network may be absent, so neither is touched. Every
    /// stage begins with a state on the disk, and the file of the newest state changes alone.
    pub(in crate::engine) fn in_more_parts(&self, error: RunError) -> RunError {
        let (device, reason) = match error {
            RunError::Device(DeviceError::Failed { name, reason }) => (name, reason),
            other => return other,
        };
        let running = self.next_stage();
        let step = self.stages.get(running).map(|stage| &stage.step);
        // After the last stage, the network is measured in that stage's state.
        let index = running.min(self.stages.len().saturating_sub(1));
        let images = self.stages.get(index).map_or(0, |stage| self.images_of_batch(stage));
        let Some(parts) = parts_after(&reason, step, self.learner.parts(), images) else {
            return DeviceError::Failed { name: device, reason }.into();
        };
        let step = FailedStep::of(index, &self.stages[index]);
        match self.keep_parts(index, parts) {
            Ok(()) => RunError::NoRoom { step, device, reason, parts },
            Err(not_kept) => not_kept,
        }
    }

    /// Images of a whole batch of the stage.
    fn images_of_batch(&self, stage: &Stage) -> usize {
        self.sets.dataset.train.len().min(stage.state.batch as usize)
    }

    /// Changes the kept state: the batches of stage `index`, and of later ones that take as much memory, pass in so many parts.
    fn keep_parts(&self, index: usize, parts: usize) -> Result<(), RunError> {
        let needs = |stage: &Stage| (stage.state.size, stage.state.batch, stage.state.body);
        let tried = needs(&self.stages[index]);
        let of_stage = |(at, (stage, had)): (usize, (&Stage, &usize))| {
            if at >= index && needs(stage) == tried { parts.max(*had) } else { *had }
        };
        self.snapshots.amend(|kept| {
            kept.parts = self.stages.iter().zip(&self.snapshot.parts).enumerate().map(of_stage).collect();
            kept.summary.seconds = self.wall_time(self.began.elapsed().as_secs_f64());
        })
    }
}

/// The parts in which a run tries again a step whose batches of so many images passed in `parts` when the device failed for this
/// reason. Without a step, the run measured its network at the end.
///
/// `None` if the reason is not memory, if the step takes as much of it in any number of parts, or if the parts have the fewest
/// images already.
fn parts_after(reason: &str, step: Option<&Step>, parts: usize, images: usize) -> Option<usize> {
    let helps = device::is_memory(reason) && step.is_none_or(passes_in_parts);
    more_parts(parts, images / FEWEST as usize).filter(|_| helps)
}

/// Twice as many parts, at most `most`; `None` if there are that many already.
fn more_parts(parts: usize, most: usize) -> Option<usize> {
    (parts < most).then(|| (2 * parts).min(most))
}

#[cfg(test)]
mod tests {
    use fastai_dsl::source::RecipeText;
    use fastai_dsl::{Facts, Plan};

    use super::*;

    #[test]
    fn parts_double_up_to_the_fewest_images() {
        let doubled: Vec<usize> = std::iter::successors(Some(1), |parts| more_parts(*parts, 6)).collect();
        assert_eq!(doubled, [1, 2, 4, 6]);
        assert_eq!(more_parts(1, 1), None);
        assert_eq!(more_parts(1, 0), None);
    }

    #[test]
    fn more_parts_follow_a_lack_of_memory_where_they_help() {
        const FULL: &str = "out of device memory allocating 8388608 bytes";
        let text = "A { task: single_label, data: folders { root: \"d\" }, transforms: side_on { size: 224 }, model: resnet18, \
                    metrics: [accuracy], train: { precompute(on); fit(0.01, 1); precompute(off); unfreeze(); save(\"a\"); \
                    fit(0.001, 1); tta(); load(\"a\"); } }";
        let recipe = RecipeText::new("a.recipe", text, &[]).result.unwrap().recipe;
        let stages = Plan::new(&recipe, &Facts::default()).stages;
        let doubled: Vec<Option<usize>> =
            stages.iter().map(|stage| parts_after(FULL, Some(&stage.step), 2, 64)).collect();
        assert_eq!(doubled, [Some(4), Some(4), None, None, None, Some(4), Some(4), None]);
        let average = Step::Average { names: vec!["a".to_string(), "b".to_string()] };
        assert_eq!(parts_after(FULL, Some(&average), 2, 64), None, "its batches are whole");
        assert_eq!(parts_after(FULL, None, 16, 64), Some(32), "the measurement at the end");
        assert_eq!(parts_after(FULL, None, 32, 64), None, "there are two images in each");
        assert_eq!(parts_after("device lost", None, 1, 64), None);
    }
}
