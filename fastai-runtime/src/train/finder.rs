//! The learning-rate finder.

use fastai_dsl::LrFind;
use fastai_dsl::schedule::{MOMENTUM, sweep};

use super::examples::Examples;
use super::learner::Learner;
use super::loss::Loss;
use super::mixing::{Mixing, Targets};
use super::optimizer::GroupRates;
use super::recorder::SmoothedLoss;
use super::suggestion::suggest;
use crate::RunError;
use crate::data::Traversal;
use crate::error::Reached;
use crate::models::Network;
use crate::progress::Watch;
use crate::random::Stream;

/// The batch (0-based) from which the best loss counts, so that the first losses of a trained network do not end the sweep.
const GUARD: usize = 11;
/// The sweep ends when the smoothed loss exceeds the best by this factor.
const EXPLODED: f64 = 4.0;

/// The parameters of a sweep.
#[derive(Clone, Copy, Debug)]
pub struct FindPlan<'a> {
    /// Stage of the run: keys the random draws.
    pub stage: u64,
    /// The range of rates and the suggestion rule.
    pub find: &'a LrFind,
    /// Batches.
    pub iterations: u32,
    /// Largest global gradient norm.
    pub clip: Option<f64>,
    /// The mixing of images in a batch.
    pub mixing: Mixing,
    /// Seed of the run.
    pub seed: u64,
}

/// The result of a sweep.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FindResult {
    /// Rate of each batch, rising, without the batch at which the loss exploded.
    pub rates: Vec<f64>,
    /// Smoothed loss after each batch.
    pub losses: Vec<f64>,
    /// Loss of each individual batch, which determines the suggestion.
    pub batch_losses: Vec<f64>,
    /// The suggested rate.
    pub suggestion: Option<f64>,
    /// Batches trained, including the last one.
    pub batches: u64,
    /// Images trained on.
    pub images: u64,
}

/// Restores the network when the finder ends, in every case.
struct Restore<'a> {
    learner: &'a mut Learner,
    before: Option<Network>,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        if let Some(network) = self.before.take() {
            self.learner.replace(network);
        }
    }
}

/// Trains for the plan's batches at rising rates, equal for all layer groups, and derives a rate from the losses.
///
/// The set repeats as often as needed. The sweep ends early when the smoothed loss is not a number or exceeds 4 times the
/// best. Afterwards, weights and running statistics are exactly as before, also after an error or a stop.
///
/// # Errors
/// Errors of the examples; [`RunError::Stopped`] on a stop request.
pub fn find_rate(
    learner: &mut Learner,
    examples: &dyn Examples,
    loss: &Loss,
    plan: FindPlan<'_>,
    watch: Watch<'_>,
) -> Result<FindResult, RunError> {
    let FindPlan { stage, find, iterations, clip, mixing, seed } = plan;
    let Watch { progress, stop } = watch;
    let before = Some(learner.network().clone());
    let guard = Restore { learner, before };
    let groups = guard.learner.network().groups();
    let device = guard.learner.device().clone();
    let mut optimizer = guard.learner.optimizer(clip);
    let mut found = FindResult::default();
    let mut smoothed = SmoothedLoss::default();
    let mut best = 1e9;
    let mut sweep = sweep(find, iterations).enumerate();
    progress.begin("batches", u64::from(iterations));
    'epochs: for epoch in 0.. {
        for batch in examples.batches(&Traversal::Shuffled { stage, epoch }, &device)? {
            let Some((k, rate)) = sweep.next() else { break 'epochs };
            let mut batch = batch?;
            let rates = GroupRates { lrs: vec![rate; groups], wds: Vec::new(), momentum: MOMENTUM };
            let counters = [stage, k as u64];
            let mix = mixing.mix(&mut batch.inputs, &mut Stream::new(seed, "mixing").at(&counters));
            let targets = Targets::new(&batch.images, mix.as_ref());
            let mut rng = Stream::new(seed, "dropout").at(&counters);
            let value = guard.learner.step(&mut *optimizer, batch.inputs, targets, loss, &rates, &mut rng).read();
            let shown = smoothed.add(value);
            found.batches += 1;
            found.images += batch.images.len() as u64;
            progress.advance(found.batches, &format!("rate {rate:.1e}, loss {shown:.4}"));
            if stop.requested() {
                progress.finish();
                return Err(RunError::Stopped(Reached::Batch));
            }
            if !shown.is_finite() || shown > EXPLODED * best {
                break 'epochs;
            }
            if k >= GUARD && shown < best {
                best = shown;
            }
            found.rates.push(rate);
            found.losses.push(shown);
            found.batch_losses.push(value);
        }
        if examples.is_empty() {
            break;
        }
    }
    progress.finish();
    found.suggestion = suggest(find.suggest, &found.rates, &found.batch_losses);
    Ok(found)
}
