//! `lr_find(..)`.

use std::time::Instant;

use fastai_dsl::{Base, BodyState, LrFind, Stage, Step};

use super::{Running, descent, mixing, precompute, timed};
use crate::RunError;
use crate::activations::Part;
use crate::data::figures::short;
use crate::engine::session::Session;
use crate::error::FailedStep;
use crate::progress::Watch;
use crate::train::{Basis, FindCurve, FindPlan, Suggestion, find_rate};

/// The rate that a smoke run's finder returns, since two batches suggest none.
const SMOKE_RATE: f64 = 1e-3;

pub(super) fn run(session: &mut Session<'_>, find: &LrFind, at: Running<'_>) -> Result<(), RunError> {
    let Running { index, stage, summary } = at;
    let state = &stage.state;
    precompute::prepare(session, state, summary)?;
    session.make_room(stage)?;
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
            descent: descent(session.recipe),
            mixing: mixing(session.recipe),
            accumulate: session.recipe.accumulate(),
            seed: session.seed,
        },
        Watch { progress: &mut *session.progress, stop: &session.stop },
    )?;
    timed(summary, found.images, started.elapsed().as_secs_f64());
    summary.suggestion = found.suggestion.map(|s| s.rate);
    let curve = FindCurve {
        step: index,
        title: summary.text.clone(),
        rates: found.rates,
        ratio: ratio(find, stage, session.learner.network().groups()),
        losses: found.losses,
        batch_losses: found.batch_losses,
        suggestion: found.suggestion.map(|s| s.rate),
        rule: found.suggestion.map_or_else(|| find.suggest.word().to_string(), |s| s.chosen_by(find.suggest)),
    };
    let plot = session.folder.write_find_plot(&curve)?;
    session.record.finds.push(curve);
    let rate = match (found.suggestion, find.or) {
        (Some(suggestion), _) => {
            let Suggestion { rate, basis } = suggestion;
            let said = format!("lr_find suggests {} ({})", short(rate), suggestion.chosen_by(find.suggest));
            session.note(match basis {
                Basis::Fall => said,
                Basis::Rise => {
                    let usual = if head_has_trained(session, index) { ", as is usual once the head has trained" } else { "" };
                    format!(
                        "{said}: the loss falls nowhere clearly{usual}, so what counts is the rate from which it rises; see {}",
                        plot.display()
                    )
                }
            });
            rate
        }
        (None, Some(rate)) => {
            session
                .note(format!("lr_find suggests nothing, the recipe's `or = {rate}` is used; see {}", plot.display()));
            rate
        }
        (None, None) if session.smoke => SMOKE_RATE,
        (None, None) => match last_rate(session, index) {
            Some(rate) => {
                session.note(format!(
                    "lr_find suggests nothing; a tenth of the head's last rate is used, {}; see {}. `or = 1e-3` in the \
                     step chooses another",
                    short(rate / 10.0),
                    plot.display()
                ));
                rate / 10.0
            }
            None if !is_read(session, index, find) => {
                session.note(format!("lr_find suggests nothing; no step uses its rate; see {}", plot.display()));
                find.start
            }
            None => {
                let step = FailedStep::of(index, stage);
                return Err(RunError::NoRate { step, start: find.start, end: find.end, plot });
            }
        },
    };
    session.summary.found_rates.push(rate);
    Ok(())
}

/// The rates of the layer groups that train as multiples of the swept one.
fn ratio(find: &LrFind, stage: &Stage, groups: usize) -> Vec<f64> {
    let ratio = if find.ratio.is_empty() { vec![1.0; groups] } else { find.ratio.clone() };
    ratio[stage.state.first_trained(groups)..].to_vec()
}

/// Whether a `fit` before step `index` trained the head that the network has there.
fn head_has_trained(session: &Session<'_>, index: usize) -> bool {
    let before = session.stages[..index].iter().rev().map(|stage| &stage.step);
    before.take_while(|step| !matches!(step, Step::Head(_))).any(Step::is_fit)
}

/// The head's full learning rate in the last `fit` before step `index`.
fn last_rate(session: &Session<'_>, index: usize) -> Option<f64> {
    let fit = session.stages[..index].iter().rev().find(|stage| stage.step.is_fit())?;
    fit.rates.last()?.resolve(&session.summary.found_rates)
}

/// Whether a `fit` after step `index` uses the rate of the finder.
fn is_read(session: &Session<'_>, index: usize, find: &LrFind) -> bool {
    let reads = |stage: &fastai_dsl::Stage| {
        matches!(stage.step, Step::Fit(_)) && stage.rates.iter().any(|rate| rate.base() == Base::Found(find.index))
    };
    session.stages[index..].iter().any(reads)
}
