//! The steps of `train`: each against its description, then the states they lead through.

use super::bind::{self, Bound};
use super::model;
use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Draft, StepCall, Stmt, ValueKind};
use crate::plan::Body;
use crate::recipe::{Anneal, Fit, LrFind, Model, Step, Suggest, Weights};
use crate::schema::STEPS;
use crate::suggest::did_you_mean;

/// What the steps need to know of the other sections; `None` where those are broken.
pub(super) struct Context<'a> {
    pub(super) model: Option<&'a Model>,
    pub(super) has_valid: Option<bool>,
}

/// What holds between two steps, as far as legality goes.
struct State<'a> {
    body: Body,
    groups: usize,
    context: &'a Context<'a>,
    saved: Vec<(String, Site)>,
    finders: u16,
}

pub(super) fn steps(flat: &Draft, context: &Context, out: &mut Diagnostics) -> Option<(Vec<Step>, Vec<Site>)> {
    let Some(train) = &flat.train else {
        if flat.sections.iter().any(|e| e.key.text.is_empty()) {
            return None;
        }
        out.push(
            Diagnostic::error(
                &c::MISSING_SECTION,
                flat.name.site,
                format!("`{}` has no section `train`", flat.name.text),
            )
            .help("`train: { fit(1e-2, 3); },`"),
        );
        return None;
    };
    if train.body.is_empty() {
        if train.broken {
            return None;
        }
        out.push(
            Diagnostic::error(&c::NO_STEPS, train.key.site, "`train` holds no step").help("`train: { fit(1e-2, 3); }`"),
        );
        return None;
    }
    let random = context.model.is_some_and(|m| m.weights == Weights::None);
    let mut state = State {
        body: if random { Body::Unfrozen } else { Body::Frozen },
        groups: context.model.map_or(3, |m| m.facts().groups),
        context,
        saved: Vec::new(),
        finders: 0,
    };
    let mut steps = Vec::new();
    let mut trace = Vec::new();
    let mut whole = true;
    for stmt in &train.body {
        let Stmt::Step(call) = stmt else { continue };
        let mut found = Diagnostics::default();
        let step = step(call, &mut state, &mut found);
        for mut diagnostic in found.iter().cloned() {
            // A loop's body is checked once a round: the first round that fails is named.
            if !call.rounds.is_empty() && diagnostic.note.is_none() {
                diagnostic.note = Some(format!("when {}", call.rounds.join(", ")));
            }
            out.push(diagnostic);
        }
        match step {
            Some(step) => {
                steps.push(step);
                trace.push(call.word.site);
            }
            None => whole = false,
        }
    }
    whole.then_some((steps, trace))
}

fn step(call: &StepCall, state: &mut State, out: &mut Diagnostics) -> Option<Step> {
    let word = call.word.text.as_str();
    let Some(construct) = STEPS.iter().find(|s| s.name == word) else {
        out.push(
            Diagnostic::error(&c::UNKNOWN_STEP, call.word.site, format!("unknown step `{word}`")).help(step_help(word)),
        );
        return None;
    };
    let bound = bind::args(construct, &call.word, call.word.site, &call.args, out);
    let site = call.word.site;
    match word {
        "precompute" => precompute(bound.switch("state"), site, state, out),
        "unfreeze" => unfreeze(Step::Unfreeze, site, state, out),
        "freeze" => {
            if state.body == Body::Unfrozen {
                state.body = Body::Frozen;
            }
            Some(Step::Freeze)
        }
        "freeze_to" => freeze_to(&bound, site, state, out),
        "bn_freeze" => Some(Step::BnFreeze { on: bound.switch("state")? }),
        "fit" => fit(&bound, site, state, out),
        "lr_find" => lr_find(&bound, site, state, out),
        "head" => model::head(&bound, site, out).map(Step::Head),
        "resize" => {
            let size = bound.count("size")?;
            if let Some(m) = state.context.model {
                model::size_fits(size, m.facts(), bound.site("size", site), out);
            }
            Some(Step::Resize { size })
        }
        "tta" => tta(&bound, site, state, out),
        "save" => {
            let name = saved_name(&bound, site, out)?;
            let at = bound.site("name", site);
            if let Some((_, first)) = state.saved.iter().find(|(n, _)| *n == name) {
                out.push(
                    Diagnostic::error(&c::SAVED_TWICE, at, format!("{name:?} is saved twice"))
                        .help("another name; in a loop put its name into the text: `save(\"{size}\")`")
                        .also(*first, "first saved here"),
                );
            }
            state.saved.push((name.clone(), at));
            Some(Step::Save { name })
        }
        _ => {
            let name = saved_name(&bound, site, out)?;
            if !state.saved.iter().any(|(n, _)| *n == name) {
                let names: Vec<&str> = state.saved.iter().map(|(n, _)| n.as_str()).collect();
                let help = match crate::suggest::closest(&name, names.iter().copied()) {
                    Some(n) => format!("did you mean {n:?}?"),
                    None => format!("`save({name:?});` before it"),
                };
                out.push(
                    Diagnostic::error(
                        &c::NEVER_SAVED,
                        bound.site("name", site),
                        format!("nothing before this step saves {name:?}"),
                    )
                    .help(help),
                );
            }
            Some(Step::Load { name })
        }
    }
}

fn step_help(word: &str) -> String {
    match word {
        "learn" | "ConvLearner" => "steps stand alone: `fit(1e-2, 3);`".to_string(),
        "set_data" => "`resize(299);` changes the image size".to_string(),
        "TTA" => "`tta();`".to_string(),
        "train" => "`fit(1e-2, 3);`".to_string(),
        "predict" | "accuracy" | "plot" => {
            "predictions, metrics and plots are made without a step; see the run folder".to_string()
        }
        _ => did_you_mean(word, STEPS.iter().map(|s| s.name)),
    }
}

fn precompute(on: Option<bool>, site: Site, state: &mut State, out: &mut Diagnostics) -> Option<Step> {
    let on = on?;
    match (on, state.body) {
        (true, Body::Unfrozen) => {
            let random = state.context.model.is_some_and(|m| m.weights == Weights::None);
            let error = if random {
                Diagnostic::error(&c::PRECOMPUTE_RANDOM, site, "activations of a random body are of no use")
                    .help("remove this step, or give the model `weights`")
            } else {
                Diagnostic::error(&c::PRECOMPUTE_UNFROZEN, site, "the body trains, so its activations will change")
                    .help("freeze it first: `freeze();`")
            };
            out.push(error);
            state.body = Body::Precomputed;
        }
        (true, _) => state.body = Body::Precomputed,
        (false, Body::Precomputed) => state.body = Body::Frozen,
        (false, _) => {}
    }
    Some(Step::Precompute { on })
}

fn unfreeze(step: Step, site: Site, state: &mut State, out: &mut Diagnostics) -> Option<Step> {
    if state.body == Body::Precomputed {
        out.push(
            Diagnostic::error(
                &c::UNFREEZE_PRECOMPUTED,
                site,
                format!("`{}` needs images, but `precompute` is on", step.word()),
            )
            .help("`precompute(off);` before it"),
        );
    }
    state.body = Body::Unfrozen;
    Some(step)
}

fn freeze_to(bound: &Bound, site: Site, state: &mut State, out: &mut Diagnostics) -> Option<Step> {
    let group = bound.number("group")? as i32;
    let groups = state.groups as i32;
    if group < -groups || group >= groups {
        out.push(
            Diagnostic::error(
                &c::NO_GROUP,
                bound.site("group", site),
                format!("there is no layer group {group}: the network has {groups}"),
            )
            .help(format!("0 to {}, or -1 for the last", groups - 1)),
        );
        return None;
    }
    unfreeze(Step::FreezeTo { group }, site, state, out)
}

fn fit(bound: &Bound, site: Site, state: &State, out: &mut Diagnostics) -> Option<Step> {
    if bound.get("cycle_len").is_none() {
        if bound.get("cycle_mult").is_some() {
            out.push(
                Diagnostic::error(
                    &c::MULT_WITHOUT_LEN,
                    bound.site("cycle_mult", site),
                    "`cycle_mult` needs `cycle_len`: without it there are no cycles that could grow",
                )
                .help("`cycle_len = 1`"),
            );
        }
        if bound.get("anneal").is_some() {
            out.push(
                Diagnostic::error(
                    &c::ANNEAL_WITHOUT_LEN,
                    bound.site("anneal", site),
                    "`anneal` needs `cycle_len`: without it the rate is constant",
                )
                .help("`cycle_len = 1`"),
            );
        }
    }
    let is_list = matches!(bound.get("lrs").map(|v| &v.kind), Some(ValueKind::List(_)));
    let lrs = bound.rates("lrs")?;
    if is_list {
        rate_count(&lrs, bound.site("lrs", site), state, out)?;
    }
    let wds = bound.numbers("wds").unwrap_or_default();
    if wds.len() > 1 && wds.len() != state.groups {
        out.push(
            Diagnostic::error(
                &c::RATE_COUNT,
                bound.site("wds", site),
                format!("{} weight decays for {} layer groups", wds.len(), state.groups),
            )
            .help(format!("give 1 or {}", state.groups)),
        );
    }
    Some(Step::Fit(Fit {
        lrs,
        cycles: bound.count("cycles")?,
        cycle_len: bound.count("cycle_len"),
        cycle_mult: bound.count("cycle_mult").unwrap_or(1),
        wds: if wds.iter().all(|w| *w == 0.0) { Vec::new() } else { wds },
        anneal: if bound.word("anneal") == Some("linear") { Anneal::Linear } else { Anneal::Cosine },
    }))
}

fn rate_count(lrs: &[crate::rate::Rate], site: Site, state: &State, out: &mut Diagnostics) -> Option<()> {
    let (n, groups) = (lrs.len(), state.groups);
    if n == 1 || (n == groups && state.body != Body::Precomputed) {
        return Some(());
    }
    let error = if state.body == Body::Precomputed {
        Diagnostic::error(
            &c::RATES_PRECOMPUTED,
            site,
            format!("{n} learning rates, but `precompute` is on: only the head trains"),
        )
        .help("one rate, or `precompute(off);` before it")
    } else {
        let names: Vec<String> = match state.context.model {
            Some(m) => m.facts().body.iter().map(|(n, _)| (*n).to_string()).chain(["head".to_string()]).collect(),
            None => Vec::new(),
        };
        let error = Diagnostic::error(&c::RATE_COUNT, site, format!("{n} learning rates for {groups} layer groups"))
            .help(format!("give 1 or {groups}, earliest layers first: `[lr / 9, lr / 3, lr]`"));
        if names.is_empty() { error } else { error.note(format!("the groups are {}", names.join("; "))) }
    };
    out.push(error);
    None
}

fn lr_find(bound: &Bound, site: Site, state: &mut State, out: &mut Diagnostics) -> Option<Step> {
    let start = bound.number("start").unwrap_or(1e-5);
    let end = bound.number("end").unwrap_or(10.0);
    let index = state.finders;
    state.finders = state.finders.saturating_add(1);
    if start >= end {
        let at = bound.site("start", bound.site("end", site));
        out.push(
            Diagnostic::error(&c::EMPTY_SWEEP, at, format!("`start` must be below `end`, got {start} and {end}"))
                .help("`start = 1e-5, end = 10`"),
        );
        return None;
    }
    Some(Step::LrFind(LrFind {
        index,
        suggest: match bound.word("suggest") {
            Some("steep") => Suggest::Steep,
            Some("minimum") => Suggest::Minimum,
            _ => Suggest::Valley,
        },
        or: bound.number("or"),
        start,
        end,
        iters: bound.count("iters"),
    }))
}

fn tta(bound: &Bound, site: Site, state: &mut State, out: &mut Diagnostics) -> Option<Step> {
    if state.body == Body::Precomputed {
        out.push(
            Diagnostic::error(&c::TTA_PRECOMPUTED, site, "`tta` needs images, but `precompute` is on")
                .help("`precompute(off);` before it"),
        );
        // Said once; what follows is checked as if it had been done.
        state.body = Body::Frozen;
    }
    if state.context.has_valid == Some(false) {
        out.push(
            Diagnostic::error(&c::NEEDS_VALIDATION, site, "`tta` measures on validation images, and there are none")
                .help("hold some out: `valid: random(0.2)`, or remove `tta`"),
        );
    }
    Some(Step::Tta { n_aug: bound.count("n_aug").unwrap_or(4) })
}

fn saved_name(bound: &Bound, site: Site, out: &mut Diagnostics) -> Option<String> {
    let name = bound.text("name")?;
    let reason = match name {
        "" => "is empty",
        "tmp" | "final" | "interrupted" => "is reserved",
        _ if name.starts_with('.') => "begins with a dot",
        _ if !name.chars().all(|ch| ch.is_alphanumeric() || "-_. +".contains(ch)) => "holds a character no file should",
        _ if name.len() > 100 => "is longer than 100 bytes",
        _ => return Some(name.to_string()),
    };
    let good: String = name.chars().map(|ch| if ch.is_alphanumeric() { ch } else { '_' }).collect();
    let good = if good == name || good.trim_matches('_').is_empty() { "224_all".to_string() } else { good };
    out.push(
        Diagnostic::error(&c::SAVE_NAME, bound.site("name", site), format!("the name {name:?} {reason}"))
            .help(format!("`{good:?}`: letters, digits, `-`, `_`")),
    );
    None
}
