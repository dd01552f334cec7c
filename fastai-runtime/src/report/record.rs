//! What the engine collects for plots and tables while a run goes on.

use serde::{Deserialize, Serialize};

use super::{Bars, Gallery};

/// What a run leaves to draw, beside its [`Summary`](super::Summary).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Images of each class or tag.
    pub data: DataOverview,
    /// One an `lr_find`, in order.
    pub finds: Vec<FindCurve>,
    /// One a `fit`, in order.
    pub fits: Vec<FitCurve>,
    /// Single label: the last predictions for the validation set (`tta` if the recipe has one).
    pub confusion: Option<Confusion>,
    /// The images that the last predictions for the validation set got most wrong.
    pub gallery: Option<Gallery>,
    /// Multi label: how the last predictions for the validation set did on each tag.
    pub tags: Option<Vec<TagRow>>,
}

/// What the data set holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataOverview {
    /// One a class or tag, in the order of the outputs. An image with several tags counts once for each.
    pub classes: Vec<ClassCount>,
    /// Sizes of the training images; of a regression the values of training and validation images before them.
    #[serde(default)]
    pub histograms: Vec<Bars>,
}

/// Images of one class, or images with one tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCount {
    /// The class or tag.
    pub name: String,
    /// Training images.
    pub train: usize,
    /// Validation images.
    pub valid: usize,
}

/// What one `lr_find` saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FindCurve {
    /// 0-based index of the recipe's step.
    pub step: usize,
    /// The step as canonical text.
    pub title: String,
    /// Learning rate of each batch (of the last layer group), increasing.
    pub rates: Vec<f64>,
    /// Smoothed loss after each batch; as long as `rates`.
    pub losses: Vec<f64>,
    /// The suggested rate.
    pub suggestion: Option<f64>,
    /// How it was chosen: `valley`, `steepest`, ..
    pub rule: String,
}

/// What one `fit` did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FitCurve {
    /// 0-based index of the recipe's step.
    pub step: usize,
    /// The step as canonical text.
    pub title: String,
    /// Learning rate of every batch, one list a layer group, earliest group first.
    pub rates: Vec<Vec<f64>>,
    /// Smoothed training loss after every batch.
    pub losses: Vec<f64>,
    /// One a finished epoch.
    pub epochs: Vec<EpochRow>,
}

/// What one epoch measured: a row of the epoch table and of `history.csv`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// From 0 within its `fit`.
    pub epoch: u64,
    /// Smoothed training loss at the end of the epoch.
    pub trn_loss: f64,
    /// Mean validation loss.
    pub val_loss: f64,
    /// Column name and value of each metric, in the recipe's order.
    pub metrics: Vec<(String, f64)>,
    /// Wall time of the epoch with its validation, seconds.
    pub seconds: f64,
}

/// How often each true class was called each class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Class names, in the order of the outputs.
    pub classes: Vec<String>,
    /// `counts[truth][said]`, images.
    pub counts: Vec<Vec<u64>>,
}

impl Confusion {
    /// What was taken for what: images, true class and said class, the most frequent first, of equals the first.
    pub fn mistakes(&self) -> Vec<(u64, usize, usize)> {
        let cells = self.counts.iter().enumerate().flat_map(|(truth, row)| {
            row.iter().enumerate().filter_map(move |(said, &n)| (said != truth && n > 0).then_some((n, truth, said)))
        });
        let mut mistakes: Vec<_> = cells.collect();
        mistakes.sort_by(|a, b| b.0.cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        mistakes
    }
}

/// How the predictions did on one tag.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TagRow {
    /// The tag.
    pub tag: String,
    /// Validation images that have it.
    pub support: u64,
    /// Validation images that were said to have it.
    pub said: u64,
    /// Share of the said ones that have it; NaN where it was never said.
    pub precision: f64,
    /// Share of those that have it that were said to; NaN where none has it.
    pub recall: f64,
    /// F2 of this tag alone: recall counts twice as much as precision.
    pub f2: f64,
}
