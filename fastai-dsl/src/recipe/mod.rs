//! The checked recipe: plain data, and the only input of the engine.

use serde::{Deserialize, Serialize};

use crate::schema;
use crate::word_enums::word_enums;

pub(crate) mod augmentation;
mod average;
mod course;
mod data;
mod keep_best;
pub(crate) mod loss;
mod metric;
mod model;
pub(crate) mod optimizer;
mod step;
mod transforms;

pub use augmentation::{Augmentation, Erased, augmentation_words};
pub use average::*;
pub use course::*;
pub use data::*;
pub use keep_best::*;
pub use loss::{Costs, LossSpec};
pub use metric::*;
pub use model::*;
pub use optimizer::{Descends, OptimizerSpec};
pub use step::*;
pub use transforms::*;

/// A recipe that passed every check. Only [`crate::check`] creates recipes, for every front end.
///
/// Its [`std::fmt::Display`] is flat canonical text (loops unrolled, values evaluated) that parses back to an equal recipe;
/// run folders and model headers store that text.
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
}

/// The optional sections of a recipe.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Options {
    /// The one seed that every random draw comes from.
    pub seed: Option<u64>,
    /// The requested device; `run --device` overrides it.
    pub device: Option<DeviceWish>,
    /// The numbers that a body computes with while it trains.
    #[serde(default)]
    pub precision: Option<Precision>,
    /// Whether `report.html` is written.
    pub report: Option<bool>,
    /// What training lowers.
    #[serde(default)]
    pub loss: Option<LossSpec>,
    /// Weights of the classes in the loss.
    pub class_weights: Option<ClassWeights>,
    /// Share of each label that is spread over all classes while training.
    #[serde(default)]
    pub label_smoothing: Option<f64>,
    /// Parameter of the Beta distribution that `mixup` draws shares from.
    #[serde(default)]
    pub mixup: Option<f64>,
    /// Parameter of the Beta distribution that `cutmix` draws areas from.
    #[serde(default)]
    pub cutmix: Option<f64>,
    /// The optimizer.
    #[serde(default)]
    pub optimizer: Option<OptimizerSpec>,
    /// Largest global gradient norm.
    pub clip: Option<f64>,
    /// Largest absolute value of each number of a gradient.
    #[serde(default)]
    pub clip_value: Option<f64>,
    /// Batches whose mean gradient makes a step.
    #[serde(default)]
    pub accumulate: Option<u32>,
    /// Decay of the moving average of the weights.
    #[serde(default)]
    pub ema: Option<f64>,
    /// Keep the weights of the epoch that was best by this metric.
    pub keep_best: Option<KeepBest>,
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
        self.options.seed.unwrap_or_else(|| schema::section("seed").default())
    }
    /// Which device the recipe asks for.
    pub fn device(&self) -> DeviceWish {
        self.options.device.unwrap_or_else(|| schema::section("device").default())
    }
    /// The numbers that a body computes with while it trains.
    pub fn precision(&self) -> Precision {
        self.options.precision.unwrap_or_else(|| schema::section("precision").default())
    }
    /// Whether `report.html` is written.
    pub fn report(&self) -> bool {
        self.options.report.unwrap_or_else(|| schema::section("report").default())
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
        self.options.label_smoothing.unwrap_or_else(|| schema::section("label_smoothing").default())
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
        self.options.accumulate.unwrap_or_else(|| schema::section("accumulate").default())
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
        step::largest_size(self.transforms.size, &self.steps)
    }

    /// The last `tta` step: its index from 0 and its number of augmented passes.
    pub fn last_tta(&self) -> Option<(usize, u32)> {
        self.steps.iter().enumerate().rev().find_map(|(index, step)| match step {
            Step::Tta { n_aug } => Some((index, *n_aug)),
            _ => None,
        })
    }
}

/// The defaults of keys that a recipe omits.
macro_rules! registry_defaults {
    ($($name:ident = $construct:ident.$key:ident;)+) => { $(
        impl Default for $name {
            fn default() -> Self {
                schema::$construct.default(stringify!($key))
            }
        }
    )+ };
}
registry_defaults! {
    Corrupt = FOLDERS.corrupt;
    Duplicates = FOLDERS.duplicates;
    Sampler = FOLDERS.sampler;
    Encoding = CSV.encoding;
    PadMode = TRANSFORMS.pad_mode;
    Decode = TRANSFORMS.decode;
}

word_enums! {
    values in option_words;

    /// What a label is.
    #[derive(Default)]
    TaskKind {
        /// Exactly one class per image: log-softmax and cross-entropy.
        #[default]
        SingleLabel = "single_label",
        /// Any number of tags per image: sigmoid and binary cross-entropy.
        MultiLabel = "multi_label",
        /// A number per image: no activation, L1 loss.
        Regression = "regression",
    }

    /// The requested device.
    DeviceWish {
        /// The first of CUDA, Metal, Vulkan and wgpu that computes, else the CPU.
        Auto = auto,
        /// CUDA or an error.
        Cuda = cuda,
        /// wgpu, which selects Vulkan, Metal or Direct3D 12, or an error.
        Wgpu = wgpu,
        /// Vulkan or an error.
        Vulkan = vulkan,
        /// Metal or an error.
        Metal = metal,
        /// The CPU.
        Cpu = cpu,
    }

    /// The numbers that a body computes with while it trains.
    Precision {
        /// 32-bit floats throughout.
        F32 = f32,
        /// 16-bit floats in the convolutions of training, 32-bit floats in everything else.
        Mixed = mixed,
    }
}

/// Weights of the classes in the loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeights {
    /// Inversely proportional to the class's count in the training set, with mean 1.
    Balanced,
    /// One per class, in class order.
    Given(Vec<f64>),
}
