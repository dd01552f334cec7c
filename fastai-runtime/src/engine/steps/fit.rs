//! `fit(..)`.

use std::collections::BTreeMap;

use fastai_dsl::{Fit, KeepBest, Schedule, Stage, StepKind};

use super::{Running, descent, mixing, precompute, timed};
use crate::RunError;
use crate::activations::Part;
use crate::engine::course_watch::{CourseNote, CourseWatch, Ended};
use crate::engine::keeping::Keeping;
use crate::engine::measured::Look;
use crate::engine::session::Session;
use crate::error::{Reached, ResumeError};
use crate::metrics::{LogLoss, MeanAbsError, Measure, Probabilities, Truth, paired};
use crate::progress::Watch;
use crate::random::{Stream, bits};
use crate::report::{FitSetting, body_lost, fit_before, inherited, lost_before};
use crate::train::{
    self, Against, BestBy, Ending, EpochRow, FEWEST_TO_JUDGE, FitCurve, FitPlan, FitResult, MeanResult, Patience,
    Validation, turning_point,
};

pub(super) fn run(session: &mut Session<'_>, step: &Fit, at: Running<'_>) -> Result<(), RunError> {
    let Running { index, stage, summary } = at;
    precompute::prepare(session, &stage.state, summary)?;
    session.make_room(stage)?;
    let named = format!("step {} `{}`", index + 1, stage.text);
    let conditions = (!session.smoke).then(|| conditions(session, index, summary.trains_body));
    let setting = FitSetting::of(session.recipe, index, stage.state.body);
    let inherited = inherited(&session.summary.stages).map(|(_, judgement)| judgement.course);
    let watch = CourseWatch::new(named.clone(), setting, conditions, inherited);
    // What the network says that the fit begins with; nothing is known of one that another step put in place.
    let before = session.look.as_ref().map(|look| look.probabilities.clone());
    let trained = train_network(session, step, index, stage, watch);
    let (mut result, watch) = match trained {
        Ok(trained) => trained,
        Err(error) => {
            let lost_by = |batch| {
                let stage = lost_before(&session.summary.stages, batch)?;
                Some((stage.named(), session.may_need_clip(stage.step)))
            };
            return Err(error.lost_by(lost_by));
        }
    };
    timed(summary, result.images, result.seconds);
    if let Some(mean) = &result.mean {
        let line = mean_reached(step, mean, session.valid_loss.is_some());
        session.note(line);
    }
    if result.ended_early {
        let (run, all) = (result.epochs.len(), stage.epochs);
        let by = session.recipe.keep_best().map_or("val_loss", KeepBest::word);
        session
            .note(format!("stop_early: step {} ends after {run} of {all} epochs, {by} no longer improved", index + 1));
    }
    let chosen = session.recipe.keep_best().and_then(|by| chosen(by, &result));
    if let Some(chosen) = &chosen {
        session.note(format!("keep_best: {chosen}"));
    }
    summary.turned_at = turning_point(&result.epochs).filter(|_| !has_few(session)).map(|turn| turn.epoch);
    let ended =
        Ended { epochs: &result.epochs, batch_losses: &result.batch_losses, kept: result.kept, ending: result.ending };
    let conclusion = watch.conclude(ended);
    (summary.judgement, summary.stays_lost) = (conclusion.judgement, conclusion.stays_lost);
    if let Some(note) = conclusion.note {
        say(session, note);
    }
    let predicted = result.predictions.take().zip(final_losses(&result));
    session.look = predicted.map(|(probabilities, (loss, trn_loss))| Look {
        probabilities,
        loss,
        trn_loss,
        made: "plain".to_string(),
        chosen,
    });
    session.record.fits.push(FitCurve {
        step: index,
        title: summary.text.clone(),
        rates: session.of_trained(result.rates, index),
        losses: result.losses,
        batch_losses: result.batch_losses,
        ends: result.ends,
        epochs: result.epochs,
    });
    if let (Some(look), Some(loss)) = (session.look.take(), &session.valid_loss) {
        let truth = loss.truth().clone();
        summary.evaluation = Some(session.show(&look, &truth, index));
        let before = before.filter(|_| summary.trains_body);
        let lost = before.and_then(|before| cost(session, index, &truth, [&before, &look.probabilities]));
        session.look = Some(look);
        if let Some(lost) = lost {
            summary.body_lost = true;
            // The course of a fit that failed says why.
            if summary.failure().is_none() && !summary.stays_lost {
                session.note(format!("{named}: {lost}"));
            }
        }
    }
    match result.ending {
        Ending::Complete => Ok(()),
        Ending::Stopped => Err(RunError::Stopped(Reached::Batch)),
    }
}

impl Session<'_> {
    /// Whether bounding the gradients may keep step `index`, counted from 0, from losing the numbers.
    pub(in crate::engine) fn may_need_clip(&self, index: usize) -> bool {
        rates(self, &self.stages[index]).is_ok_and(|rates| descent(self.recipe).may_need_clip(&rates))
    }

    /// The rates of the layer groups that step `index` trains, of those of all groups.
    fn of_trained(&self, mut rates: Vec<Vec<f64>>, index: usize) -> Vec<Vec<f64>> {
        rates.drain(..self.stages[index].state.first_trained(rates.len()));
        rates
    }

    /// Records what a step reached before it failed, unless that is nothing.
    fn record_failed(&mut self, mut curve: FitCurve) {
        curve.rates = self.of_trained(curve.rates, curve.step);
        if !curve.losses.is_empty() || !curve.epochs.is_empty() {
            self.record.fits.push(curve);
        }
    }
}

/// Whether there are too few validation images to judge by their loss.
fn has_few(session: &Session<'_>) -> bool {
    session.valid_loss.as_ref().is_some_and(|loss| loss.truth().len() < FEWEST_TO_JUDGE)
}

/// What the course of step `index` is judged by.
fn conditions(session: &Session<'_>, index: usize, trains_body: bool) -> Against {
    // Of a model that was put back, no predictions are at hand that would tell harm from chance.
    let stages = &session.summary.stages;
    let goes_on =
        stages.iter().rfind(|stage| stage.kind.changes_weights()).is_some_and(|last| last.kind == StepKind::Fit);
    let before = fit_before(stages).filter(|_| goes_on).and_then(|fit| fit.evaluation.as_ref());
    Against {
        constant: session.constant_loss,
        began: None,
        first: None,
        falls: None,
        before: before.map(|evaluation| evaluation.val_loss),
        trains_body,
        few: has_few(session),
        followed: session.stages[index + 1..].iter().any(|later| later.step.kind() == StepKind::Fit),
    }
}

/// States what training the body cost: how far the first metric, or the loss of the task, fell between two predictions of the
/// validation images, if chance does not explain it.
fn cost(session: &Session<'_>, index: usize, truth: &Truth, [before, after]: [&Probabilities; 2]) -> Option<String> {
    let task_loss: Box<dyn Measure> = match truth {
        Truth::Values(_) => Box::new(MeanAbsError),
        Truth::Classes(_) | Truth::Tags { .. } => Box::new(LogLoss),
    };
    let measure = session.metrics.first().unwrap_or(&task_loss);
    let direction = measure.direction();
    if direction.gain(measure.value(before, truth), measure.value(after, truth)) >= 0.0 {
        return None;
    }
    let mut rng = Stream::new(session.seed, "paired").at(&[index as u64]);
    let change = paired(&**measure, before, after, truth, &mut || bits(&mut rng))?;
    body_lost(&measure.column(), direction, &change)
}

/// Trains the session's network, and writes epochs, states and the models of cycles. `watch` judges the epochs, and comes back.
///
/// # Errors
/// Those of [`train::fit()`]; the summary then has the warnings of the epochs before, and the record has the batches before.
fn train_network(
    session: &mut Session<'_>,
    step: &Fit,
    index: usize,
    stage: &Stage,
    watch: CourseWatch,
) -> Result<(FitResult, CourseWatch), RunError> {
    let recipe = session.recipe;
    let plan = FitPlan {
        stage: index as u64,
        epochs: if session.smoke { 1 } else { stage.epochs },
        settings: Box::new(Schedule::of(step).settings(stage.batches_per_epoch.unwrap_or(1))),
        lrs: rates(session, stage)?,
        wds: decays(step, session.learner.network().groups()),
        descent: descent(recipe),
        mixing: mixing(recipe),
        metrics: &session.metrics,
        keep_best: recipe.keep_best().and_then(|best| match best {
            KeepBest::ValLoss => Some(BestBy::ValLoss),
            KeepBest::Metric(best) => recipe.metrics().iter().position(|m| m.kind() == best).map(BestBy::Metric),
        }),
        accumulate: recipe.accumulate(),
        ema: recipe.ema(),
        swa: if session.smoke { Vec::new() } else { step.averaged_ends().collect() },
        patience: step.stop_early.map(|comparisons| Patience {
            comparisons: u64::from(comparisons),
            after: step.cycle_len.map(|_| step.cycle_ends().collect()),
        }),
        saves_after: step.cycle_save_name.as_ref().map_or_else(Vec::new, |_| step.cycle_ends().collect()),
        seed: session.seed,
        continued: session.continued.take(),
    };
    let size = stage.state.size;
    let examples = session.sets.examples(Part::Train, size);
    let valid = session.sets.examples(Part::Valid, size);
    let began = session.look.as_ref().zip(session.valid_loss.as_ref());
    let before = began.map(|(look, loss)| loss.of_each_prediction(&look.probabilities)).transpose()?;
    let validation =
        session.valid_loss.as_ref().map(|loss| Validation { examples: &*valid, loss, before: before.as_deref() });
    let cycle_meta = session.meta(size);
    let mut keeping = Keeping {
        index,
        meta: session.meta(recipe.transforms().size),
        folder: &mut session.folder,
        snapshots: &mut session.snapshots,
        before: &session.snapshot,
        times: &mut session.times,
        began: (session.began, session.seconds_before),
        best: None,
        cycles: step.cycle_save_name.clone().map(|name| (name, cycle_meta)),
        saved: BTreeMap::new(),
        watch,
        failed: FitCurve { step: index, title: stage.text.clone(), ..FitCurve::default() },
    };
    let result = train::fit(
        &mut session.learner,
        &*examples,
        &session.train_loss,
        validation,
        plan,
        Watch { progress: &mut *session.progress, stop: &session.stop },
        &mut keeping,
    );
    let Keeping { saved, watch, failed, .. } = keeping;
    drop((examples, valid));
    let result = match result {
        Ok(result) => result,
        Err(error) => {
            session.summary.notes.extend(watch.warning());
            session.record_failed(failed);
            return Err(error.in_step(index, stage));
        }
    };
    for (name, digest) in saved {
        session.has_saved(&name, digest);
    }
    Ok((result, watch))
}

/// The full learning rate of each layer group.
fn rates(session: &Session<'_>, stage: &Stage) -> Result<Vec<f64>, ResumeError> {
    let found = &session.summary.found_rates;
    let rates = stage.rates.iter().map(|rate| rate.resolve(found)).collect::<Option<Vec<f64>>>();
    rates.ok_or_else(|| ResumeError::Broken {
        path: session.folder.path().to_path_buf(),
        reason: "a rate refers to a finder that has not run".to_string(),
    })
}

/// The weight decay of each layer group.
fn decays(step: &Fit, groups: usize) -> Vec<f64> {
    match step.wds.as_slice() {
        [] => vec![0.0; groups],
        [one] => vec![*one; groups],
        many => many.to_vec(),
    }
}

/// What `swa` says of the mean of epochs or cycles.
fn mean_reached(step: &Fit, mean: &MeanResult, is_measured: bool) -> String {
    let what = if step.cycle_len.is_some() { "cycles" } else { "epochs" };
    if !is_measured {
        return format!("swa: the mean of the last {} {what}", mean.networks);
    }
    let measured = [("val_loss".to_string(), mean.val_loss)].into_iter().chain(mean.metrics.iter().cloned());
    let measured: Vec<String> = measured.map(|(name, value)| format!("{name} {value:.6}")).collect();
    format!("swa: the mean of the last {} {what}: {}", mean.networks, measured.join(", "))
}

/// Which weights `keep_best` chose, in words; `None` if there was one epoch alone.
fn chosen(by: KeepBest, result: &FitResult) -> Option<String> {
    let (by, epochs) = (by.word(), result.epochs.len());
    match (result.kept, &result.mean) {
        (Some(epoch), _) => Some(format!("epoch {epoch}, the best of {epochs} by {by}")),
        (None, Some(mean)) => {
            Some(format!("the mean of {} epochs, better than the best of {epochs} by {by}", mean.networks))
        }
        (None, None) => None,
    }
}

/// The validation loss of the weights that the fit ends with, and the training loss of their epoch; a mean has none.
fn final_losses(result: &FitResult) -> Option<(f64, Option<f64>)> {
    let of_row = |row: &EpochRow| (row.val_loss, Some(row.trn_loss));
    match (result.kept, &result.mean) {
        (Some(epoch), _) => result.epochs.get(epoch as usize).map(of_row),
        (None, Some(mean)) => Some((mean.val_loss, None)),
        (None, None) => result.epochs.last().map(of_row),
    }
}

/// Says what is still to be said, and records it in the summary.
fn say(session: &mut Session<'_>, remark: CourseNote) {
    match remark {
        CourseNote::Warned(line) => session.summary.notes.push(line),
        CourseNote::Warning(line) => session.warn(line),
        CourseNote::Note(line) => session.note(line),
    }
}
