//! The actions of the steps of a recipe, one file per step. A step that only changes the trained layers has no file.

mod average;
mod fit;
mod head;
mod load;
mod lr_find;
pub(super) mod precompute;
mod room;
mod save;
mod tta;

use std::time::Instant;

use fastai_dsl::{Recipe, Stage, Step};

use super::session::Session;
use crate::RunError;
use crate::error::Reached;
use crate::report::StageSummary;
use crate::train::{Clip, Descent, Mixing};

/// A step while it runs.
struct Running<'a> {
    /// 0-based index of the recipe's step.
    index: usize,
    stage: &'a Stage,
    /// The summary that the step fills in.
    summary: &'a mut StageSummary,
}

impl Session<'_> {
    /// Runs every step in order, then measures the resulting network.
    pub(super) fn run_steps(&mut self, began: Instant) -> Result<(), RunError> {
        self.began = began;
        let (first, count, groups) = (self.next_stage(), self.stages.len(), self.learner.network().groups());
        for index in first..count {
            let stage = self.stages[index].clone();
            self.sets.set_batch(stage.state.batch);
            self.learner.set_parts(self.snapshot.parts[index]);
            self.progress.stage(index, count, &title(&stage));
            let started = Instant::now();
            let trains = stage.step.trains();
            let body = stage.state.first_trained(groups) + 1 < groups;
            let mut summary = StageSummary {
                step: index,
                kind: stage.step.kind(),
                text: stage.text.clone(),
                size: stage.state.size,
                trains: trains.then(|| stage.state.trains(groups)),
                trains_body: trains && body,
                ..StageSummary::default()
            };
            let result = self.run_step(Running { index, stage: &stage, summary: &mut summary });
            summary.seconds = started.elapsed().as_secs_f64();
            self.summary.stages.push(summary);
            result?;
            if stage.step.changes_weights() && !self.is_put_right(index) {
                self.check_numbers()?;
            }
            self.trained |= stage.step.changes_weights();
            self.keep(index + 1, began.elapsed().as_secs_f64())?;
            if self.stop.requested() {
                return Err(RunError::Stopped(Reached::Batch));
            }
        }
        // Weights that no step here has put in place may be those of an earlier version, which did not check them.
        if !self.stages[first..].iter().any(|stage| stage.step.changes_weights()) {
            self.check_numbers()?;
        }
        // It passes images through the body in any state that the run had: in the parts that all of them fit into.
        self.learner.set_parts(self.snapshot.parts.iter().copied().max().unwrap_or(1));
        self.measure_final()
    }

    /// # Errors
    /// [`RunError::LostWeights`] of a network with values that are not finite; the summary ends with what was measured of it.
    fn check_numbers(&mut self) -> Result<(), RunError> {
        let Some(lost) = self.lost_weights() else { return Ok(()) };
        self.end_lost();
        Err(lost)
    }

    /// Whether a step after step `index` replaces the network by models that have been saved so far.
    fn is_put_right(&self, index: usize) -> bool {
        let has_saved = |name: &String| self.saved_model(name).is_some();
        self.stages[index + 1..].iter().any(|later| match &later.step {
            Step::Load { name } => has_saved(name),
            Step::Average { names } => names.iter().all(has_saved),
            _ => false,
        })
    }

    fn run_step(&mut self, at: Running<'_>) -> Result<(), RunError> {
        match &at.stage.step {
            Step::Precompute { .. } => precompute::prepare(self, &at.stage.state, at.summary),
            Step::LrFind(find) => lr_find::run(self, find, at),
            Step::Fit(fit) => fit::run(self, fit, at),
            Step::Tta { n_aug } => tta::run(self, *n_aug, at),
            Step::Head(spec) => head::run(self, spec),
            Step::Save { name } => save::run(self, name, at.stage.state.size),
            Step::Load { name } => load::run(self, name, at),
            Step::Average { names } => average::run(self, names, at),
            Step::Resize { .. } => {
                self.look = None;
                Ok(())
            }
            Step::Freeze | Step::Unfreeze | Step::FreezeTo { .. } | Step::BnFreeze { .. } => Ok(()),
        }
    }
}

/// The mixing of training images in the recipe.
fn mixing(recipe: &Recipe) -> Mixing {
    Mixing { mixup: recipe.mixup(), cutmix: recipe.cutmix() }
}

/// The optimizer of the recipe and the bounds of its gradients.
fn descent(recipe: &Recipe) -> Descent {
    Descent { rule: recipe.optimizer(), clip: Clip { norm: recipe.clip(), value: recipe.clip_value() } }
}

fn timed(summary: &mut StageSummary, images: u64, seconds: f64) {
    summary.images = images;
    summary.images_per_s = if seconds > 0.0 { images as f64 / seconds } else { 0.0 };
}

/// Describes a stage: the step and its epochs.
fn title(stage: &Stage) -> String {
    match &stage.step {
        Step::Fit(_) => format!("{} ({} epoch{})", stage.text, stage.epochs, if stage.epochs == 1 { "" } else { "s" }),
        _ => stage.text.clone(),
    }
}
