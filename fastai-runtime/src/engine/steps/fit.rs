//! `fit(..)`.

use std::collections::BTreeMap;

use fastai_dsl::{Fit, KeepBest, Schedule, StepKind};

use super::{Running, descent, mixing, precompute, timed};
use crate::RunError;
use crate::engine::course_watch::{CourseNote, CourseWatch, Ended};
use crate::engine::keeping::Keeping;
use crate::engine::measured::Look;
use crate::engine::session::Session;
use crate::engine::sets::Part;
use crate::error::{Reached, ResumeError};
use crate::progress::Watch;
use crate::report::{StageSummary, body_lost};
use crate::train::{self, Against, BestBy, Ending, EpochRow, FitCurve, FitPlan, Patience, Validation, turning_point};

pub(super) fn run(session: &mut Session<'_>, step: &Fit, at: Running<'_>) -> Result<(), RunError> {
    let Running { index, stage, summary } = at;
    precompute::prepare(session, &stage.state, summary)?;
    session.make_room(index, stage)?;
    let groups = session.learner.network().groups();
    let found = &session.summary.found_rates;
    let lrs = stage.rates.iter().map(|rate| rate.resolve(found)).collect::<Option<Vec<f64>>>();
    let lrs = lrs.ok_or_else(|| ResumeError::Broken {
        path: session.folder.path().to_path_buf(),
        reason: "a rate refers to a finder that has not run".to_string(),
    })?;
    let wds = match step.wds.as_slice() {
        [] => vec![0.0; groups],
        [one] => vec![*one; groups],
        many => many.to_vec(),
    };
    let recipe = session.recipe;
    let plan = FitPlan {
        stage: index as u64,
        epochs: if session.smoke { 1 } else { stage.epochs },
        settings: Box::new(Schedule::of(step).settings(stage.batches_per_epoch.unwrap_or(1))),
        lrs,
        wds,
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
    let validation = session.valid_loss.as_ref().map(|loss| Validation { examples: &*valid, loss });
    let cycle_meta = session.meta(size);
    // Weights that another step put in place since owe nothing to the fits before it.
    let same_weights = |earlier: &&StageSummary| earlier.kind == StepKind::Fit || !earlier.kind.changes_weights();
    let earlier = session.summary.stages.iter().rev().take_while(same_weights);
    let before = earlier.filter(|earlier| earlier.kind == StepKind::Fit).find_map(|fit| fit.evaluation.as_ref());
    let against = Against {
        constant: session.constant_loss,
        first: None,
        before: before.map(|evaluation| evaluation.val_loss),
        trains_body: summary.trains_body,
        followed: session.stages[index + 1..].iter().any(|later| later.step.kind() == StepKind::Fit),
    };
    let named = format!("step {} `{}`", index + 1, stage.step);
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
        watch: CourseWatch::new(named.clone(), stage.state.body, (!session.smoke).then_some(against)),
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
    let Keeping { saved, watch, .. } = keeping;
    drop((examples, valid));
    let result = result.map_err(|error| {
        session.summary.notes.extend(watch.warnings());
        error.in_step(index, &stage.step)
    })?;
    for (name, digest) in saved {
        session.has_saved(&name, digest);
    }
    timed(summary, result.images, result.seconds);
    let epochs = result.epochs.len();
    let kept = recipe.keep_best().and_then(|by| match (result.kept, &result.mean) {
        (Some(epoch), _) => Some(format!("epoch {epoch}, the best of {epochs} by {}", by.word())),
        (None, Some(mean)) => {
            Some(format!("the mean of {} epochs, better than the best of {epochs} by {}", mean.networks, by.word()))
        }
        (None, None) => None,
    });
    if let Some(mean) = &result.mean {
        let measured = [("val_loss".to_string(), mean.val_loss)].into_iter().chain(mean.metrics.iter().cloned());
        let measured: Vec<String> = measured.map(|(name, value)| format!("{name} {value:.6}")).collect();
        let what = if step.cycle_len.is_some() { "cycles" } else { "epochs" };
        session.note(match &session.valid_loss {
            Some(_) => format!("swa: the mean of the last {} {what}: {}", mean.networks, measured.join(", ")),
            None => format!("swa: the mean of the last {} {what}", mean.networks),
        });
    }
    if result.ended_early {
        let (run, all) = (result.epochs.len(), stage.epochs);
        let by = recipe.keep_best().map_or("val_loss", KeepBest::word);
        session
            .note(format!("stop_early: step {} ends after {run} of {all} epochs, {by} no longer improved", index + 1));
    }
    if let Some(kept) = &kept {
        session.note(format!("keep_best: {kept}"));
    }
    summary.turned_at = turning_point(&result.epochs).map(|turn| turn.epoch);
    let ended = Ended { epochs: &result.epochs, batch_losses: &result.batch_losses, kept: result.kept };
    let (judgement, remarks) = watch.conclude(ended);
    summary.judgement = judgement;
    for remark in remarks {
        say(session, remark);
    }
    // The validation loss of the weights that the fit ends with, and the training loss of their epoch.
    let of_row = |row: &EpochRow| (row.val_loss, Some(row.trn_loss));
    let shown = match (result.kept, &result.mean) {
        (Some(epoch), _) => result.epochs.get(epoch as usize).map(of_row),
        (None, Some(mean)) => Some((mean.val_loss, None)),
        (None, None) => result.epochs.last().map(of_row),
    };
    session.look = match (result.predictions, shown) {
        (Some(probabilities), Some((loss, trn_loss))) => {
            Some(Look { probabilities, loss, trn_loss, made: "plain".to_string(), chosen: kept })
        }
        _ => None,
    };
    session.record.fits.push(FitCurve {
        step: index,
        title: summary.text.clone(),
        rates: result.rates,
        losses: result.losses,
        batch_losses: result.batch_losses,
        ends: result.ends,
        epochs: result.epochs,
    });
    if let (Some(look), Some(loss)) = (session.look.take(), &session.valid_loss) {
        let truth = loss.truth().clone();
        let evaluation = session.show(&look, &truth, index);
        session.look = Some(look);
        if let Some(lost) = body_lost(&session.summary.stages, summary, &evaluation) {
            session.note(format!("{named}: {lost}"));
        }
        summary.evaluation = Some(evaluation);
    }
    match result.ending {
        Ending::Complete => Ok(()),
        Ending::Stopped => Err(RunError::Stopped(Reached::Batch)),
    }
}

/// Says what is still to be said, and records it in the summary.
fn say(session: &mut Session<'_>, remark: CourseNote) {
    let line = match remark {
        CourseNote::Warned(line) => line,
        CourseNote::Warning(line) => {
            session.progress.warn(&line);
            line
        }
        CourseNote::Note(line) => return session.note(line),
    };
    session.summary.notes.push(line);
}
