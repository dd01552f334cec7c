//! Lints: findings about recipes that run, but probably not as intended.

use super::level;
use crate::catalog::{self as c, Code, LINTS};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Site};
use crate::draft::{Draft, LintAttr, LintLevel, Name, StepCall, Stmt, Value, ValueKind};
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
            let help = did_you_mean(&attr.name.text, LINTS.iter().map(|l| l.id));
            out.error(&c::UNKNOWN_LINT, attr.name.site, format!("there is no lint `{}`", attr.name.text), help);
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
    fn fire(&mut self, lint: &'static Code, call: &StepCall, message: impl Into<String>, help: &str) {
        self.in_train(&call.lints, Diagnostic::error(lint, call.word.site, message).help(help));
    }

    /// Reports a lint in a step of `train` with these attributes.
    fn in_train(&mut self, step: &[LintAttr], diagnostic: Diagnostic) {
        self.at(&[step, self.train(), &self.draft.lints], diagnostic);
    }

    /// Reports a lint at a place with these attributes, innermost first.
    fn at(&mut self, attrs: &[&[LintAttr]], mut diagnostic: Diagnostic) {
        diagnostic.severity = match level(diagnostic.code, attrs) {
            LintLevel::Allow => return,
            LintLevel::Warn => Severity::Warning,
            LintLevel::Deny => Severity::Error,
        };
        // The lints see a loop's step in every round.
        if !self.out.has(diagnostic.code, diagnostic.site) {
            self.out.push(diagnostic);
        }
    }

    /// Reports a lint about a section.
    fn at_section(&mut self, section: &str, diagnostic: Diagnostic) {
        self.at(&[self.section(section), &self.draft.lints], diagnostic);
    }

    /// Whether one of these keys of a section is a Rust constant, whose value is unknown here.
    fn has_constant(&self, section: &str, keys: &[&str]) -> bool {
        let section = self.draft.section(section);
        let Some(ValueKind::Block(_, entries)) = section.map(|e| &e.value.kind) else { return false };
        entries.iter().any(|e| keys.contains(&e.key.text.as_str()) && e.value.has_constant())
    }

    /// The attributes of a section.
    fn section(&self, name: &str) -> &'a [LintAttr] {
        self.draft.section(name).map_or(&[], |e| &e.lints)
    }

    /// The attributes of `train`.
    fn train(&self) -> &'a [LintAttr] {
        self.draft.train.as_ref().map_or(&[], |t| &t.lints)
    }
}

pub(super) fn run(parts: &Subject, flat: &Draft, draft: &Draft, unused: &[Name], out: &mut Diagnostics) {
    let calls: Vec<&StepCall> = flat.train.iter().flat_map(|t| &t.body).filter_map(as_call).collect();
    let mut lints = Lints { draft, out };
    for binding in unused {
        // A statement that must change anyhow.
        if lints.out.iter().any(|d| d.site == binding.site) {
            continue;
        }
        let error = Diagnostic::error(&c::UNUSED_LET, binding.site, format!("`{}` is never read", binding.text));
        lints.in_train(&[], error.help(format!("remove it, or call it `_{}`", binding.text)));
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
    let Some(ValueKind::Block(word, entries)) = draft.section("data").map(|e| &e.value.kind) else { return };
    if word.text == "csv" && !entries.iter().any(|e| e.key.text == "valid" || e.key.text.is_empty()) {
        let diagnostic = Diagnostic::error(&c::DEFAULT_VALID, word.site, "a random fifth of the images is held out")
            .help("say so: `valid: random(0.2, seed = 42)`");
        of_section("data", diagnostic, draft, out);
    }
}

/// Reports a finding about a section at the lint's level for that section.
pub(crate) fn of_section(section: &str, diagnostic: Diagnostic, draft: &Draft, out: &mut Diagnostics) {
    Lints { draft, out }.at_section(section, diagnostic);
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
    let set = lints.draft.section("transforms").map_or(Site::NONE, |e| e.key.site);
    let text = format!("`{}` augments images, but every fit uses cached activations", parts.transforms.set.word());
    let diagnostic = Diagnostic::error(&c::PRECOMPUTE_IGNORES_AUGMENT, call.word.site, text)
        .help("`precompute(off);` and a `fit` on images, or `transforms: none { .. }`")
        .also(set, "the transforms that nothing sees");
    lints.at(&[&call.lints, lints.section("transforms"), lints.train(), &lints.draft.lints], diagnostic);
}

/// A border's content where there is no border.
fn pad_mode_without_pad(transforms: &Transforms, lints: &mut Lints) {
    let section = lints.draft.section("transforms");
    let Some(ValueKind::Block(_, keys)) = section.map(|e| &e.value.kind) else { return };
    let Some(entry) = keys.iter().find(|e| e.key.text == "pad_mode") else { return };
    // The value of a constant is unknown.
    if transforms.pad > 0 || lints.has_constant("transforms", &["pad"]) {
        return;
    }
    let text = "`pad_mode` says what a border shows, and `pad` makes none";
    // That crop has no border.
    let help = match transforms.crop {
        Crop::Googlenet => "remove `pad_mode`",
        _ => "`pad: 4` beside it, or remove `pad_mode`",
    };
    lints.at_section("transforms", Diagnostic::error(&c::NO_EFFECT, entry.key.site, text).help(help));
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
    let Some(entry) = lints.draft.section("transforms") else { return };
    let site = entry.value.entry("stats").map_or(entry.key.site, |stats| stats.site);
    let Stats { mean: [r, g, b], std: [x, y, z] } = facts.stats;
    let text = format!("the weights of `{}` were trained on pixels with other statistics", facts.name);
    let diagnostic = Diagnostic::error(&c::STATS_OF_OTHER_WEIGHTS, site, text)
        .help("remove `stats`: those of the weights are taken")
        .note(format!("mean {r:.3}, {g:.3}, {b:.3}; standard deviation {x:.3}, {y:.3}, {z:.3}"));
    lints.at_section("transforms", diagnostic);
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
    lints.at_section("data", diagnostic);
}

/// A sampler and a loss that each compensate for rare classes.
fn balanced_twice(parts: &Subject, lints: &mut Lints) {
    let (Some(sampler), Some(ClassWeights::Balanced)) = (parts.balanced, &parts.options.class_weights) else { return };
    let Some(entry) = lints.draft.section("class_weights") else { return };
    let text = "rare classes are shown more often and weigh more: they count twice over";
    let diagnostic = Diagnostic::error(&c::BALANCED_TWICE, entry.value.site, text)
        .help("remove `class_weights`, or `sampler: balanced` in `data`")
        .also(sampler, "shown more often here");
    lints.at_section("class_weights", diagnostic);
}

/// Checks for `mixup` and `cutmix` in recipes whose fits read no images.
fn precompute_ignores_mixing(options: &Options, call: &StepCall, lints: &mut Lints) {
    for (name, alpha) in [("mixup", options.mixup), ("cutmix", options.cutmix)] {
        if alpha.is_none_or(|alpha| alpha == 0.0) {
            continue;
        }
        let entry = lints.draft.section(name);
        if entry.is_some_and(|e| e.value.has_constant()) {
            // The constant may be 0.
            continue;
        }
        let site = entry.map_or(call.word.site, |e| e.key.site);
        let text = format!("`{name}` mixes images, but every fit uses cached activations");
        let diagnostic = Diagnostic::error(&c::PRECOMPUTE_IGNORES_MIXING, site, text)
            .help(format!("`precompute(off);` and a `fit` on images, or remove `{name}`"))
            .also(call.word.site, "the first fit that sees none");
        lints.at(&[lints.section(name), &call.lints, lints.train(), &lints.draft.lints], diagnostic);
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
    let mut state = State::of(parts.model, parts.transforms.size, parts.batch);
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
            Step::Tta { .. } if !augments(parts.transforms) && !lints.has_constant("transforms", &["max_zoom"]) => {
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
