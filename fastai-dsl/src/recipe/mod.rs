//! The checked recipe: plain data, and the only input of the engine.

use serde::Serialize;

/// The defaults of keys that a recipe omits; declared before the modules that name it.
macro_rules! registry_defaults {
    ($($name:ident = $construct:ident.$key:ident;)+) => { $(
        impl Default for $name {
            fn default() -> Self {
                calls::$construct.default(stringify!($key))
            }
        }
    )+ };
}

pub(crate) mod augmentation;
mod average;
mod course;
pub(crate) mod data;
mod device;
mod fit;
mod keep_best;
pub(crate) mod loss;
pub(crate) mod metric;
pub(crate) mod model;
pub(crate) mod optimizer;
mod options;
pub(crate) mod sections;
pub(crate) mod step;
mod task;
mod threshold;
pub(crate) mod transforms;
pub(crate) mod valid;

pub use augmentation::{Augmentation, Erased, augmentation_words};
pub use average::{Average, KappaWeights, metric_argument_words};
pub use course::{Fall, FitCourse, course_words};
pub use data::{Column, Corrupt, Data, Duplicates, Encoding, Extent, Sampler, Source, data_words};
pub use device::{DeviceWish, Precision, option_words};
pub use fit::{Anneal, Fit, cycle_model, fit_words};
pub use keep_best::{KeepBest, keep_best_words};
pub use loss::{Costs, LossSpec};
pub use metric::{Direction, METRICS, Measures, Metric, MetricKind, metric_words};
pub use model::{Architecture, HeadSpec, Model, Weights};
pub use optimizer::{Descends, OptimizerSpec};
pub use options::ClassWeights;
pub(crate) use options::Options;
pub use sections::LARGEST_SEED;
pub(crate) use step::largest_size;
pub use step::{LrFind, Step, StepKind, Suggest, step_words};
pub use task::{MultiLabel, Regression, SingleLabel, Task, TaskKind};
pub use threshold::Threshold;
pub use transforms::{Crop, Decode, PadMode, PixelFormat, StatsWish, TransformSet, Transforms, transforms_words};
pub use valid::{Dealing, Valid};

use sections::section;

use crate::rate_names::RateNames;

/// A recipe that passed every check. Only [`crate::check`] creates recipes, for every front end.
///
/// Its [`std::fmt::Display`] is flat canonical text (loops unrolled, values evaluated) that parses back to an equal recipe.
/// Recipes are compared by that text, and model headers store it; run folders store [`kept_text`](Self::kept_text).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipe {
    pub(crate) name: String,
    pub(crate) doc: Option<String>,
    pub(crate) task: TaskKind,
    pub(crate) data: Data,
    pub(crate) transforms: Transforms,
    pub(crate) model: Model,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) steps: Vec<Step>,
    pub(crate) options: Options,
    #[serde(skip)]
    pub(crate) rate_names: RateNames,
}

impl Recipe {
    /// The type name, `DogBreed`.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// The recipe's doc comment.
    pub fn doc(&self) -> Option<&str> {
        self.doc.as_deref()
    }
    /// The task: one label per image, several tags, or a number.
    pub fn task(&self) -> TaskKind {
        self.task
    }
    /// Where images and labels come from.
    pub fn data(&self) -> &Data {
        &self.data
    }
    /// Image size and augmentation at the start (`resize` changes the size later).
    pub fn transforms(&self) -> &Transforms {
        &self.transforms
    }
    /// Architecture, head and weights.
    pub fn model(&self) -> &Model {
        &self.model
    }
    /// The metrics after each epoch, in the order of the table's columns.
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }
    /// The flat list of steps: loops unrolled, `let`s evaluated.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
    /// The seed of every random draw.
    pub fn seed(&self) -> u64 {
        self.options.seed.unwrap_or_else(|| section("seed").default())
    }
    /// Which device the recipe asks for.
    pub fn device(&self) -> DeviceWish {
        self.options.device.unwrap_or_else(|| section("device").default())
    }
    /// The numbers that a body computes with while it trains.
    pub fn precision(&self) -> Precision {
        self.options.precision.unwrap_or_else(|| section("precision").default())
    }
    /// Whether `report.html` is written.
    pub fn report(&self) -> bool {
        self.options.report.unwrap_or_else(|| section("report").default())
    }
    /// What training lowers; the task's own loss unless the recipe names one.
    pub fn loss(&self) -> LossSpec {
        self.options.loss.unwrap_or(LossSpec::of_task(self.task))
    }
    /// Weights of the classes in the loss; `None` = all equal.
    pub fn class_weights(&self) -> Option<&ClassWeights> {
        self.options.class_weights.as_ref()
    }
    /// Share of each label that is spread over all classes while training, in `[0, 1)`; 0 = none.
    pub fn label_smoothing(&self) -> f64 {
        self.options.label_smoothing.unwrap_or_else(|| section("label_smoothing").default())
    }
    /// Parameter of `mixup`'s Beta distribution, above 0; `None` = no blending.
    pub fn mixup(&self) -> Option<f64> {
        self.options.mixup.filter(|alpha| *alpha > 0.0)
    }
    /// Parameter of `cutmix`'s Beta distribution, above 0; `None` = no cutting.
    pub fn cutmix(&self) -> Option<f64> {
        self.options.cutmix.filter(|alpha| *alpha > 0.0)
    }
    /// The optimizer; SGD with momentum unless the recipe names one.
    pub fn optimizer(&self) -> OptimizerSpec {
        self.options.optimizer.unwrap_or_default()
    }
    /// Largest absolute value of each number of a gradient; `None` = no such bound.
    pub fn clip_value(&self) -> Option<f64> {
        self.options.clip_value
    }
    /// Largest global gradient norm; `None` = no clipping.
    pub fn clip(&self) -> Option<f64> {
        self.options.clip
    }
    /// Batches whose mean gradient makes a step, from 1.
    pub fn accumulate(&self) -> u32 {
        self.options.accumulate.unwrap_or_else(|| section("accumulate").default())
    }
    /// Decay of the moving average of the weights that is measured and saved; `None` = the weights themselves.
    pub fn ema(&self) -> Option<f64> {
        self.options.ema
    }
    /// What the best epoch is kept by; `None` = the last epoch counts.
    pub fn keep_best(&self) -> Option<KeepBest> {
        self.options.keep_best
    }
    /// How many `lr_find` steps there are.
    pub fn finders(&self) -> usize {
        self.steps.iter().filter(|s| matches!(s, Step::LrFind(_))).count()
    }

    /// The recipes of single folds, in their order, if the recipe trains several in turn (`valid: folds(5)`). Each is what
    /// `valid: folds(5, fold = k)` would say, a recipe of one ordinary run.
    pub fn folds(&self) -> Vec<Recipe> {
        let of = |fold: u32, count: u32| {
            let valid = self.data.valid.fold_of(count, fold)?;
            Some(Recipe { data: Data { valid, ..self.data.clone() }, ..self.clone() })
        };
        let count = self.data.valid.turns().unwrap_or(0);
        (0..count).filter_map(|fold| of(fold, count)).collect()
    }

    /// The largest image size, pixels.
    pub fn largest_size(&self) -> u32 {
        largest_size(self.transforms.size, &self.steps)
    }

    /// The last `tta` step: its index from 0 and its number of augmented passes.
    pub fn last_tta(&self) -> Option<(usize, u32)> {
        self.steps.iter().enumerate().rev().find_map(|(index, step)| match step {
            Step::Tta { n_aug } => Some((index, *n_aug)),
            _ => None,
        })
    }
}
