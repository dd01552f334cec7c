//! The plan: every step of a recipe with its epochs, batches, rates and states, computed without running it.

use serde::Serialize;

use crate::rate::Rate;
use crate::recipe::{Fit, HeadSpec, Model, Recipe, Step, Weights};
use crate::schedule::{self, Schedule};

/// Counts of the data set; `None` until counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Training images.
    pub train: Option<u64>,
    /// Validation images.
    pub valid: Option<u64>,
    /// Test images.
    pub test: Option<u64>,
    /// Classes or tags.
    pub classes: Option<u64>,
}

/// The part of the network that trains, and its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyState {
    /// Only the head, on cached activations.
    Precomputed,
    /// Only the head, on images.
    Frozen,
    /// The head and some or all of the body, on images.
    Unfrozen,
}

/// The state between two steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct State {
    /// The part that trains, and its input.
    pub body: BodyState,
    /// First layer group that trains; groups before it are frozen.
    pub first_trainable: usize,
    /// Whether the body's batch norms keep their running statistics while they train.
    pub bn_frozen: bool,
    /// Image side, pixels.
    pub size: u32,
    /// Images per batch.
    pub batch: u32,
    /// The head.
    pub head: HeadSpec,
    /// Whether the body's weights differ from the file's (something has trained it).
    pub body_trained: bool,
}

impl State {
    /// The state before the first step.
    pub fn start(recipe: &Recipe) -> Self {
        Self::of(recipe.model(), recipe.transforms().size, recipe.data().batch)
    }

    /// The state before the first step of a recipe with that model, image size and batch size.
    pub(crate) fn of(model: &Model, size: u32, batch: u32) -> Self {
        let random = model.weights == Weights::None;
        State {
            body: if random { BodyState::Unfrozen } else { BodyState::Frozen },
            first_trainable: if random { 0 } else { model.facts().groups() - 1 },
            bn_frozen: false,
            size,
            batch,
            head: model.head.clone(),
            body_trained: random,
        }
    }

    /// The first of that many layer groups, from 0, that trains: the head's on cached activations.
    pub fn first_trained(&self, groups: usize) -> usize {
        let head = groups.saturating_sub(1);
        if self.body == BodyState::Precomputed { head } else { self.first_trainable.min(head) }
    }

    /// Describes which of that many layer groups train: `the last 2 of 3 layer groups, on images`.
    pub fn trains(&self, groups: usize) -> String {
        match (self.body, groups - self.first_trainable.min(groups)) {
            (BodyState::Precomputed, _) => "the head, on cached activations".to_string(),
            (_, 0 | 1) => "the head, on images".to_string(),
            (_, last) if last == groups => "the whole network, on images".to_string(),
            (_, last) => format!("the last {last} of {groups} layer groups, on images"),
        }
    }

    /// The state after `step`.
    pub fn after(&self, step: &Step, groups: usize) -> Self {
        let mut next = self.clone();
        match step {
            Step::Precompute { on: true } => next.body = BodyState::Precomputed,
            Step::Precompute { on: false } => {
                if self.body == BodyState::Precomputed {
                    next.body = BodyState::Frozen;
                }
            }
            Step::Freeze => {
                if self.body == BodyState::Unfrozen {
                    next.body = BodyState::Frozen;
                }
                next.first_trainable = groups - 1;
            }
            Step::Unfreeze => {
                next.body = BodyState::Unfrozen;
                next.first_trainable = 0;
            }
            Step::FreezeTo { group } => {
                let n = i64::from(*group);
                let g = if n < 0 { n + groups as i64 } else { n };
                next.first_trainable = g.clamp(0, groups as i64 - 1) as usize;
                let head_only = next.first_trainable + 1 == groups;
                next.body = match (head_only, self.body) {
                    (false, _) => BodyState::Unfrozen,
                    (true, BodyState::Unfrozen) => BodyState::Frozen,
                    (true, body) => body,
                };
            }
            Step::BnFreeze { on } => next.bn_frozen = *on,
            Step::Head(head) => next.head = head.clone(),
            Step::Resize { size, batch } => {
                next.size = *size;
                next.batch = batch.unwrap_or(self.batch);
            }
            Step::Fit(_) => next.body_trained |= self.first_trainable + 1 < groups,
            Step::LrFind(_) | Step::Tta { .. } | Step::Save { .. } | Step::Load { .. } | Step::Average { .. } => {}
        }
        next
    }
}

/// One step with its state and its costs. `stages[i]` belongs to `recipe.steps()[i]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stage {
    /// The step.
    pub step: Step,
    /// The step as the recipe's author reads it, by [`Recipe::shown`].
    pub text: String,
    /// The state while the step runs.
    pub state: State,
    /// Epochs (a finder has none).
    pub epochs: u64,
    /// Batches per epoch; `None` while the number of images is unknown.
    pub batches_per_epoch: Option<u64>,
    /// Training batches in all.
    pub iterations: Option<u64>,
    /// The rate of each layer group, earliest first; a single rate is repeated. Frozen groups have one too, without effect.
    pub rates: Vec<Rate>,
    /// Bytes of the activation cache that this step builds or needs (f32 features of train, valid and test).
    pub cache_bytes: Option<u64>,
}

impl Stage {
    /// The factor of the learning rate for every training batch of a `fit` (empty for other steps).
    pub fn factors(&self) -> Box<dyn Iterator<Item = f64>> {
        match (&self.step, self.batches_per_epoch, self.iterations) {
            (Step::Fit(fit), Some(batches), Some(iterations)) => {
                Box::new(Schedule::of(fit).settings(batches).take(iterations as usize).map(|setting| setting.rate))
            }
            _ => Box::new(std::iter::empty()),
        }
    }

    /// Bytes of weights, gradients and the optimizer's state in f32 while this stage trains, without the activations of a
    /// batch. `None` while the number of classes is unknown.
    pub fn parameter_bytes(&self, groups: &[Group], recipe: &Recipe) -> Option<u64> {
        // The sum of the gradients of several batches, and the average of the weights.
        let averages = recipe.ema().is_some() || matches!(&self.step, Step::Fit(Fit { swa: Some(_), .. }));
        let more = u64::from(recipe.accumulate() > 1) + u64::from(averages);
        let first = self.state.first_trained(groups.len());
        groups.iter().enumerate().try_fold(0, |sum, (i, group)| {
            let copies = if i >= first { 2 + more + recipe.optimizer().state_tensors() } else { 1 };
            Some(sum + 4 * copies * group.parameters?)
        })
    }
}

/// Parameters of one layer group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// The names of its modules.
    pub name: String,
    /// Parameters; `None` for the head while the number of classes is unknown.
    pub parameters: Option<u64>,
}

/// The steps of a recipe with their states and costs.
///
/// Example: the lesson's ImageNet. 1,280,000 images in batches of 256 are 5,000 iterations per epoch, so 450,000 iterations
/// are 90 epochs.
///
/// ```
/// use fastai_dsl::source::RecipeText;
/// use fastai_dsl::{Facts, Plan};
///
/// let text = "ImageNet {
///     task: single_label,
///     data: folders { root: \"imagenet\", batch: 256 },
///     transforms: side_on { size: 224 },
///     model: squeezenet1_1 { weights: none },
///     metrics: [accuracy],
///     train: { fit(0.1, 90); },
/// }";
/// let recipe = RecipeText::new("imagenet.recipe", text, &[]).result.unwrap().recipe;
/// let plan = Plan::new(&recipe, &Facts { train: Some(1_280_000), ..Facts::default() });
/// assert_eq!(plan.stages[0].batches_per_epoch, Some(5_000));
/// assert_eq!(plan.stages[0].iterations, Some(450_000));
/// assert_eq!(plan.epochs(), 90);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// One stage per step.
    pub stages: Vec<Stage>,
    /// Layer groups, earliest first, the head (as at the start) last.
    pub groups: Vec<Group>,
    /// The counts that the plan was computed with.
    pub facts: Facts,
}

impl Plan {
    /// Walks the recipe. Pure arithmetic: no files, no clock.
    pub fn new(recipe: &Recipe, facts: &Facts) -> Plan {
        let arch = recipe.model().facts();
        let mut state = State::start(recipe);
        let mut stages = Vec::with_capacity(recipe.steps().len());
        for step in recipe.steps() {
            let after = state.after(step, arch.groups());
            // A step that switches something runs in the state that it produces.
            let during = match step {
                Step::LrFind(_) | Step::Fit(_) | Step::Tta { .. } => state.clone(),
                _ => after.clone(),
            };
            stages.push(stage(recipe, step, during, facts));
            state = after;
        }
        let model = recipe.model();
        let head = facts.classes.map(|classes| model.head.parameters(model.head_input(), classes));
        let groups = arch
            .groups_without(model.cut)
            .into_iter()
            .map(|(name, n)| Group { name, parameters: Some(n) })
            .chain([Group { name: "head".to_string(), parameters: head }])
            .collect();
        Plan { stages, groups, facts: *facts }
    }

    /// Epochs of all stages.
    pub fn epochs(&self) -> u64 {
        self.stages.iter().fold(0, |n, s| n.saturating_add(s.epochs))
    }
}

/// Batches per epoch: a trailing batch of one is merged into the batch before it, because BatchNorm cannot train on it.
pub fn batches_per_epoch(images: u64, batch: u32) -> u64 {
    let batch = u64::from(batch.max(1));
    let batches = images.div_ceil(batch);
    if images % batch == 1 && batches > 1 { batches - 1 } else { batches }
}

fn stage(recipe: &Recipe, step: &Step, state: State, facts: &Facts) -> Stage {
    let arch = recipe.model().facts();
    let batches = facts.train.map(|n| batches_per_epoch(n, state.batch));
    let precomputed = state.body == BodyState::Precomputed;
    let features = || {
        let images = facts.train? + facts.valid.unwrap_or(0) + facts.test.unwrap_or(0);
        Some(images * u64::from(recipe.model().head_input()) * 4)
    };
    let mut stage = Stage {
        step: step.clone(),
        text: recipe.shown(step),
        state,
        epochs: 0,
        batches_per_epoch: None,
        iterations: None,
        rates: Vec::new(),
        cache_bytes: if precomputed { features() } else { None },
    };
    match step {
        Step::Fit(fit) => {
            stage.epochs = schedule::epochs(fit.cycles, fit.cycle_len, fit.cycle_mult);
            stage.batches_per_epoch = batches;
            stage.iterations = batches.map(|b| b.saturating_mul(stage.epochs));
            stage.rates = match fit.lrs.as_slice() {
                [one] => vec![*one; arch.groups()],
                many => many.to_vec(),
            };
        }
        Step::LrFind(find) => {
            stage.batches_per_epoch = batches;
            stage.iterations = Some(u64::from(find.iterations(precomputed)) * u64::from(recipe.accumulate()));
        }
        _ => {}
    }
    stage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_trains_is_said_in_words() {
        let head = HeadSpec { hidden: Vec::new(), dropout: Vec::new() };
        let words = |body, first_trainable| {
            let state = State {
                body,
                first_trainable,
                bn_frozen: false,
                size: 64,
                batch: 64,
                head: head.clone(),
                body_trained: false,
            };
            state.trains(3)
        };
        assert_eq!(words(BodyState::Precomputed, 0), "the head, on cached activations");
        assert_eq!(words(BodyState::Frozen, 2), "the head, on images");
        assert_eq!(words(BodyState::Unfrozen, 0), "the whole network, on images");
        assert_eq!(words(BodyState::Unfrozen, 1), "the last 2 of 3 layer groups, on images");
    }
}
