//! The fit loop.

use std::time::Instant;

use fastai_dsl::schedule::Setting;

use super::curves::EpochRow;
use super::examples::Examples;
use super::learner::Learner;
use super::loss::Loss;
use super::mixing::{Mixing, Targets};
use super::optimizer::GroupRates;
use super::recorder::SmoothedLoss;
use crate::RunError;
use crate::data::Traversal;
use crate::metrics::{Measure, Probabilities};
use crate::models::Network;
use crate::progress::{Progress, Watch};
use crate::random::Stream;

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
    /// Largest global gradient norm.
    pub clip: Option<f64>,
    /// The mixing of images in a batch.
    pub mixing: Mixing,
    /// The metrics after each epoch.
    pub metrics: &'a [Box<dyn Measure>],
    /// Keeps the weights of the best epoch by this.
    pub keep_best: Option<BestBy>,
    /// Seed of the run.
    pub seed: u64,
}

/// What epochs are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BestBy {
    /// The validation loss.
    ValLoss,
    /// The metric with this index in the plan's.
    Metric(usize),
}

/// The set measured after each epoch.
#[derive(Clone, Copy)]
pub struct Validation<'a> {
    /// The images.
    pub examples: &'a dyn Examples,
    /// Their loss.
    pub loss: &'a Loss,
}

/// The outcome of a `fit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All epochs are finished.
    Complete,
    /// A stop was requested.
    Stopped,
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
}

/// Trains. After each epoch, measures the validation set, prints a row of the table, and calls `on_epoch`.
///
/// # Errors
/// Errors of the examples or of `on_epoch`; [`RunError::Diverged`] when a batch's loss is not finite.
pub fn fit(
    learner: &mut Learner,
    examples: &dyn Examples,
    loss: &Loss,
    validation: Option<Validation<'_>>,
    plan: FitPlan<'_>,
    watch: Watch<'_>,
    on_epoch: &mut dyn FnMut(&EpochRow) -> Result<(), RunError>,
) -> Result<FitResult, RunError> {
    let Watch { progress, stop } = watch;
    let FitPlan { stage, epochs, mut settings, lrs, wds, clip, mixing, metrics, keep_best, seed } = plan;
    let mut optimizer = learner.optimizer(clip);
    let device = learner.device().clone();
    let mut smoothed = SmoothedLoss::default();
    let mut result = FitResult {
        ending: Ending::Complete,
        rates: vec![Vec::new(); lrs.len()],
        losses: Vec::new(),
        batch_losses: Vec::new(),
        ends: Vec::new(),
        epochs: Vec::new(),
        images: 0,
        seconds: 0.0,
        predictions: None,
        kept: None,
    };
    let mut best: Option<Best> = None;
    let mut rates = GroupRates { lrs: lrs.clone(), wds, momentum: 0.0 };
    let mut iteration = 0;
    show_header(metrics, validation.is_some(), progress);
    for epoch in 0..epochs {
        let started = Instant::now();
        progress.begin(&format!("images, epoch {epoch}"), examples.len() as u64);
        let mut done = 0;
        let mut unread = Vec::new();
        for batch in examples.batches(&Traversal::Shuffled { stage, epoch }, &device)? {
            let mut batch = batch?;
            // A schedule has no end.
            let Some(setting) = settings.next() else { break };
            rates.momentum = setting.momentum;
            for ((rate, full), recorded) in rates.lrs.iter_mut().zip(&lrs).zip(&mut result.rates) {
                *rate = full * setting.rate;
                recorded.push(*rate);
            }
            let mix = mixing.mix(&mut batch.inputs, &mut Stream::new(seed, "mixing").at(&[stage, iteration]));
            let targets = Targets::new(&batch.images, mix.as_ref());
            let mut rng = Stream::new(seed, "dropout").at(&[stage, iteration]);
            unread.push(learner.step(&mut *optimizer, batch.inputs, targets, loss, &rates, &mut rng));
            iteration += 1;
            done += batch.images.len() as u64;
            let stopping = stop.requested();
            if unread.len() < learner.batches_per_reading() && done < examples.len() as u64 && !stopping {
                continue;
            }
            let first = iteration - unread.len() as u64;
            for (batch, loss) in (first..).zip(unread.drain(..)) {
                let loss = loss.read();
                if !loss.is_finite() {
                    progress.finish();
                    let rates = result.rates.iter().map(|rates| rates[batch as usize]).collect();
                    return Err(RunError::Diverged { step: None, loss, epoch, batch, rates });
                }
                result.losses.push(smoothed.add(loss));
                result.batch_losses.push(loss);
            }
            progress.advance(done, &format!("loss {:.4}", smoothed.value()));
            if stopping {
                result.ending = Ending::Stopped;
                break;
            }
        }
        debug_assert!(unread.is_empty(), "an epoch ends with its last batch");
        progress.finish();
        result.images += done;
        result.seconds += started.elapsed().as_secs_f64();
        if result.ending == Ending::Stopped {
            return Ok(result);
        }
        let measured = match validation {
            None => None,
            Some(set) => match evaluate(learner, set, metrics, Watch { progress: &mut *progress, stop }) {
                Err(RunError::Stopped(_)) => {
                    result.ending = Ending::Stopped;
                    return Ok(result);
                }
                other => Some(other?),
            },
        };
        let row = EpochRow {
            epoch,
            trn_loss: smoothed.value(),
            val_loss: measured.as_ref().map_or(f64::NAN, |m| m.loss),
            metrics: measured.as_ref().map_or_else(Vec::new, |m| m.metrics.clone()),
            seconds: started.elapsed().as_secs_f64(),
        };
        show_row(&row, validation.is_some(), progress);
        on_epoch(&row)?;
        if let (Some(by), Some(measured)) = (keep_best, &measured) {
            // Larger is better.
            let score = match by {
                BestBy::ValLoss => -measured.loss,
                BestBy::Metric(by) => metrics[by].direction().gain(0.0, measured.metrics[by].1),
            };
            Best::offer(&mut best, learner, epoch, score, measured);
        }
        result.predictions = measured.map(|m| m.probabilities);
        result.ends.push(result.losses.len());
        result.epochs.push(row);
    }
    if let Some(best) = best {
        result.kept = (epochs > 1).then_some(best.epoch);
        learner.replace(best.network);
        result.predictions = Some(best.probabilities);
    }
    Ok(result)
}

/// The validation result of an epoch.
struct ValidationResult {
    loss: f64,
    metrics: Vec<(String, f64)>,
    probabilities: Probabilities,
}

fn evaluate(
    learner: &Learner,
    set: Validation<'_>,
    metrics: &[Box<dyn Measure>],
    watch: Watch<'_>,
) -> Result<ValidationResult, RunError> {
    let logits = learner.logits(set.examples, &Traversal::Plain, "images, validation", watch)?;
    let (loss, truth) = (set.loss.of_all(&logits), set.loss.truth());
    let probabilities = Probabilities::of_logits(truth.task(), logits, learner.network().classes());
    let metrics = metrics.iter().map(|m| (m.column().to_string(), m.value(&probabilities, truth))).collect();
    Ok(ValidationResult { loss, metrics, probabilities })
}

/// The best epoch so far.
struct Best {
    epoch: u64,
    // Larger is better.
    score: f64,
    network: Network,
    probabilities: Probabilities,
}

impl Best {
    fn offer(best: &mut Option<Best>, learner: &Learner, epoch: u64, score: f64, reached: &ValidationResult) {
        if best.as_ref().is_none_or(|b| score > b.score) {
            let (network, probabilities) = (learner.network().clone(), reached.probabilities.clone());
            *best = Some(Best { epoch, score, network, probabilities });
        }
    }
}

fn show_header(metrics: &[Box<dyn Measure>], measured: bool, progress: &mut dyn Progress) {
    let mut columns = vec!["epoch", "trn_loss"];
    if measured {
        columns.push("val_loss");
        columns.extend(metrics.iter().map(|metric| metric.column()));
    }
    progress.table_header(&columns);
}

fn show_row(row: &EpochRow, measured: bool, progress: &mut dyn Progress) {
    let mut values = vec![row.trn_loss];
    if measured {
        values.push(row.val_loss);
        values.extend(row.metrics.iter().map(|(_, v)| *v));
    }
    progress.table_row(row.epoch, &values);
}
