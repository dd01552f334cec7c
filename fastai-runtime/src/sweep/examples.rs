//! Recipes, sweeps and results for the tests of a sweep.

use fastai_dsl::Recipe;
use fastai_dsl::source::RecipeText;

use super::trial::TrialResult;
use super::{Candidate, Stopping, SweepOrigin, SweepSpec};
use crate::engine::HeldOut;
use crate::metrics::{Probabilities, Truth};
use crate::report::Evaluation;

/// A recipe of these steps.
pub(super) fn recipe(steps: &str) -> Recipe {
    let text = format!(
        "A {{ task: single_label, data: folders {{ root: \"d\" }}, transforms: side_on {{ size: 64 }}, \
         model: squeezenet1_1, metrics: [accuracy], train: {{ {steps} }} }}"
    );
    RecipeText::new("a.recipe", &text, &[]).result.unwrap().recipe
}

/// A sweep of these candidates, each with the seed of the first one's recipe.
pub(super) fn spec(candidates: Vec<Candidate>) -> SweepSpec {
    let seeds = vec![candidates[0].recipe.seed()];
    SweepSpec { candidates, seeds, stopping: Stopping::Never, shard: None, origin: SweepOrigin::default() }
}

/// The result of a trial that was measured on images of these names and labels.
pub(super) fn result(ids: &[&str], labels: &[u32], val_loss: f64) -> TrialResult {
    let ids = ids.iter().map(ToString::to_string).collect();
    let truth = Truth::Classes(labels.to_vec());
    let held_out = HeldOut { ids, probabilities: Probabilities::default(), augmented: None, truth };
    let evaluation = Evaluation { val_loss, ..Evaluation::default() };
    TrialResult { evaluation, seconds: 1.0, held_out, classes: Vec::new(), ruin: None }
}
