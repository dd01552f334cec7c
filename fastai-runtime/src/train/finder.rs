//! The learning-rate finder.

use fastai_dsl::LrFind;
use fastai_dsl::schedule::sweep;

use super::accumulated::Accumulated;
use super::examples::Examples;
use super::learner::Learner;
use super::loss::Loss;
use super::mixing::{Mixing, Targets};
use super::optimizer::{Descent, GroupRates};
use super::recorder::SmoothedLoss;
use super::suggestion::{Suggestion, suggest};
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
    /// The optimizer and the bounds of the gradients.
    pub descent: Descent,
    /// The mixing of images in a batch.
    pub mixing: Mixing,
    /// Batches whose mean gradient makes a step; each rate of the sweep has so many.
    pub accumulate: u32,
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
    pub suggestion: Option<Suggestion>,
    /// Batches trained, including the last one.
    pub batches: u64,
    /// Images trained on.
    pub images: u64,
}

/// When a sweep ends early.
struct SweepEnd {
    batch: usize,
    best: f64,
}

impl Default for SweepEnd {
    fn default() -> Self {
        SweepEnd { batch: 0, best: 1e9 }
    }
}

impl SweepEnd {
    /// Whether the sweep ends with the next batch, of this smoothed loss.
    fn reached(&mut self, smoothed: f64) -> bool {
        if !smoothed.is_finite() || smoothed > EXPLODED * self.best {
            return true;
        }
        if self.batch >= GUARD {
            self.best = self.best.min(smoothed);
        }
        self.batch += 1;
        false
    }
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

/// Trains for the plan's batches at rising rates, equal for all layer groups or in a ratio, and derives a rate of the head from
/// the losses.
///
/// The set repeats as often as needed. The sweep ends early when the smoothed loss is not a number or exceeds 4 times the
/// best. Afterwards, weights and running statistics are exactly as before, also after an error or a stop.
///
/// # Errors
/// Errors of the examples; [`RunError::Stopped`] on a stop request; [`RunError::Supplied`] if the criterion does not give a batch
/// one number.
pub fn find_rate(
    learner: &mut Learner,
    examples: &dyn Examples,
    loss: &Loss,
    plan: FindPlan<'_>,
    watch: Watch<'_>,
) -> Result<FindResult, RunError> {
    let FindPlan { stage, find, iterations, descent, mixing, accumulate, seed } = plan;
    let Watch { progress, stop } = watch;
    let before = Some(learner.network().clone());
    let guard = Restore { learner, before };
    let groups = guard.learner.network().groups();
    let device = guard.learner.device().clone();
    let mut optimizer = guard.learner.optimizer(&descent);
    let mut found = FindResult::default();
    let mut smoothed = SmoothedLoss::default();
    let mut ending = SweepEnd::default();
    let mut sweep = sweep(find, iterations).enumerate();
    progress.begin("batches", u64::from(iterations));
    let mut next = sweep.next();
    let mut group = Accumulated::default();
    let mut group_loss = 0.0;
    'epochs: for epoch in 0.. {
        for batch in examples.batches(&Traversal::Shuffled { stage, epoch }, 0, &device)? {
            let Some((_, rate)) = next else { break 'epochs };
            let mut batch = batch?;
            let k = found.batches;
            let rates =
                GroupRates { lrs: find.rates(rate, groups), wds: Vec::new(), momentum: descent.rule.momentum() };
            let counters = [stage, k];
            let mix = mixing.mix(&mut batch.inputs, &mut Stream::new(seed, "mixing").at(&counters));
            let targets = Targets::new(&batch.images, mix.as_ref());
            let mut rng = Stream::new(seed, "dropout").at(&counters);
            let (grads, value) = guard.learner.gradients(batch.inputs, targets, loss, &mut rng);
            group.add(guard.learner.network(), grads);
            group_loss += value.read()?;
            found.batches += 1;
            found.images += batch.images.len() as u64;
            if group.batches() < accumulate.max(1) {
                continue;
            }
            let value = std::mem::take(&mut group_loss) / f64::from(group.batches());
            let grads = group.take_mean(guard.learner.network());
            guard.learner.update(&mut *optimizer, grads, &rates);
            next = sweep.next();
            let shown = smoothed.add(value);
            let done = found.batches / u64::from(accumulate.max(1));
            progress.advance(done, &format!("rate {rate:.1e}, loss {shown:.4}"));
            if stop.requested() {
                progress.finish();
                return Err(RunError::Stopped(Reached::Batch));
            }
            if ending.reached(shown) {
                break 'epochs;
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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The independent implementation of `tools/reference_schedules.py`; `null` stands for NaN.
    #[test]
    fn smoothing_and_the_end_of_a_sweep_agree_with_the_original() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../fastai-dsl/tests/golden/schedules.json");
        let golden: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let cases = golden["smooth"].as_array().unwrap();
        assert_eq!(cases.len(), 5);
        for case in cases {
            let numbers = |key: &str| -> Vec<f64> {
                case[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
            };
            let (mut smoothed, mut ending) = (SmoothedLoss::default(), SweepEnd::default());
            let shown: Vec<f64> = numbers("losses").into_iter().map(|loss| smoothed.add(loss)).collect();
            for (k, (got, want)) in shown.iter().zip(numbers("smoothed")).enumerate() {
                let same = (got - want).abs() <= 1e-9 * want.abs() || (got.is_nan() && want.is_nan());
                assert!(same, "{}: batch {k}: {got} instead of {want}", case["name"]);
            }
            let recorded = shown.iter().take_while(|loss| !ending.reached(**loss)).count();
            assert_eq!(recorded as u64, case["recorded"].as_u64().unwrap(), "{}", case["name"]);
        }
    }
}
