//! The optional sections of a recipe.

use serde::{Deserialize, Serialize};

use super::{DeviceWish, KeepBest, LossSpec, OptimizerSpec, Precision};

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

/// Weights of the classes in the loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeights {
    /// Inversely proportional to the class's count in the training set, with mean 1.
    Balanced,
    /// One per class, in class order.
    Given(Vec<f64>),
}
