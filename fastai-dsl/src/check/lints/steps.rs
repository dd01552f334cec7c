//! The lints about steps.

use super::{Lints, Subject};
use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Site};
use crate::draft::{StepCall, Value, ValueKind};
use crate::plan::{BodyState, State};
use crate::rate::{Base, Rate};
use crate::recipe::{Fit, Step, Weights};
use crate::schedule::epochs;
use crate::word::switch;

/// The number of epochs above which a run is long.
const LONG: u64 = 500;

pub(super) fn run(parts: &Subject, steps: &[(&Step, &StepCall)], lints: &mut Lints) {
    long_run(steps, lints);
    finder_without_or(steps, lints);
    untrained_head(steps, lints);
    walk(parts, steps, lints);
}

/// A head that `save` or `tta` uses before any training, or that nothing uses at all.
fn untrained_head(steps: &[(&Step, &StepCall)], lints: &mut Lints) {
    let mut trained = false;
    let mut made: Option<&StepCall> = None;
    for &(step, call) in steps {
        match step {
            Step::Fit(_) | Step::Load { .. } | Step::Average { .. } => (trained, made) = (true, None),
            Step::Head(_) => (trained, made) = (false, Some(call)),
            Step::Save { .. } | Step::Tta { .. } if !trained => {
                let text = format!("`{}` of a head that no `fit` has trained", step.word());
                lints.fire(&c::UNTRAINED_HEAD, call, text, "`fit(1e-2, 1);` before it");
                (trained, made) = (true, None);
            }
            _ => {}
        }
    }
    if let Some(call) = made {
        lints.fire(&c::UNTRAINED_HEAD, call, "nothing trains this new head", "`fit(1e-2, 1);` after it");
    }
}

/// A search after the head has trained that may suggest nothing, whose rate a later fit uses.
fn finder_without_or(steps: &[(&Step, &StepCall)], lints: &mut Lints) {
    let mut trained = false;
    for (i, &(step, call)) in steps.iter().enumerate() {
        let Step::LrFind(find) = step else {
            trained |= step.is_fit();
            continue;
        };
        let uses = |rate: &Rate| rate.base() == Base::Found(find.index);
        let read = steps[i..].iter().any(|(step, _)| matches!(step, Step::Fit(fit) if fit.lrs.iter().any(uses)));
        if trained && find.or.is_none() && read {
            let text = "the head has trained, so this search may suggest nothing";
            lints.fire(&c::FINDER_WITHOUT_OR, call, text, "`lr_find(or = 1e-3)`");
        }
    }
}

fn long_run(steps: &[(&Step, &StepCall)], lints: &mut Lints) {
    let mut total = 0u64;
    for (step, call) in steps {
        let Step::Fit(fit) = step else { continue };
        let here = epochs(fit.cycles, fit.cycle_len, fit.cycle_mult);
        total = total.saturating_add(here);
        if total > LONG {
            let text = format!("{total} epochs up to here, {here} of them in this step");
            lints.fire(&c::LONG_RUN, call, text, "smaller `cycles` or `cycle_mult`, or `#[allow(long_run)]`");
            return;
        }
    }
}

fn walk(parts: &Subject, steps: &[(&Step, &StepCall)], lints: &mut Lints) {
    let facts = parts.model.facts();
    let mut state = parts.start();
    let (mut head_trained, mut searched) = (false, false);
    for (i, (step, call)) in steps.iter().enumerate() {
        let next = state.after(step, facts.groups());
        match step {
            Step::Unfreeze | Step::FreezeTo { .. }
                if !head_trained && next.body == BodyState::Unfrozen && parts.model.weights != Weights::None =>
            {
                let text = format!("`{}` before the new head has trained", step.word());
                lints.fire(&c::UNFREEZE_BEFORE_HEAD, call, text, "`fit(1e-2, 1);` before it");
            }
            Step::Precompute { on } if *on == (state.body == BodyState::Precomputed) => {
                let text = format!("`precompute` is {} already", switch(*on));
                lints.fire(&c::NO_EFFECT, call, text, &format!("remove `{step};`"));
            }
            Step::BnFreeze { .. } if state.body == BodyState::Precomputed || !facts.has_batch_norm() => {
                let text = if facts.has_batch_norm() {
                    "`bn_freeze` does nothing while activations are precomputed".to_string()
                } else {
                    format!("`{}` has no batch norm in its body", facts.name)
                };
                lints.fire(&c::NO_EFFECT, call, text, &format!("remove `{step};`"));
            }
            Step::Unfreeze | Step::Freeze | Step::FreezeTo { .. } | Step::BnFreeze { .. } if last(&steps[i + 1..]) => {
                let text = format!("nothing that follows `{}` trains", step.word());
                lints.fire(&c::NO_EFFECT, call, text, "`fit(1e-3, 1);` after it, or remove it");
            }
            Step::Tta { .. } if !parts.augments() && !lints.has_constant("transforms", &["max_zoom"]) => {
                let text = "`transforms: none` augments nothing: only the crop differs between passes";
                let help = "`transforms: side_on { size: 224, max_zoom: 1.1 }`, or remove `tta`";
                lints.fire(&c::TTA_WITHOUT_AUGMENT, call, text, help);
            }
            Step::LrFind(_) => searched = true,
            Step::Fit(fit) => {
                head_trained = true;
                if !searched {
                    let help = "`let lr = lr_find(or = 1e-2);` before it";
                    lints.fire(&c::NO_LR_FIND, call, "a `fit` before any `lr_find`", help);
                    searched = true;
                }
                rates(fit, &state, call, lints);
            }
            Step::Head(_) => head_trained = false,
            Step::Resize { .. } if state.body == BodyState::Unfrozen => {
                let freezes = matches!(steps.get(i + 1), Some((Step::Freeze, _)));
                if !freezes {
                    let text = "`resize` while the whole network trains";
                    lints.fire(&c::RESIZE_WITHOUT_FREEZE, call, text, "`freeze();` after it");
                }
            }
            _ => {}
        }
        state = next;
    }
}

/// Whether none of these steps trains or builds a cache.
fn last(steps: &[(&Step, &StepCall)]) -> bool {
    !steps
        .iter()
        .any(|(s, _)| s.trains() || matches!(s, Step::Precompute { .. } | Step::Load { .. } | Step::Average { .. }))
}

fn rates(fit: &Fit, state: &State, call: &StepCall, lints: &mut Lints) {
    if fit.lrs.len() < 2 {
        return;
    }
    let site = lrs_site(call);
    if state.body == BodyState::Frozen {
        let help = match call.args.iter().any(|a| a.name.as_ref().is_some_and(|n| n.text == "layer_decay")) {
            true => "remove `layer_decay`, or `unfreeze();` before it",
            false => "one rate, or `unfreeze();` before it",
        };
        let text = "the body is frozen: only the last rate does anything";
        lints.in_train(&call.lints, Diagnostic::error(&c::RATES_OF_FROZEN_GROUPS, site, text).help(help));
    }
    let falls = fit.lrs.windows(2).any(|w| match (w[0].base(), w[1].base()) {
        (Base::Fixed(a), Base::Fixed(b)) => a > b,
        (Base::Found(a), Base::Found(b)) => a == b && w[0].factor() > w[1].factor(),
        _ => false,
    });
    // The value of a constant is unknown.
    let known = !call.args.iter().any(|a| a.value.has_constant());
    if falls && known {
        let error = Diagnostic::error(&c::RATES_NOT_INCREASING, site, "the rates fall toward the head");
        lints.in_train(&call.lints, error.help("the order is earliest layers first: `[lr / 9, lr / 3, lr]`"));
    }
}

fn lrs_site(call: &StepCall) -> Site {
    let is_list = |v: &Value| matches!(v.kind, ValueKind::List(_));
    let named = call.args.iter().find(|a| a.name.as_ref().is_some_and(|n| n.text == "lrs"));
    let list = named.or_else(|| call.args.iter().find(|a| a.name.is_none() && is_list(&a.value)));
    list.map_or(call.word.site, |a| a.value.site)
}
