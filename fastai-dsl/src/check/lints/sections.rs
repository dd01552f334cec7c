//! The lints about sections.

use super::{Lints, Subject};
use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Site};
use crate::draft::{StepCall, ValueKind};
use crate::plan::BodyState;
use crate::recipe::{ClassWeights, Crop, Options, StatsWish, Step, Transforms, Weights, largest_size};
use crate::stats::Stats;

pub(super) fn run(parts: &Subject, steps: &[(&Step, &StepCall)], lints: &mut Lints) {
    if let Some(call) = all_on_cache(parts, steps) {
        precompute_ignores_augment(parts, call, lints);
        precompute_ignores_mixing(parts.options, call, lints);
    }
    pad_mode_without_pad(parts.transforms, lints);
    stats_of_other_weights(parts, lints);
    enlarged_copies(parts, steps, lints);
    balanced_twice(parts, lints);
}

/// Returns the first fit if every fit uses cached activations and no step passes random images to the network.
fn all_on_cache<'d>(parts: &Subject, steps: &[(&Step, &'d StepCall)]) -> Option<&'d StepCall> {
    let mut state = parts.start();
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

/// Checks for random transforms in recipes whose fits read no images.
fn precompute_ignores_augment(parts: &Subject, call: &StepCall, lints: &mut Lints) {
    if !parts.augments() {
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
