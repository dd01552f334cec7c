//! The optional sections of a recipe.

use serde::{Deserialize, Serialize};

use super::{DeviceWish, KeepBest, LossSpec, OptimizerSpec, Precision};

/// The optional sections of a recipe, as far as it has them; the methods of [`Recipe`](super::Recipe) say what each means.
#[derive(Clone, Debug, PartialEq, Default, Serialize)]
pub(crate) struct Options {
    pub(crate) seed: Option<u64>,
    pub(crate) device: Option<DeviceWish>,
    pub(crate) precision: Option<Precision>,
    pub(crate) report: Option<bool>,
    pub(crate) loss: Option<LossSpec>,
    pub(crate) class_weights: Option<ClassWeights>,
    pub(crate) label_smoothing: Option<f64>,
    pub(crate) mixup: Option<f64>,
    pub(crate) cutmix: Option<f64>,
    pub(crate) optimizer: Option<OptimizerSpec>,
    pub(crate) clip: Option<f64>,
    pub(crate) clip_value: Option<f64>,
    pub(crate) accumulate: Option<u32>,
    pub(crate) ema: Option<f64>,
    pub(crate) keep_best: Option<KeepBest>,
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
