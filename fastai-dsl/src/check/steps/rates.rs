//! Checks the learning rates and weight decays of steps, and the finder.

use super::Walk;
use crate::arch::GROUPS;
use crate::bound::Bound;
use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{ValueKind, commas, number};
use crate::plan::BodyState;
use crate::rate::Rate;
use crate::recipe::{LrFind, Step};

/// The learning rates, if their number fits the layer groups.
pub(super) fn rates(bound: &Bound, site: Site, state: &Walk, out: &mut Diagnostics) -> Option<Vec<Rate>> {
    let lrs = bound.read::<Vec<Rate>>("lrs")?;
    let listed = matches!(bound.written("lrs").map(|v| &v.kind), Some(ValueKind::List(_)));
    if bound.given("layer_decay") {
        return decayed(&lrs, listed, bound, site, state, out);
    }
    (!listed || rate_count(&lrs, bound.site("lrs", site), state, out)).then_some(lrs)
}

/// One rate per layer group, from that of the head.
fn decayed(
    lrs: &[Rate],
    listed: bool,
    bound: &Bound,
    site: Site,
    state: &Walk,
    out: &mut Diagnostics,
) -> Option<Vec<Rate>> {
    let (decay, at) = (bound.read::<f64>("layer_decay")?, bound.site("layer_decay", site));
    if listed {
        let text = "`layer_decay` makes the rates of the layer groups from one rate, and there is a list";
        let help = "the last rate of the list alone, or remove `layer_decay`";
        out.error_beside(&c::RATE_COUNT, at, text, help, (bound.site("lrs", site), "the list"));
        return None;
    }
    if state.body == Some(BodyState::Precomputed) {
        let text = "`layer_decay` makes several learning rates, but `precompute` is on: only the head trains";
        let help = "remove it, or `precompute(off);` before it";
        out.error_beside(&c::RATES_PRECOMPUTED, at, text, help, (state.since, "switched on here"));
        return None;
    }
    let head = *lrs.last()?;
    // Rounded here, so that every text of the recipe states the rates that train.
    let rates = (1..GROUPS as i32).rev().map(|from_head| (head * decay.powi(from_head)).rounded());
    Some(rates.chain([head]).collect())
}

/// The weight decays, if their number fits the layer groups; none where all are 0.
pub(super) fn decays(bound: &Bound, site: Site, out: &mut Diagnostics) -> Option<Vec<f64>> {
    let Some(wds) = bound.read::<Vec<f64>>("wds") else { return Some(Vec::new()) };
    if wds.len() > 1 && wds.len() != GROUPS {
        let text = format!("{} weight decays for {GROUPS} layer groups", wds.len());
        let help = format!("give 1 or {GROUPS}: `wds = {}`", number(wds[0]));
        out.error(&c::RATE_COUNT, bound.site("wds", site), text, help);
        return None;
    }
    Some(if wds.iter().any(|w| *w != 0.0) { wds } else { Vec::new() })
}

fn rate_count(lrs: &[Rate], site: Site, state: &Walk, out: &mut Diagnostics) -> bool {
    let n = lrs.len();
    if n == 1 {
        return true;
    }
    if state.body == Some(BodyState::Precomputed) {
        let one = lrs.last().and_then(Rate::fixed).map_or("lr".to_string(), number);
        let text = format!("{n} learning rates, but `precompute` is on: only the head trains");
        let help = format!("one rate: `{one}`; or `precompute(off);` before it");
        out.error_beside(&c::RATES_PRECOMPUTED, site, text, help, (state.since, "switched on here"));
        return false;
    }
    if n == GROUPS {
        return true;
    }
    let mut error = Diagnostic::error(&c::RATE_COUNT, site, format!("{n} learning rates for {GROUPS} layer groups"))
        .help(format!("give 1 or {GROUPS}, earliest layers first: `{}`", spread(lrs)));
    if let Some(facts) = state.context.facts {
        let names: Vec<&str> = facts.body().iter().map(|(n, _)| n.as_str()).chain(["head"]).collect();
        error = error.note(format!("the groups are {}", names.join("; ")));
    }
    out.push(error);
    false
}

/// One rate per group, spaced evenly on a logarithmic scale from the first given rate to the last.
fn spread(lrs: &[Rate]) -> String {
    let ends = lrs.first().and_then(Rate::fixed).zip(lrs.last().and_then(Rate::fixed));
    let Some((first, last)) = ends.filter(|(a, b)| *a > 0.0 && a < b) else {
        return "[lr / 9, lr / 3, lr]".to_string();
    };
    let step = (last / first).powf(1.0 / (GROUPS - 1) as f64);
    let rates = (0..GROUPS).map(|i| first * step.powi(i as i32));
    format!("[{}]", commas(rates.map(|x| format!("{:?}", format!("{x:.2e}").parse::<f64>().unwrap_or(x)))))
}

pub(super) fn lr_find(bound: &Bound, site: Site, state: &mut Walk, out: &mut Diagnostics) -> Option<Step> {
    let index = state.finders;
    state.finders = state.finders.saturating_add(1);
    let (start, end): (f64, f64) = (bound.read("start")?, bound.read("end")?);
    if start >= end && bound.known(&["start", "end"]) {
        let at = bound.site("start", bound.site("end", site));
        let default = |key: &str| bound.construct().default_text(key).unwrap_or_default();
        let mut error =
            Diagnostic::error(&c::EMPTY_SWEEP, at, format!("`start` must be below `end`, got {start} and {end}"))
                .help(format!("`start = {}, end = {}`", default("start"), default("end")));
        if bound.given("start") && bound.given("end") {
            error = error.also(bound.site("end", site), "the sweep ends here");
        }
        out.push(error);
        return None;
    }
    Some(Step::LrFind(LrFind {
        index,
        ratio: ratio(bound, site, state, out)?,
        suggest: bound.read("suggest")?,
        or: bound.read("or"),
        start,
        end,
        iters: bound.read("iters"),
    }))
}

/// The rates of the layer groups as multiples of that of the head; none unless given.
fn ratio(bound: &Bound, site: Site, state: &Walk, out: &mut Diagnostics) -> Option<Vec<f64>> {
    if !bound.given("ratio") {
        return Some(Vec::new());
    }
    let (ratio, at) = (bound.read::<Vec<f64>>("ratio")?, bound.site("ratio", site));
    if matches!(state.body, Some(BodyState::Precomputed | BodyState::Frozen)) {
        let text = "`ratio` gives the layer groups of the body rates of their own, but only the head trains";
        out.error(&c::RATES_PRECOMPUTED, at, text, "remove it, or `unfreeze();` before it");
        return None;
    }
    let usual = || {
        let each = (0..GROUPS).rev().map(|from_head| number(1.0 / 10_f64.powi(from_head as i32)));
        format!("`ratio = [{}]`", commas(each))
    };
    if ratio.len() != GROUPS {
        let text = format!("{} ratios for {GROUPS} layer groups", ratio.len());
        out.error(&c::RATE_COUNT, at, text, format!("one each: {}", usual()));
        return None;
    }
    if ratio.last().is_some_and(|last| *last != 1.0) && bound.known(&["ratio"]) {
        let text = "the last ratio is that of the head, whose rate is the one that is swept and suggested: it is 1";
        out.error(&c::RATE_COUNT, at, text, usual());
        return None;
    }
    Some(ratio)
}
