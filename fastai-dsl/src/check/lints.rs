//! Lints: recipes that run, but hardly as meant.

use super::level;
use crate::catalog::{self as c, Code, LINTS};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Site};
use crate::draft::{Draft, LintAttr, LintLevel, StepCall, Stmt, Value, ValueKind};
use crate::evaluate::Unused;
use crate::plan::{Body, State};
use crate::rate::{Base, Rate};
use crate::recipe::{Crop, Recipe, Step, TransformSet, Weights};
use crate::schedule::epochs;
use crate::suggest::did_you_mean;

/// More epochs than this are a long run.
const LONG: u64 = 500;

/// Reports lint attributes that name no lint.
pub(super) fn known(draft: &Draft, out: &mut Diagnostics) {
    fn steps<'d>(body: &'d [Stmt], attrs: &mut Vec<&'d LintAttr>) {
        for stmt in body {
            match stmt {
                Stmt::Step(call) => attrs.extend(&call.lints),
                Stmt::For { body, .. } => steps(body, attrs),
                Stmt::Let { .. } => {}
            }
        }
    }
    let mut attrs: Vec<&LintAttr> = draft.lints.iter().collect();
    attrs.extend(draft.sections.iter().flat_map(|e| &e.lints));
    if let Some(train) = &draft.train {
        attrs.extend(&train.lints);
        steps(&train.body, &mut attrs);
    }
    for attr in attrs {
        if !LINTS.iter().any(|l| l.id == attr.name.text) {
            out.push(
                Diagnostic::error(&c::UNKNOWN_LINT, attr.name.site, format!("there is no lint `{}`", attr.name.text))
                    .help(did_you_mean(&attr.name.text, LINTS.iter().map(|l| l.id))),
            );
        }
    }
}

struct Lints<'a> {
    draft: &'a Draft,
    out: &'a mut Diagnostics,
}

impl Lints<'_> {
    fn fire(&mut self, lint: &'static Code, step: &[LintAttr], site: Site, message: String, help: &str) {
        let train: &[LintAttr] = self.draft.train.as_ref().map_or(&[], |t| &t.lints);
        let severity = match level(lint, &[step, train, &self.draft.lints]) {
            LintLevel::Allow => return,
            LintLevel::Warn => Severity::Warning,
            LintLevel::Deny => Severity::Error,
        };
        let mut diagnostic = Diagnostic::error(lint, site, message).help(help);
        diagnostic.severity = severity;
        self.out.push(diagnostic);
    }
}

pub(super) fn run(recipe: &Recipe, flat: &Draft, draft: &Draft, unused: &[Unused], out: &mut Diagnostics) {
    let calls: Vec<&StepCall> = flat.train.iter().flat_map(|t| &t.body).filter_map(as_call).collect();
    let mut lints = Lints { draft, out };
    for binding in unused {
        let text = format!("`{}` is never read", binding.name.text);
        let help = format!("remove it, or call it `_{}`", binding.name.text);
        lints.fire(&c::UNUSED_LET, &[], binding.name.site, text, &help);
    }
    // A step that could not be lowered has been reported, and then there is no recipe; the two lists run in parallel.
    let steps: Vec<(&Step, &StepCall)> = recipe.steps().iter().zip(calls).collect();
    precompute_ignores_augment(recipe, &steps, &mut lints);
    long_run(&steps, &mut lints);
    walk(recipe, &steps, &mut lints);
}

fn as_call(stmt: &Stmt) -> Option<&StepCall> {
    match stmt {
        Stmt::Step(call) => Some(call),
        _ => None,
    }
}

fn precompute_ignores_augment(recipe: &Recipe, steps: &[(&Step, &StepCall)], lints: &mut Lints) {
    let t = recipe.transforms();
    let augments = t.set != TransformSet::None || t.max_zoom[1] > 1.0 || t.crop == Crop::Googlenet;
    let mut state = State::start(recipe);
    let mut on_images = false;
    let mut on_cache: Option<&StepCall> = None;
    for (step, call) in steps {
        state = state.after(step, recipe.model().facts().groups);
        match (step, state.body) {
            (Step::Fit(_), Body::Precomputed) => on_cache = on_cache.or(Some(call)),
            (Step::Fit(_) | Step::Tta { .. }, _) => on_images = true,
            _ => {}
        }
    }
    if let (true, false, Some(call)) = (augments, on_images, on_cache) {
        lints.fire(
            &c::PRECOMPUTE_IGNORES_AUGMENT,
            &call.lints,
            call.word.site,
            format!("`{}` augments images, but every fit uses cached activations", t.set.word()),
            "`precompute(off);` and a `fit` on images, or `transforms: none { .. }`",
        );
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
            lints.fire(
                &c::LONG_RUN,
                &call.lints,
                call.word.site,
                text,
                "smaller `cycles` or `cycle_mult`, or `#[allow(long_run)]`",
            );
            return;
        }
    }
}

fn walk(recipe: &Recipe, steps: &[(&Step, &StepCall)], lints: &mut Lints) {
    let facts = recipe.model().facts();
    let mut state = State::start(recipe);
    let (mut head_trained, mut searched) = (false, false);
    for (i, (step, call)) in steps.iter().enumerate() {
        let site = call.word.site;
        let next = state.after(step, facts.groups);
        match step {
            Step::Unfreeze | Step::FreezeTo { .. }
                if !head_trained && next.body == Body::Unfrozen && recipe.model().weights != Weights::None =>
            {
                let text = format!("`{}` before the new head has trained", step.word());
                lints.fire(&c::UNFREEZE_BEFORE_HEAD, &call.lints, site, text, "`fit(1e-2, 1);` before it");
            }
            Step::Precompute { on } if *on == (state.body == Body::Precomputed) => {
                let text = format!("`precompute` is {} already", if *on { "on" } else { "off" });
                lints.fire(&c::NO_EFFECT, &call.lints, site, text, "remove this step");
            }
            Step::BnFreeze { .. } if state.body == Body::Precomputed || !facts.batch_norm => {
                let text = if facts.batch_norm {
                    "`bn_freeze` does nothing while activations are precomputed".to_string()
                } else {
                    format!("`{}` has no batch norm in its body", facts.name)
                };
                lints.fire(&c::NO_EFFECT, &call.lints, site, text, "remove this step");
            }
            Step::LrFind(_) => searched = true,
            Step::Fit(fit) => {
                head_trained = true;
                if !searched {
                    let text = "a `fit` before any `lr_find`".to_string();
                    lints.fire(&c::NO_LR_FIND, &call.lints, site, text, "`let lr = lr_find(or = 1e-2);` before it");
                    searched = true;
                }
                rates(fit, &state, call, lints);
            }
            Step::Head(_) => head_trained = false,
            Step::Resize { .. } if state.body == Body::Unfrozen => {
                let freezes = matches!(steps.get(i + 1), Some((Step::Freeze, _)));
                if !freezes {
                    let text = "`resize` while the whole network trains".to_string();
                    lints.fire(&c::RESIZE_WITHOUT_FREEZE, &call.lints, site, text, "`freeze();` after it");
                }
            }
            _ => {}
        }
        state = next;
    }
}

fn rates(fit: &crate::recipe::Fit, state: &State, call: &StepCall, lints: &mut Lints) {
    if fit.lrs.len() < 2 {
        return;
    }
    let site = lrs_site(call);
    if state.body == Body::Frozen {
        lints.fire(
            &c::RATES_OF_FROZEN_GROUPS,
            &call.lints,
            site,
            "the body is frozen: only the last rate does anything".to_string(),
            "one rate, or `unfreeze();` before it",
        );
    }
    let falls = fit.lrs.windows(2).any(|w| match (w[0].base(), w[1].base()) {
        (Base::Fixed(a), Base::Fixed(b)) => a > b,
        (Base::Found(a), Base::Found(b)) => a == b && factor(w[0]) > factor(w[1]),
        _ => false,
    });
    if falls {
        lints.fire(
            &c::RATES_NOT_INCREASING,
            &call.lints,
            site,
            "the rates fall toward the head".to_string(),
            "the order is earliest layers first: `[lr / 9, lr / 3, lr]`",
        );
    }
}

fn factor(rate: Rate) -> f64 {
    rate.factor()
}

fn lrs_site(call: &StepCall) -> Site {
    let is_list = |v: &Value| matches!(v.kind, ValueKind::List(_));
    let named = call.args.iter().find(|a| a.name.as_ref().is_some_and(|n| n.text == "lrs"));
    let list = named.or_else(|| call.args.iter().find(|a| a.name.is_none() && is_list(&a.value)));
    list.map_or(call.word.site, |a| a.value.site)
}
