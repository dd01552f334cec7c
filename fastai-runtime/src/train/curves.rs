//! The records of the finder and the fit loop: the rows of the epoch table and the curves that a report draws.

use serde::{Deserialize, Serialize};

use super::evidence::Evidence;

/// The curve of one `lr_find`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FindCurve {
    /// 0-based index of the recipe's step.
    pub step: usize,
    /// The step as the recipe's author reads it.
    pub title: String,
    /// Learning rate of each batch (of the last layer group), increasing.
    pub rates: Vec<f64>,
    /// Rates of the layer groups that train as multiples of it, earliest first; in records of earlier versions empty where all are
    /// the same.
    #[serde(default)]
    pub ratio: Vec<f64>,
    /// Smoothed loss after each batch; as long as `rates`.
    pub losses: Vec<f64>,
    /// Loss of each individual batch; as long as `rates`.
    #[serde(default)]
    pub batch_losses: Vec<f64>,
    /// The suggested rate.
    pub suggestion: Option<f64>,
    /// What chose it, in words, as [`Suggestion::chosen_by`](super::Suggestion::chosen_by) says.
    pub rule: String,
}

/// The curves of one `fit`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FitCurve {
    /// 0-based index of the recipe's step.
    pub step: usize,
    /// The step as the recipe's author reads it.
    pub title: String,
    /// Learning rate of every batch, one list per layer group that trains; the last one is the head's.
    pub rates: Vec<Vec<f64>>,
    /// Smoothed training loss after every batch.
    pub losses: Vec<f64>,
    /// Loss of each individual batch; as long as `losses`.
    #[serde(default)]
    pub batch_losses: Vec<f64>,
    /// Number of batches up to the end of each finished epoch; as long as `epochs`.
    #[serde(default)]
    pub ends: Vec<usize>,
    /// One row per finished epoch.
    pub epochs: Vec<EpochRow>,
}

/// The measurements of one epoch: a row of the epoch table and of `history.csv`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// Counted from 0 within its `fit`.
    pub epoch: u64,
    /// Smoothed training loss at the end of the epoch.
    pub trn_loss: f64,
    /// Mean validation loss; NaN without validation images.
    pub val_loss: f64,
    /// What `val_loss` would be if no input of the head were more than ten standard deviations away from its running mean; `None`
    /// without validation images, where it is no number, and in records of earlier versions.
    #[serde(default)]
    pub bounded_loss: Option<f64>,
    /// Column name and value of each metric, in the recipe's order.
    pub metrics: Vec<(String, f64)>,
    /// Whether the predictions for all validation images are alike, as those of a network whose units died.
    #[serde(default)]
    pub alike: bool,
    /// Whether the predictions for the validation images follow their labels beyond chance.
    #[serde(default)]
    pub follows_labels: bool,
    /// How certain the validation loss is.
    #[serde(default)]
    pub evidence: Evidence,
    /// Wall time of the epoch including validation, seconds.
    pub seconds: f64,
}
