//! The learning-rate finder.

use fastai_dsl::LrFind;
use fastai_dsl::schedule::{MOMENTUM, sweep};

use super::examples::{Examples, Pass};
use super::learner::Learner;
use super::loss::Loss;
use super::mixing::{Mixing, Targets};
use super::optimizer::GroupRates;
use super::recorder::SmoothedLoss;
use super::suggestion::suggest;
use crate::RunError;
use crate::models::Network;
use crate::progress::Watch;
use crate::random::Stream;

/// The best loss counts from this batch on (0-based), so a trained network is not stopped by its first losses.
const GUARD: usize = 11;
/// The sweep stops where the smoothed loss is this many times the best.
const EXPLODED: f64 = 4.0;

/// What a sweep does.
#[derive(Clone, Copy, Debug)]
pub struct FindPlan<'a> {
    /// Stage of the run: keys the random draws.
    pub stage: u64,
    /// The rates, and how one is read off.
    pub find: &'a LrFind,
    /// Batches.
    pub iterations: u32,
    /// Largest norm of all gradients together.
    pub clip: Option<f64>,
    /// How images of a batch are mixed.
    pub mixing: Mixing,
    /// Seed of the run.
    pub seed: u64,
}

/// What a sweep saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FindResult {
    /// Rate of each batch, rising; the batch at which the loss exploded is left out.
    pub rates: Vec<f64>,
    /// Smoothed loss after each batch.
    pub losses: Vec<f64>,
    /// Loss of each batch alone: what the suggestion is read off.
    pub batch_losses: Vec<f64>,
    /// The suggested rate.
    pub suggestion: Option<f64>,
    /// Batches that were trained, the last one included.
    pub batches: u64,
    /// Images that were trained on.
    pub images: u64,
}

/// Puts the network back when the finder ends, however it ends.
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

/// Trains for the plan's batches at rising rates, the same for all groups, and reads a rate off the losses.
///
/// The set is cycled as often as needed. The sweep ends early when the smoothed loss is not a number or more than 4
/// times the best. Weights and running statistics are afterwards exactly as before, also after an error or a stop.
///
/// # Errors
/// What the examples report; [`RunError::Stopped`] when a stop is requested.
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
        for batch in examples.batches(&Pass::Shuffled { stage, epoch }, &device)? {
            let Some((k, rate)) = sweep.next() else { break 'epochs };
            let mut batch = batch?;
            let rates = GroupRates { lrs: vec![rate; groups], wds: Vec::new(), momentum: MOMENTUM };
            let counters = [stage, k as u64];
            let mix = mixing.mix(&mut batch.inputs, &mut Stream::new(seed, "mixing").at(&counters));
            let targets = Targets::new(&batch.images, mix.as_ref());
            let mut rng = Stream::new(seed, "dropout").at(&counters);
            let value = guard.learner.step(&mut *optimizer, batch.inputs, targets, loss, &rates, &mut rng);
            let shown = smoothed.add(value);
            found.batches += 1;
            found.images += batch.images.len() as u64;
            progress.advance(found.batches, &format!("rate {rate:.1e}, loss {shown:.4}"));
            if stop.requested() {
                progress.finish();
                return Err(RunError::Stopped(String::new()));
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
