//! The fit loop.

use std::time::Instant;

use fastai_dsl::schedule::Setting;

use super::accumulated::Accumulated;
use super::averaging::{WeightAverage, Weighting};
use super::curves::EpochRow;
use super::examples::Examples;
use super::learner::Learner;
use super::loss::Loss;
use super::midway::{BestEpoch, Continued, FitState, Logbook, Midway, SavedPredictions};
use super::mixing::{Mixing, Targets};
use super::optimizer::{Descent, GroupRates, Optimizer};
use super::patience::Patience;
use super::statistics::estimate_statistics;
use super::validation::{BestBy, Validation, ValidationResult, evaluate};
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
    /// The mean of [`FitPlan::swa`]. The weights are its, unless an epoch was kept that is better.
    pub mean: Option<MeanResult>,
    /// Whether the fit ended before its last epoch, for want of a better one.
    pub ended_early: bool,
}

/// Trains. After each epoch, measures the validation set, prints a row of the table, and tells `logbook`, which judges the epochs
/// so far, and also keeps the states from which the fit could continue. A fit that continues ends like one that was never
/// interrupted.
///
/// # Errors
/// Errors of the examples or of `logbook`; [`RunError::Diverged`] when a batch's loss is not finite; a continued fit whose
/// state does not belong to the network.
pub fn fit(
    learner: &mut Learner,
    examples: &dyn Examples,
    loss: &Loss,
    validation: Option<Validation<'_>>,
    plan: FitPlan<'_>,
    watch: Watch<'_>,
    logbook: &mut dyn Logbook,
) -> Result<FitResult, RunError> {
    let Watch { progress, stop } = watch;
    let FitPlan { stage, epochs, mut settings, lrs, wds, descent, mixing, metrics, keep_best, .. } = plan;
    let FitPlan { accumulate, ema, swa, patience, saves_after, seed, continued, .. } = plan;
    let mut optimizer = learner.optimizer(&descent);
    let device = learner.device().clone();
    let (mut at, mut best, mut ended_early) = (Midway::new(lrs.len()), None, false);
    let moving = ema.map(Weighting::Moving);
    let mut average = moving.map(|weighting| WeightAverage::begin(weighting, learner.network()));
    if let Some(Continued { midway, optimizer: state, best: network, average: kept }) = continued {
        optimizer.restore(learner.network(), state).map_err(RunError::State)?;
        let mean = swa.first().filter(|first| midway.epoch >= **first).map(|_| Weighting::Mean);
        average = match (moving.or(mean), kept) {
            (Some(weighting), Some((count, kept))) => {
                Some(WeightAverage::restore(weighting, count, learner.network(), &kept))
            }
            (None, None) => None,
            _ => return Err(RunError::State("the average of its weights is missing".to_string())),
        };
        best = network;
        at = midway;
        learner.restore_loss_scale(at.loss_scale);
        if let Some(before) = at.iterations.checked_sub(1) {
            settings.nth(before as usize);
        }
    }
    let mut rates = GroupRates { lrs: lrs.clone(), wds, momentum: 0.0 };
    show_header(metrics, validation.is_some(), progress);
    for row in &at.epochs {
        show_row(row, validation.is_some(), progress);
    }
    for epoch in at.epoch..epochs {
        let (started, before) = (Instant::now(), at.epoch_seconds);
        progress.begin(&format!("images, epoch {epoch}"), examples.len() as u64);
        let mut unread = Vec::new();
        let mut accumulated = Accumulated::default();
        for batch in examples.batches(&Traversal::Shuffled { stage, epoch }, at.batches as usize, &device)? {
            let mut batch = batch?;
            // A schedule has no end.
            let Some(setting) = settings.next() else { break };
            // A schedule moves the momentum of an optimizer that has one.
            let own = descent.rule.momentum();
            rates.momentum = setting.momentum.filter(|_| own > 0.0).unwrap_or(own);
            for ((rate, full), recorded) in rates.lrs.iter_mut().zip(&lrs).zip(&mut at.rates) {
                *rate = full * setting.rate;
                recorded.push(*rate);
            }
            let mix = mixing.mix(&mut batch.inputs, &mut Stream::new(seed, "mixing").at(&[stage, at.iterations]));
            let targets = Targets::new(&batch.images, mix.as_ref());
            let mut rng = Stream::new(seed, "dropout").at(&[stage, at.iterations]);
            let (grads, batch_loss) = learner.gradients(batch.inputs, targets, loss, &mut rng);
            unread.push(batch_loss);
            accumulated.add(learner.network(), grads);
            at.iterations += 1;
            at.batches += 1;
            at.epoch_images += batch.images.len() as u64;
            let is_last = at.epoch_images >= examples.len() as u64;
            if accumulated.batches() == accumulate.max(1) || is_last {
                let grads = accumulated.take_mean(learner.network());
                learner.update(&mut *optimizer, grads, &rates);
                at.loss_scale = learner.loss_scale();
                if let Some(average) = average.as_mut().filter(|average| average.is_moving()) {
                    average.add(learner.network());
                }
            }
            // Gradients are no part of the state that is kept, so that it is one between two steps.
            let between = accumulated.batches() == 0;
            let stopping = between && stop.requested();
            if unread.len() < learner.batches_per_reading() && !is_last && !stopping {
                continue;
            }
            let first = at.iterations - unread.len() as u64;
            for (batch, loss) in (first..).zip(unread.drain(..)) {
                let loss = loss.read();
                if !loss.is_finite() {
                    progress.finish();
                    let rates = at.rates.iter().map(|rates| rates[batch as usize]).collect();
                    return Err(RunError::Diverged { step: None, loss, epoch, batch, rates });
                }
                at.losses.push(at.smoothed.add(loss));
                at.batch_losses.push(loss);
            }
            at.epoch_seconds = before + started.elapsed().as_secs_f64();
            progress.advance(at.epoch_images, &format!("loss {:.4}", at.smoothed.value()));
            if stopping || (between && logbook.is_due()) {
                keep(logbook, &at, learner, &*optimizer, best.as_ref(), average.as_ref(), progress);
            }
            if stopping {
                progress.finish();
                end_with(average, learner);
                return Ok(FitResult::of(at, Ending::Stopped));
            }
        }
        debug_assert!(unread.is_empty(), "an epoch ends with its last batch");
        progress.finish();
        let averaged = average.as_ref().filter(|average| average.is_moving());
        let averaged = averaged.map(|average| average.network(learner.network()));
        let current = averaged.as_ref().unwrap_or(learner.network());
        let measured = match validation {
            None => None,
            Some(set) => match evaluate(learner, current, set, metrics, Watch { progress: &mut *progress, stop }) {
                Err(RunError::Stopped(_)) => {
                    keep(logbook, &at, learner, &*optimizer, best.as_ref(), average.as_ref(), progress);
                    end_with(average, learner);
                    return Ok(FitResult::of(at, Ending::Stopped));
                }
                other => Some(other?),
            },
        };
        let row = EpochRow {
            epoch,
            trn_loss: at.smoothed.value(),
            val_loss: measured.as_ref().map_or(f64::NAN, |m| m.loss),
            metrics: measured.as_ref().map_or_else(Vec::new, |m| m.metrics.clone()),
            alike: measured.as_ref().is_some_and(|m| m.alike),
            follows_labels: measured.as_ref().is_some_and(|m| m.follows_labels),
            seconds: before + started.elapsed().as_secs_f64(),
        };
        show_row(&row, validation.is_some(), progress);
        logbook.epoch(&row)?;
        let predictions = measured.as_ref().map(|m| SavedPredictions::of(&m.probabilities));
        let score = measured.as_ref().map(|measured| measured.score(keep_best, metrics));
        if let (Some(_), Some(score), Some(predictions)) = (keep_best, score, &predictions)
            && at.best.as_ref().is_none_or(|best| score > best.score)
        {
            at.best = Some(BestEpoch { epoch, score, predictions: predictions.clone() });
            best = Some(current.clone());
        }
        at.predictions = predictions;
        at.end_epoch(row);
        if let Some(warning) = logbook.verdict(&at) {
            progress.warn(&warning);
        }
        if let Ok(cycle) = saves_after.binary_search(&at.epoch) {
            logbook.cycle(cycle as u64, current)?;
        }
        if swa.binary_search(&at.epoch).is_ok() {
            match &mut average {
                Some(mean) => mean.add(learner.network()),
                None => average = Some(WeightAverage::begin(Weighting::Mean, learner.network())),
            }
        }
        if let (Some(patience), Some(score)) = (&patience, score)
            && at.is_tired(patience, score)
        {
            ended_early = at.epoch < epochs;
            break;
        }
    }
    let mut mean = None;
    if let Some(average) = average.take_if(|average| !average.is_moving()) {
        if logbook.is_due() {
            keep(logbook, &at, learner, &*optimizer, best.as_ref(), Some(&average), progress);
        }
        let ending = Mean { average: &average, examples, pass: Traversal::Shuffled { stage, epoch: at.epoch - 1 } };
        let watch = Watch { progress: &mut *progress, stop };
        match ending.measure(learner, validation, metrics, (seed, stage), watch) {
            Err(RunError::Stopped(_)) => {
                keep(logbook, &at, learner, &*optimizer, best.as_ref(), Some(&average), progress);
                return Ok(FitResult::of(at, Ending::Stopped));
            }
            other => mean = Some((average.count(), other?)),
        }
    }
    let mut kept = at.best.take().zip(best);
    end_with(average, learner);
    let mut result = FitResult { ended_early, ..FitResult::of(at, Ending::Complete) };
    if let Some((networks, (network, measured))) = mean {
        let score = measured.as_ref().map(|measured| measured.score(keep_best, metrics));
        // The mean is one more candidate.
        kept = kept.filter(|(best, _)| !score.is_some_and(|score| score > best.score));
        learner.replace(network);
        let val_loss = measured.as_ref().map_or(f64::NAN, |measured| measured.loss);
        result.predictions = measured.as_ref().map(|measured| measured.probabilities.clone());
        let metrics = measured.map_or_else(Vec::new, |measured| measured.metrics);
        result.mean = Some(MeanResult { networks, val_loss, metrics });
    }
    if let Some((kept, network)) = kept {
        result.kept = (result.epochs.len() > 1).then_some(kept.epoch);
        learner.replace(network);
        result.predictions = Some(kept.predictions.probabilities());
    }
    Ok(result)
}

/// The mean of the weights of several epochs, and the pass that its statistics are estimated from.
struct Mean<'a> {
    average: &'a WeightAverage,
    examples: &'a dyn Examples,
    pass: Traversal,
}

impl Mean<'_> {
    /// The network, and its result on the validation set.
    fn measure(
        &self,
        learner: &Learner,
        validation: Option<Validation<'_>>,
        metrics: &[Box<dyn Measure>],
        stream: (u64, u64),
        watch: Watch<'_>,
    ) -> Result<(Network, Option<ValidationResult>), RunError> {
        let Watch { progress, stop } = watch;
        let network = self.average.network(learner.network());
        let watch = Watch { progress: &mut *progress, stop };
        let network = estimate_statistics(&network, self.examples, &self.pass, learner.device(), stream, watch)?;
        let watch = Watch { progress, stop };
        let measured = validation.map(|set| evaluate(learner, &network, set, metrics, watch)).transpose()?;
        Ok((network, measured))
    }
}

impl FitResult {
    fn of(at: Midway, ending: Ending) -> Self {
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

/// Ends with the moving average as the network, where there is one.
fn end_with(average: Option<WeightAverage>, learner: &mut Learner) {
    if let Some(average) = average.filter(WeightAverage::is_moving) {
        learner.change(|network| average.network(&network));
    }
}

/// Keeps a state. Training does not end because there is no room for it; what was kept before stays.
fn keep(
    logbook: &mut dyn Logbook,
    midway: &Midway,
    learner: &Learner,
    optimizer: &dyn Optimizer,
    best: Option<&Network>,
    average: Option<&WeightAverage>,
    progress: &mut dyn Progress,
) {
    let state = FitState { midway, network: learner.network(), optimizer, best, average };
    if let Err(error) = logbook.keep(state) {
        progress.warn(&format!("{error}: the state of this batch is not kept, training goes on"));
    }
}

fn show_header(metrics: &[Box<dyn Measure>], measured: bool, progress: &mut dyn Progress) {
    let mut columns = vec!["epoch".to_string(), "trn_loss".to_string()];
    if measured {
        columns.push("val_loss".to_string());
        columns.extend(metrics.iter().map(|metric| metric.column()));
    }
    progress.table_header(&columns.iter().map(String::as_str).collect::<Vec<_>>());
}

fn show_row(row: &EpochRow, measured: bool, progress: &mut dyn Progress) {
    let mut values = vec![row.trn_loss];
    if measured {
        values.push(row.val_loss);
        values.extend(row.metrics.iter().map(|(_, v)| *v));
    }
    progress.table_row(row.epoch, &values);
}
