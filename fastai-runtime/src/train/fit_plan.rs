//! The parameters of a fit.

use fastai_dsl::schedule::Setting;

use super::midway::Continued;
use super::mixing::Mixing;
use super::optimizer::Descent;
use super::patience::Patience;
use super::validation::BestBy;
use crate::metrics::Measure;

/// The parameters of a `fit`.
pub struct FitPlan<'a> {
    /// Stage of the run: keys the random draws.
    pub stage: u64,
    /// Epochs.
    pub epochs: u64,
    /// Factor of the rates, and momentum, for every batch.
    pub settings: Box<dyn Iterator<Item = Setting>>,
    /// Full learning rate of each layer group, earliest first.
    pub lrs: Vec<f64>,
    /// Weight decay of each layer group.
    pub wds: Vec<f64>,
    /// The optimizer and the bounds of the gradients.
    pub descent: Descent,
    /// The mixing of images in a batch.
    pub mixing: Mixing,
    /// The metrics after each epoch.
    pub metrics: &'a [Box<dyn Measure>],
    /// Keeps the weights of the best epoch by this.
    pub keep_best: Option<BestBy>,
    /// Batches whose mean gradient makes a step, from 1; the last step of an epoch takes those that are left.
    pub accumulate: u32,
    /// Decay of the moving average of the weights, which is then what is measured and what the fit ends with.
    pub ema: Option<f64>,
    /// The epochs, counted from 1 and rising, of whose weights the fit ends with the mean: it is measured once, after its batch
    /// norms have estimated their statistics from the training images of the last epoch. Not beside `ema`.
    pub swa: Vec<u64>,
    /// Ends the fit early.
    pub patience: Option<Patience>,
    /// The epochs, counted from 1 and rising, after which the logbook gets the network: the ends of cycles.
    pub saves_after: Vec<u64>,
    /// Seed of the run.
    pub seed: u64,
    /// Where an interrupted fit continues; its network is the learner's.
    pub continued: Option<Continued>,
}
