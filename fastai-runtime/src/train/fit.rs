//! The fit loop.

use std::time::Instant;

use fastai_dsl::schedule::Setting;

use super::accumulated::Accumulated;
use super::averaging::{WeightAverage, Weighting};
use super::curves::EpochRow;
use super::epoch_table;
use super::evidence::Evidence;
use super::examples::{ExampleBatch, Examples};
use super::fit_plan::FitPlan;
use super::fit_result::{Ending, FitResult, MeanResult};
use super::learner::{BatchLoss, Learner};
use super::loss::Loss;
use super::midway::{BestEpoch, Continued, FitState, Logbook, Midway, SavedPredictions};
use super::mixing::Targets;
use super::optimizer::{GroupRates, Optimizer};
use super::statistics::estimate_statistics;
use super::validation::{Validation, ValidationResult, evaluate};
use crate::RunError;
use crate::data::Traversal;
use crate::data::figures::figure;
use crate::error::StateError;
use crate::models::Network;
use crate::progress::{Progress, StopSignal, Watch};
use crate::random::{Stream, bits};

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
    let moving = plan.ema.map(Weighting::Moving);
    let mut fitting = Fitting {
        optimizer: learner.optimizer(&plan.descent),
        rates: GroupRates { lrs: plan.lrs.clone(), wds: plan.wds.clone(), momentum: 0.0 },
        at: Midway::new(plan.lrs.len()),
        best: None,
        average: moving.map(|weighting| WeightAverage::begin(weighting, learner.network())),
        learner,
        examples,
        loss,
        validation,
        plan,
        progress,
        stop,
        logbook,
    };
    if let Some(continued) = fitting.plan.continued.take() {
        fitting.restore(continued)?;
    }
    epoch_table::header(fitting.plan.metrics, validation.is_some(), fitting.progress);
    for row in &fitting.at.epochs {
        epoch_table::row(row, validation.is_some(), fitting.progress);
    }
    while fitting.at.epoch < fitting.plan.epochs {
        match fitting.next_epoch().inspect_err(|_| fitting.logbook.failed(&fitting.at))? {
            AfterEpoch::GoesOn => {}
            AfterEpoch::IsTired => break,
            AfterEpoch::IsStopped => return Ok(fitting.stopped()),
        }
    }
    match fitting.mean() {
        Err(RunError::Stopped(_)) => {
            fitting.keep();
            Ok(fitting.stopped())
        }
        mean => Ok(fitting.completed(mean?)),
    }
}

/// A fit in progress.
struct Fitting<'a> {
    learner: &'a mut Learner,
    examples: &'a dyn Examples,
    loss: &'a Loss,
    validation: Option<Validation<'a>>,
    plan: FitPlan<'a>,
    progress: &'a mut dyn Progress,
    stop: &'a StopSignal,
    logbook: &'a mut dyn Logbook,
    optimizer: Box<dyn Optimizer>,
    /// Those of the current batch.
    rates: GroupRates,
    at: Midway,
    /// The weights of the best epoch so far.
    best: Option<Network>,
    /// The moving average, or the mean of the plan's epochs from the first of them on.
    average: Option<WeightAverage>,
}

/// The time of an epoch, which may have begun in another process.
struct EpochClock {
    started: Instant,
    /// Seconds before `started`.
    before: f64,
}

impl EpochClock {
    fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }
}

/// How a fit goes on after an epoch.
enum AfterEpoch {
    GoesOn,
    /// Patience is at its end.
    IsTired,
    IsStopped,
}

/// The mean of the weights of several epochs, and its result on the validation set.
struct MeasuredMean {
    epochs: u64,
    network: Network,
    measured: Option<ValidationResult>,
}

impl Fitting<'_> {
    /// Goes on where an interrupted fit was.
    ///
    /// # Errors
    /// A state that does not belong to the network or the plan.
    fn restore(&mut self, continued: Continued) -> Result<(), RunError> {
        let Continued { midway, optimizer, best, average } = continued;
        self.optimizer.restore(self.learner.network(), optimizer)?;
        let moving = self.plan.ema.map(Weighting::Moving);
        let mean = self.plan.swa.first().filter(|first| midway.epoch >= **first).map(|_| Weighting::Mean);
        self.average = match (moving.or(mean), average) {
            (Some(weighting), Some((count, kept))) => {
                Some(WeightAverage::restore(weighting, count, self.learner.network(), &kept))
            }
            (None, None) => None,
            _ => return Err(StateError::NoAverage.into()),
        };
        self.best = best;
        self.learner.restore_loss_scale(midway.loss_scale);
        if let Some(before) = midway.iterations.checked_sub(1) {
            self.plan.settings.nth(before as usize);
        }
        self.at = midway;
        Ok(())
    }

    /// Trains on the batches of the epoch that are left, and measures the network after them, unless a stop is requested.
    fn next_epoch(&mut self) -> Result<AfterEpoch, RunError> {
        let clock = EpochClock { started: Instant::now(), before: self.at.epoch_seconds };
        match self.train_epoch(&clock)? {
            Ending::Stopped => Ok(AfterEpoch::IsStopped),
            Ending::Complete => self.end_epoch(&clock),
        }
    }

    /// Trains on the batches of the epoch that are left, or until a stop is requested.
    fn train_epoch(&mut self, clock: &EpochClock) -> Result<Ending, RunError> {
        let (examples, device, epoch) = (self.examples, self.learner.device().clone(), self.at.epoch);
        self.progress.begin(&format!("images, epoch {epoch}"), examples.len() as u64);
        let pass = Traversal::Shuffled { stage: self.plan.stage, epoch };
        let mut unread = Vec::new();
        let mut accumulated = Accumulated::default();
        for batch in examples.batches(&pass, self.at.batches as usize, &device)? {
            let batch = batch?;
            // A schedule has no end.
            let Some(setting) = self.plan.settings.next() else { break };
            self.set_rates(setting);
            unread.push(self.add_gradients(batch, &mut accumulated));
            let is_last = self.at.epoch_images >= examples.len() as u64;
            if accumulated.batches() == self.plan.accumulate.max(1) || is_last {
                self.step(&mut accumulated);
            }
            // Gradients are no part of the state that is kept, so that it is one between two steps.
            let between = accumulated.batches() == 0;
            let stopping = between && self.stop.requested();
            if unread.len() < self.learner.batches_per_reading() && !is_last && !stopping {
                continue;
            }
            self.read_losses(&mut unread)?;
            self.at.epoch_seconds = clock.seconds();
            self.progress.advance(self.at.epoch_images, &format!("loss {}", figure(self.at.smoothed.value(), 4)));
            if stopping || (between && self.logbook.is_due()) {
                self.keep();
            }
            if stopping {
                self.progress.finish();
                return Ok(Ending::Stopped);
            }
        }
        debug_assert!(unread.is_empty(), "an epoch ends with its last batch");
        self.progress.finish();
        Ok(Ending::Complete)
    }

    /// Sets and records the rates of the next batch.
    fn set_rates(&mut self, setting: Setting) {
        // A schedule moves the momentum of an optimizer that has one.
        let own = self.plan.descent.rule.momentum();
        self.rates.momentum = setting.momentum.filter(|_| own > 0.0).unwrap_or(own);
        for ((rate, full), recorded) in self.rates.lrs.iter_mut().zip(&self.plan.lrs).zip(&mut self.at.rates) {
            *rate = full * setting.rate;
            recorded.push(*rate);
        }
    }

    /// Adds the gradients of a batch, mixed as the plan says; returns its loss.
    fn add_gradients(&mut self, mut batch: ExampleBatch, accumulated: &mut Accumulated) -> BatchLoss {
        let (seed, counters) = (self.plan.seed, [self.plan.stage, self.at.iterations]);
        let mix = self.plan.mixing.mix(&mut batch.inputs, &mut Stream::new(seed, "mixing").at(&counters));
        let targets = Targets::new(&batch.images, mix.as_ref());
        let mut rng = Stream::new(seed, "dropout").at(&counters);
        let (grads, loss) = self.learner.gradients(batch.inputs, targets, self.loss, &mut rng);
        accumulated.add(self.learner.network(), grads);
        self.at.iterations += 1;
        self.at.batches += 1;
        self.at.epoch_images += batch.images.len() as u64;
        loss
    }

    /// Performs a step with the mean of the gradients, which are then forgotten.
    fn step(&mut self, accumulated: &mut Accumulated) {
        let grads = accumulated.take_mean(self.learner.network());
        self.learner.update(&mut *self.optimizer, grads, &self.rates);
        self.at.loss_scale = self.learner.loss_scale();
        if let Some(average) = self.average.as_mut().filter(|average| average.is_moving()) {
            average.add(self.learner.network());
        }
    }

    /// Waits for the losses of the last batches, and records them.
    ///
    /// # Errors
    /// A loss that is not one number, or not finite.
    fn read_losses(&mut self, unread: &mut Vec<BatchLoss>) -> Result<(), RunError> {
        let first = self.at.iterations - unread.len() as u64;
        for (batch, loss) in (first..).zip(unread.drain(..)) {
            let loss = loss.read()?;
            if !loss.is_finite() {
                self.progress.finish();
                // Rates of frozen groups have no effect.
                let first = self.learner.first_group();
                let (epoch, clip_may_help) = (self.at.epoch, self.plan.descent.may_need_clip(&self.plan.lrs[first..]));
                let rates = self.at.rates[first..].iter().map(|group| group[batch as usize]).collect();
                return Err(RunError::Diverged { step: None, lost_by: None, loss, epoch, batch, rates, clip_may_help });
            }
            self.at.losses.push(self.at.smoothed.add(loss));
            self.at.batch_losses.push(loss);
        }
        Ok(())
    }

    /// Measures the network after the batches of an epoch, and records what it reached.
    fn end_epoch(&mut self, clock: &EpochClock) -> Result<AfterEpoch, RunError> {
        let averaged = self.average.as_ref().filter(|average| average.is_moving());
        let averaged = averaged.map(|average| average.network(self.learner.network()));
        let current = averaged.as_ref().unwrap_or(self.learner.network());
        let (metrics, keep_best) = (self.plan.metrics, self.plan.keep_best);
        let watch = Watch { progress: &mut *self.progress, stop: self.stop };
        let measured = match self.validation {
            None => None,
            Some(set) => match evaluate(self.learner, current, set, metrics, watch) {
                Err(RunError::Stopped(_)) => {
                    self.keep();
                    return Ok(AfterEpoch::IsStopped);
                }
                other => Some(other?),
            },
        };
        let before = self.validation.and_then(|set| set.before);
        let mut rng = Stream::new(self.plan.seed, "evidence").at(&[self.plan.stage, self.at.epoch]);
        let mut draw = || bits(&mut rng);
        let batches = (&self.at.batch_losses[..], self.at.ends.last().copied().unwrap_or(0));
        let weighed = measured.as_ref().map(|m| Evidence::weigh(m, batches, before, &mut self.at.lowest, &mut draw));
        let row = EpochRow {
            epoch: self.at.epoch,
            trn_loss: self.at.smoothed.value(),
            val_loss: measured.as_ref().map_or(f64::NAN, |m| m.loss),
            bounded_loss: measured.as_ref().and_then(|m| m.bounded_loss),
            metrics: measured.as_ref().map_or_else(Vec::new, |m| m.metrics.clone()),
            alike: measured.as_ref().is_some_and(|m| m.alike),
            follows_labels: measured.as_ref().is_some_and(|m| m.follows_labels),
            evidence: weighed.unwrap_or_default(),
            seconds: clock.seconds(),
        };
        epoch_table::row(&row, self.validation.is_some(), self.progress);
        self.logbook.epoch(&row)?;
        let predictions = measured.as_ref().map(|m| SavedPredictions::of(&m.probabilities));
        let score = measured.as_ref().map(|measured| measured.score(keep_best, metrics));
        if let (Some(_), Some(score), Some(predictions)) = (keep_best, score, &predictions)
            && self.at.best.as_ref().is_none_or(|best| score > best.score)
        {
            self.at.best = Some(BestEpoch { epoch: self.at.epoch, score, predictions: predictions.clone() });
            self.best = Some(current.clone());
        }
        self.at.predictions = predictions;
        self.at.end_epoch(row);
        if let Some(warning) = self.logbook.verdict(&self.at) {
            self.progress.warn(&warning);
        }
        if let Ok(cycle) = self.plan.saves_after.binary_search(&self.at.epoch) {
            self.logbook.cycle(cycle as u64, current)?;
        }
        if self.plan.swa.binary_search(&self.at.epoch).is_ok() {
            match &mut self.average {
                Some(mean) => mean.add(self.learner.network()),
                None => self.average = Some(WeightAverage::begin(Weighting::Mean, self.learner.network())),
            }
        }
        let is_tired = match (&self.plan.patience, score) {
            (Some(patience), Some(score)) => self.at.is_tired(patience, score),
            _ => false,
        };
        Ok(if is_tired { AfterEpoch::IsTired } else { AfterEpoch::GoesOn })
    }

    /// The mean of the weights of the plan's epochs, measured once, where the plan names epochs.
    ///
    /// # Errors
    /// Errors of the examples; [`RunError::Stopped`] on a stop request.
    fn mean(&mut self) -> Result<Option<MeasuredMean>, RunError> {
        let Some(average) = self.average.as_ref().filter(|average| !average.is_moving()) else { return Ok(None) };
        let (epochs, network) = (average.count(), average.network(self.learner.network()));
        if self.logbook.is_due() {
            self.keep();
        }
        let pass = Traversal::Shuffled { stage: self.plan.stage, epoch: self.at.epoch - 1 };
        let stream = (self.plan.seed, self.plan.stage);
        let watch = Watch { progress: &mut *self.progress, stop: self.stop };
        let network = estimate_statistics(&network, self.examples, &pass, self.learner.device(), stream, watch)?;
        let watch = Watch { progress: &mut *self.progress, stop: self.stop };
        let measured = match self.validation {
            Some(set) => Some(evaluate(self.learner, &network, set, self.plan.metrics, watch)?),
            None => None,
        };
        Ok(Some(MeasuredMean { epochs, network, measured }))
    }

    /// Keeps the state. Training does not end because there is no room for it; what was kept before stays.
    fn keep(&mut self) {
        let state = FitState {
            midway: &self.at,
            network: self.learner.network(),
            optimizer: &*self.optimizer,
            best: self.best.as_ref(),
            average: self.average.as_ref(),
        };
        if let Err(error) = self.logbook.keep(state) {
            self.progress.warn(&format!("{error}: the state of this batch is not kept, training goes on"));
        }
    }

    /// Makes the moving average the network, where there is one.
    fn put_average(&mut self) {
        if let Some(average) = self.average.take_if(|average| average.is_moving()) {
            self.learner.change(|network| average.network(&network));
        }
    }

    /// Ends the fit after a stop request.
    fn stopped(mut self) -> FitResult {
        self.put_average();
        FitResult::of(self.at, Ending::Stopped)
    }

    /// Ends the fit with the weights of its best epoch or with the mean, where it chooses among them.
    fn completed(mut self, mean: Option<MeasuredMean>) -> FitResult {
        self.put_average();
        let Fitting { learner, plan, mut at, best, .. } = self;
        let mut kept = at.best.take().zip(best);
        let ended_early = at.epoch < plan.epochs;
        let mut result = FitResult { ended_early, ..FitResult::of(at, Ending::Complete) };
        if let Some(MeasuredMean { epochs, network, measured }) = mean {
            let score = measured.as_ref().map(|measured| measured.score(plan.keep_best, plan.metrics));
            // The mean is one more candidate.
            kept = kept.filter(|(best, _)| !score.is_some_and(|score| score > best.score));
            learner.replace(network);
            let val_loss = measured.as_ref().map_or(f64::NAN, |measured| measured.loss);
            result.predictions = measured.as_ref().map(|measured| measured.probabilities.clone());
            let metrics = measured.map_or_else(Vec::new, |measured| measured.metrics);
            result.mean = Some(MeanResult { networks: epochs, val_loss, metrics });
        }
        if let Some((kept, network)) = kept {
            result.kept = (result.epochs.len() > 1).then_some(kept.epoch);
            learner.replace(network);
            result.predictions = Some(kept.predictions.probabilities());
        }
        result
    }
}
