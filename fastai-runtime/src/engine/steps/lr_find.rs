//! `lr_find(..)`.

use std::time::Instant;

use fastai_dsl::{BodyState, LrFind};

use super::{Running, mixing, precompute, timed};
use crate::RunError;
use crate::engine::session::Session;
use crate::engine::sets::Part;
use crate::error::FailedStep;
use crate::progress::Watch;
use crate::train::{FindCurve, FindPlan, find_rate};

/// The rate that a smoke run's finder returns, since two batches suggest none.
const SMOKE_RATE: f64 = 1e-3;

pub(super) fn run(session: &mut Session<'_>, find: &LrFind, at: Running<'_>) -> Result<(), RunError> {
    let Running { index, stage, summary } = at;
    let state = &stage.state;
    precompute::prepare(session, state, summary)?;
    let iterations = if session.smoke { 2 } else { find.iterations(state.body == BodyState::Precomputed) };
    let started = Instant::now();
    let found = find_rate(
        &mut session.learner,
        &*session.sets.examples(Part::Train, state.size),
        &session.train_loss,
        FindPlan {
            stage: index as u64,
            find,
            iterations,
            clip: session.recipe.clip(),
            mixing: mixing(session.recipe),
            seed: session.seed,
        },
        Watch { progress: &mut *session.progress, stop: &session.stop },
    )?;
    timed(summary, found.images, started.elapsed().as_secs_f64());
    summary.suggestion = found.suggestion;
    let curve = FindCurve {
        step: index,
        title: summary.text.clone(),
        rates: found.rates,
        losses: found.losses,
        suggestion: found.suggestion,
        rule: find.suggest.word().to_string(),
    };
    let plot = session.folder.write_find_plot(&curve)?;
    session.record.finds.push(curve);
    let rate = match (found.suggestion, find.or) {
        (Some(rate), _) => {
            session.note(format!("lr_find suggests {rate:.2e} ({})", find.suggest.word()));
            rate
        }
        (None, Some(rate)) => {
            session
                .note(format!("lr_find suggests nothing, the recipe's `or = {rate}` is used; see {}", plot.display()));
            rate
        }
        (None, None) if session.smoke => SMOKE_RATE,
        (None, None) => {
            let step = FailedStep::new(index, &stage.step);
            return Err(RunError::NoRate { step, start: find.start, end: find.end, plot });
        }
    };
    session.summary.found_rates.push(rate);
    Ok(())
}
