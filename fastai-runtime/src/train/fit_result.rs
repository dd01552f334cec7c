//! What a fit reached.

use super::curves::EpochRow;
use super::midway::Midway;
use crate::metrics::Probabilities;

/// The outcome of a `fit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All epochs are finished.
    Complete,
    /// A stop was requested.
    Stopped,
}

/// The mean of the weights of several epochs, measured on the validation set.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanResult {
    /// Epochs.
    pub networks: u64,
    /// Validation loss; NaN without a validation set.
    pub val_loss: f64,
    /// The metrics in the order of the plan.
    pub metrics: Vec<(String, f64)>,
}

/// The result of a `fit` besides the weights.
#[derive(Clone, Debug, PartialEq)]
pub struct FitResult {
    /// How it ended.
    pub ending: Ending,
    /// Learning rate of every batch, one list per layer group.
    pub rates: Vec<Vec<f64>>,
    /// Smoothed training loss after every batch.
    pub losses: Vec<f64>,
    /// Loss of each individual batch.
    pub batch_losses: Vec<f64>,
    /// Number of batches up to the end of each finished epoch.
    pub ends: Vec<usize>,
    /// One per finished epoch.
    pub epochs: Vec<EpochRow>,
    /// Images trained on.
    pub images: u64,
    /// Seconds of training, without validation.
    pub seconds: f64,
    /// Probabilities of the validation set with the final weights of the fit.
    pub predictions: Option<Probabilities>,
    /// The epoch whose weights were kept, if `keep_best` chose among several.
    pub kept: Option<u64>,
    /// The mean of [`FitPlan::swa`](super::FitPlan::swa). The weights are its, unless an epoch was kept that is better.
    pub mean: Option<MeanResult>,
    /// Whether the fit ended before its last epoch, for want of a better one.
    pub ended_early: bool,
}

impl FitResult {
    /// The result of a fit that ends there with the weights that it has.
    pub(super) fn of(at: Midway, ending: Ending) -> Self {
        FitResult {
            ending,
            rates: at.rates,
            losses: at.losses,
            batch_losses: at.batch_losses,
            ends: at.ends,
            epochs: at.epochs,
            images: at.images + at.epoch_images,
            seconds: at.seconds + at.epoch_seconds,
            predictions: at.predictions.map(|predictions| predictions.probabilities()),
            kept: None,
            mean: None,
            ended_early: false,
        }
    }
}
