//! Lints: findings about recipes that run, but probably not as intended.

use super::level;
use crate::catalog::{self as c, Code, LINTS};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Site};
use crate::draft::{Draft, LintAttr, LintLevel, StepCall, Stmt, Value, ValueKind};
use crate::evaluate::Unused;
use crate::plan::{BodyState, State};
use crate::rate::{Base, Rate};
use crate::recipe::{
    ClassWeights, Crop, Fit, Model, Options, StatsWish, Step, TransformSet, Transforms, Weights, largest_size,
};
use crate::schedule::epochs;
use crate::stats::Stats;
use crate::suggest::did_you_mean;
use crate::word::switch;

/// The number of epochs above which a run is long.
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

/// The sections that the lints are about.
pub(super) struct Subject<'a> {
    pub(super) transforms: &'a Transforms,
    pub(super) model: &'a Model,
    pub(super) steps: &'a [Step],
    /// Side of the images' scaled copies, and where the recipe sets it.
    pub(super) copies: Option<(u32, Site)>,
    pub(super) options: &'a Options,
    /// Images per batch.
    pub(super) batch: u32,
    /// Where the recipe sets a balanced sampler, if it does.
    pub(super) balanced: Option<Site>,
}

struct Lints<'a> {
    draft: &'a Draft,
    out: &'a mut Diagnostics,
}

impl<'a> Lints<'a> {
    /// Reports a lint at a step of `train`.
    fn fire(&mut self, lint: &'static Code, step: &[LintAttr], site: Site, message: String, help: &str) -> bool {
        let train: &[LintAttr] = self.draft.train.as_ref().map_or(&[], |t| &t.lints);
        self.at(lint, &[step, train, &self.draft.lints], Diagnostic::error(lint, site, message).help(help))
    }

    /// Reports the lint at a place with these attributes, innermost first; returns whether it is shown.
    fn at(&mut self, lint: &'static Code, attrs: &[&[LintAttr]], mut diagnostic: Diagnostic) -> bool {
        diagnostic.severity = match level(lint, attrs) {
            LintLevel::Allow => return false,
            LintLevel::Warn => Severity::Warning,
            LintLevel::Deny => Severity::Error,
        };
        // The lints see a loop's step in every round.
        if !self.out.has(lint, diagnostic.site) {
            self.out.push(diagnostic);
        }
        true
    }

    /// Whether one of these keys of a section is a Rust constant, whose value is unknown here.
    fn has_constant(&self, section: &str, keys: &[&str]) -> bool {
        let section = self.draft.sections.iter().find(|e| e.key.text == section);
        let Some(ValueKind::Block(_, entries)) = section.map(|e| &e.value.kind) else { return false };
        entries.iter().any(|e| keys.contains(&e.key.text.as_str()) && e.value.has_constant())
    }

    /// The attributes of a section.
    fn section(&self, name: &str) -> &'a [LintAttr] {
        self.draft.sections.iter().find(|e| e.key.text == name).map_or(&[], |e| &e.lints)
    }
}

pub(super) fn run(parts: &Subject, flat: &Draft, draft: &Draft, unused: &[Unused], out: &mut Diagnostics) {
    let calls: Vec<&StepCall> = flat.train.iter().flat_map(|t| &t.body).filter_map(as_call).collect();
    let mut lints = Lints { draft, out };
    for binding in unused {
        // A statement that must change anyhow.
        if lints.out.iter().any(|d| d.site == binding.name.site) {
            continue;
        }
        let text = format!("`{}` is never read", binding.name.text);
        let help = format!("remove it, or call it `_{}`", binding.name.text);
        lints.fire(&c::UNUSED_LET, &[], binding.name.site, text, &help);
    }
    // The lints run only when every step was lowered, so the two lists are parallel.
    let steps: Vec<(&Step, &StepCall)> = parts.steps.iter().zip(calls).collect();
    if let Some(call) = all_on_cache(parts, &steps) {
        precompute_ignores_augment(parts, call, &mut lints);
        precompute_ignores_mixing(parts.options, call, &mut lints);
    }
    pad_mode_without_pad(parts.transforms, &mut lints);
    stats_of_other_weights(parts, &mut lints);
    enlarged_copies(parts, &steps, &mut lints);
    balanced_twice(parts, &mut lints);
    long_run(&steps, &mut lints);
    finder_without_or(&steps, &mut lints);
    untrained_head(&steps, &mut lints);
    walk(parts, &steps, &mut lints);
}

/// The lint that depends on `data` alone.
pub(super) fn default_valid(draft: &Draft, out: &mut Diagnostics) {
    let Some(entry) = draft.sections.iter().find(|e| e.key.text == "data") else { return };
    let ValueKind::Block(word, entries) = &entry.value.kind else { return };
    if word.text == "csv" && !entries.iter().any(|e| e.key.text == "valid" || e.key.text.is_empty()) {
        let diagnostic = Diagnostic::error(&c::DEFAULT_VALID, word.site, "a random fifth of the images is held out")
            .help("say so: `valid: random(0.2, seed = 42)`");
        of_section(&c::DEFAULT_VALID, "data", diagnostic, draft, out);
    }
}

/// Reports a finding about a section at the lint's level for that section.
pub(crate) fn of_section(
    lint: &'static Code,
    section: &str,
    diagnostic: Diagnostic,
    draft: &Draft,
    out: &mut Diagnostics,
) {
    let mut lints = Lints { draft, out };
    let section = lints.section(section);
    lints.at(lint, &[section, &draft.lints], diagnostic);
}

fn as_call(stmt: &Stmt) -> Option<&StepCall> {
    match stmt {
        Stmt::Step(call) => Some(call),
        _ => None,
    }
}

fn augments(t: &Transforms) -> bool {
    t.set != TransformSet::None || !t.augment.is_empty() || t.max_zoom[1] > 1.0 || t.crop == Crop::Googlenet
}

/// Returns the first fit if every fit uses cached activations and no step passes random images to the network.
fn all_on_cache<'d>(parts: &Subject, steps: &[(&Step, &'d StepCall)]) -> Option<&'d StepCall> {
    let mut state = State::of(parts.model, parts.transforms.size, parts.batch);
    let mut on_cache: Option<&StepCall> = None;
    for (step, call) in steps {
        state = state.after(step, parts.model.facts().groups());
        match (step, state.body) {
            (Step::Fit(_), BodyState::Precomputed) => on_cache = on_cache.or(Some(call)),
            (Step::Fit(_) | Step::Tta { .. }, _) => return None,
            _ => {}
        }
    }
    on_cache
}

fn precompute_ignores_augment(parts: &Subject, call: &StepCall, lints: &mut Lints) {
    if !augments(parts.transforms) {
        return;
    }
    let train: &[LintAttr] = lints.draft.train.as_ref().map_or(&[], |t| &t.lints);
    let section = lints.section("transforms");
    let set = lints.draft.sections.iter().find(|e| e.key.text == "transforms").map_or(Site::NONE, |e| e.key.site);
    let diagnostic = Diagnostic::error(
        &c::PRECOMPUTE_IGNORES_AUGMENT,
        call.word.site,
        format!("`{}` augments images, but every fit uses cached activations", parts.transforms.set.word()),
    )
    .help("`precompute(off);` and a `fit` on images, or `transforms: none { .. }`")
    .also(set, "the transforms that nothing sees");
    lints.at(&c::PRECOMPUTE_IGNORES_AUGMENT, &[&call.lints, section, train, &lints.draft.lints], diagnostic);
}

/// A border's content where there is no border.
fn pad_mode_without_pad(transforms: &Transforms, lints: &mut Lints) {
    let Some(section) = lints.draft.sections.iter().find(|e| e.key.text == "transforms") else { return };
    let ValueKind::Block(_, keys) = &section.value.kind else { return };
    let Some(entry) = keys.iter().find(|e| e.key.text == "pad_mode") else { return };
    // The value of a constant is unknown.
    if transforms.pad > 0 || lints.has_constant("transforms", &["pad"]) {
        return;
    }
    let text = "`pad_mode` says what a border shows, and `pad` makes none".to_string();
    // That crop has no border.
    let help = match transforms.crop {
        Crop::Googlenet => "remove `pad_mode`",
        _ => "`pad: 4` beside it, or remove `pad_mode`",
    };
    let diagnostic = Diagnostic::error(&c::NO_EFFECT, entry.key.site, text).help(help);
    of_section(&c::NO_EFFECT, "transforms", diagnostic, lints.draft, lints.out);
}

fn stats_of_other_weights(parts: &Subject, lints: &mut Lints) {
    let facts = parts.model.facts();
    let wanted = parts.transforms.stats(facts.stats);
    let given = matches!(parts.transforms.stats, StatsWish::Given { .. });
    match parts.model.weights {
        Weights::None => return,
        // The user's own weights, with their own statistics.
        Weights::File(_) if given => return,
        _ if wanted.is_near(&facts.stats) => return,
        _ => {}
    }
    let Some(entry) = lints.draft.sections.iter().find(|e| e.key.text == "transforms") else { return };
    let site = match &entry.value.kind {
        ValueKind::Block(_, keys) => keys.iter().find(|e| e.key.text == "stats").map(|e| e.value.site),
        _ => None,
    };
    let Stats { mean: [r, g, b], std: [x, y, z] } = facts.stats;
    let diagnostic = Diagnostic::error(
        &c::STATS_OF_OTHER_WEIGHTS,
        site.unwrap_or(entry.key.site),
        format!("the weights of `{}` were trained on pixels with other statistics", facts.name),
    )
    .help("remove `stats`: those of the weights are taken")
    .note(format!("mean {r:.3}, {g:.3}, {b:.3}; standard deviation {x:.3}, {y:.3}, {z:.3}"));
    of_section(&c::STATS_OF_OTHER_WEIGHTS, "transforms", diagnostic, lints.draft, lints.out);
}

/// Checks for copies that are smaller than the largest random zoom. Copies smaller than the image size itself are an error.
fn enlarged_copies(parts: &Subject, steps: &[(&Step, &StepCall)], lints: &mut Lints) {
    let Some((side, site)) = parts.copies else { return };
    // The value of a constant is unknown.
    let resized = steps.iter().filter(|(step, _)| matches!(step, Step::Resize { .. }));
    if lints.has_constant("transforms", &["size", "max_zoom"])
        || resized.flat_map(|(_, call)| &call.args).any(|a| a.value.has_constant())
    {
        return;
    }
    let size = largest_size(parts.transforms.size, parts.steps);
    let zoom = parts.transforms.max_zoom[1];
    let needed = (f64::from(size) * zoom).ceil() as u32;
    if side >= needed {
        return;
    }
    let text = format!("copies of {side} pixels are enlarged: the zoom makes images of up to {needed}");
    let diagnostic = Diagnostic::error(&c::ENLARGED_COPIES, site, text)
        .help(format!("`resize_to: {needed}` or more"))
        .note(format!("{size} pixels times `max_zoom: {zoom}`"));
    of_section(&c::ENLARGED_COPIES, "data", diagnostic, lints.draft, lints.out);
}

/// A sampler and a loss that each compensate for rare classes.
fn balanced_twice(parts: &Subject, lints: &mut Lints) {
    let (Some(sampler), Some(ClassWeights::Balanced)) = (parts.balanced, &parts.options.class_weights) else { return };
    let Some(entry) = lints.draft.sections.iter().find(|e| e.key.text == "class_weights") else { return };
    let text = "rare classes are shown more often and weigh more: they count twice over".to_string();
    let diagnostic = Diagnostic::error(&c::BALANCED_TWICE, entry.value.site, text)
        .help("remove `class_weights`, or `sampler: balanced` in `data`")
        .also(sampler, "shown more often here");
    of_section(&c::BALANCED_TWICE, "class_weights", diagnostic, lints.draft, lints.out);
}

/// Checks for `mixup` and `cutmix` in recipes whose fits read no images.
fn precompute_ignores_mixing(options: &Options, call: &StepCall, lints: &mut Lints) {
    let train: &[LintAttr] = lints.draft.train.as_ref().map_or(&[], |t| &t.lints);
    for (name, alpha) in [("mixup", options.mixup), ("cutmix", options.cutmix)] {
        if alpha.is_none_or(|alpha| alpha == 0.0) {
            continue;
        }
        let section = lints.section(name);
        let entry = lints.draft.sections.iter().find(|e| e.key.text == name);
        if entry.is_some_and(|e| e.value.has_constant()) {
            // The constant may be 0.
            continue;
        }
        let site = entry.map_or(call.word.site, |e| e.key.site);
        let diagnostic = Diagnostic::error(
            &c::PRECOMPUTE_IGNORES_MIXING,
            site,
            format!("`{name}` mixes images, but every fit uses cached activations"),
        )
        .help(format!("`precompute(off);` and a `fit` on images, or remove `{name}`"))
        .also(call.word.site, "the first fit that sees none");
        lints.at(&c::PRECOMPUTE_IGNORES_MIXING, &[section, &call.lints, train, &lints.draft.lints], diagnostic);
    }
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
                lints.fire(&c::UNTRAINED_HEAD, &call.lints, call.word.site, text, "`fit(1e-2, 1);` before it");
                (trained, made) = (true, None);
            }
            _ => {}
        }
    }
    if let Some(call) = made {
        let text = "nothing trains this new head".to_string();
        lints.fire(&c::UNTRAINED_HEAD, &call.lints, call.word.site, text, "`fit(1e-2, 1);` after it");
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
            let text = "the head has trained, so this search may suggest nothing".to_string();
            lints.fire(&c::FINDER_WITHOUT_OR, &call.lints, call.word.site, text, "`lr_find(or = 1e-3)`");
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

fn walk(parts: &Subject, steps: &[(&Step, &StepCall)], lints: &mut Lints) {
    let facts = parts.model.facts();
    let mut state = State::of(parts.model, parts.transforms.size, parts.batch);
    let (mut head_trained, mut searched) = (false, false);
    for (i, (step, call)) in steps.iter().enumerate() {
        let site = call.word.site;
        let next = state.after(step, facts.groups());
        match step {
            Step::Unfreeze | Step::FreezeTo { .. }
                if !head_trained && next.body == BodyState::Unfrozen && parts.model.weights != Weights::None =>
            {
                let text = format!("`{}` before the new head has trained", step.word());
                lints.fire(&c::UNFREEZE_BEFORE_HEAD, &call.lints, site, text, "`fit(1e-2, 1);` before it");
            }
            Step::Precompute { on } if *on == (state.body == BodyState::Precomputed) => {
                let text = format!("`precompute` is {} already", switch(*on));
                lints.fire(&c::NO_EFFECT, &call.lints, site, text, &format!("remove `{step};`"));
            }
            Step::BnFreeze { .. } if state.body == BodyState::Precomputed || !facts.has_batch_norm() => {
                let text = if facts.has_batch_norm() {
                    "`bn_freeze` does nothing while activations are precomputed".to_string()
                } else {
                    format!("`{}` has no batch norm in its body", facts.name)
                };
                lints.fire(&c::NO_EFFECT, &call.lints, site, text, &format!("remove `{step};`"));
            }
            Step::Unfreeze | Step::Freeze | Step::FreezeTo { .. } | Step::BnFreeze { .. } if last(&steps[i + 1..]) => {
                let text = format!("nothing that follows `{}` trains", step.word());
                lints.fire(&c::NO_EFFECT, &call.lints, site, text, "`fit(1e-3, 1);` after it, or remove it");
            }
            Step::Tta { .. } if !augments(parts.transforms) && !lints.has_constant("transforms", &["max_zoom"]) => {
                let text = "`transforms: none` augments nothing: only the crop differs between passes".to_string();
                lints.fire(
                    &c::TTA_WITHOUT_AUGMENT,
                    &call.lints,
                    site,
                    text,
                    "`transforms: side_on { size: 224, max_zoom: 1.1 }`, or remove `tta`",
                );
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
            Step::Resize { .. } if state.body == BodyState::Unfrozen => {
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
        lints.fire(
            &c::RATES_OF_FROZEN_GROUPS,
            &call.lints,
            site,
            "the body is frozen: only the last rate does anything".to_string(),
            match call.args.iter().any(|a| a.name.as_ref().is_some_and(|n| n.text == "layer_decay")) {
                true => "remove `layer_decay`, or `unfreeze();` before it",
                false => "one rate, or `unfreeze();` before it",
            },
        );
    }
    let falls = fit.lrs.windows(2).any(|w| match (w[0].base(), w[1].base()) {
        (Base::Fixed(a), Base::Fixed(b)) => a > b,
        (Base::Found(a), Base::Found(b)) => a == b && factor(w[0]) > factor(w[1]),
        _ => false,
    });
    // The value of a constant is unknown.
    let known = !call.args.iter().any(|a| a.value.has_constant());
    if falls && known {
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
