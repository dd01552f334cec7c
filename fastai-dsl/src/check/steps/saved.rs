//! Checks the models that steps save and load.

use super::Walk;
use crate::bound::Bound;
use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::ValueKind;
use crate::recipe::{HeadSpec, Step, cycle_model};

/// The most models that the cycles of a `fit` save.
const MAX_CYCLE_MODELS: u32 = 1000;

/// A model written by `save`.
pub(super) struct Saved {
    name: String,
    site: Site,
    head: Option<HeadSpec>,
}

pub(super) fn save(bound: &Bound, site: Site, state: &mut Walk, out: &mut Diagnostics) -> Option<Step> {
    let Some(name) = saved_name(bound, "name", site, out) else {
        state.saved_something = true;
        return None;
    };
    saves(&name, bound.site("name", site), state, out);
    Some(Step::Save { name })
}

/// Records a model that is saved under `name`.
fn saves(name: &str, at: Site, state: &mut Walk, out: &mut Diagnostics) {
    let same_file = |saved: &&Saved| saved.name == name || saved.name.to_lowercase() == name.to_lowercase();
    if let Some(first) = state.saved.iter().find(same_file) {
        let looped = first.site == at && at != Site::NONE;
        let help = if looped {
            "put the loop's name into the string: `save(\"{size}\")`".to_string()
        } else {
            format!("another name: `save({:?})`", format!("{name}_2"))
        };
        let what = match first.name == name {
            true => format!("{name:?} is saved twice"),
            false => format!("{name:?} and {:?} are one file where case does not count", first.name),
        };
        let mut error = Diagnostic::error(&c::SAVED_TWICE, at, what).help(help);
        if !looped {
            error = error.also(first.site, "first saved here");
        }
        out.push(error);
    }
    state.saved.push(Saved { name: name.to_string(), site: at, head: state.head.clone() });
}

/// The name of the models that a `fit` saves after its cycles, which are then known; `None` if it is wrong.
pub(super) fn cycle_saves(
    bound: &Bound,
    site: Site,
    state: &mut Walk,
    out: &mut Diagnostics,
) -> Option<Option<String>> {
    if !bound.given("cycle_save_name") {
        return Some(None);
    }
    let at = bound.site("cycle_save_name", site);
    if !bound.given("cycle_len") {
        let text = "`cycle_save_name` needs `cycle_len`: without it there are no cycles";
        out.error(&c::SCHEDULE_KEY, at, text, "`cycle_len = 1`");
    }
    let (Some(name), Some(cycles)) = (saved_name(bound, "cycle_save_name", site, out), bound.read::<u32>("cycles"))
    else {
        state.saved_something = true;
        return None;
    };
    if cycles > MAX_CYCLE_MODELS {
        let text = format!("{cycles} cycles would save as many models");
        let help = format!("at most {MAX_CYCLE_MODELS} cycles, or a `save` step after the `fit`");
        out.error(&c::OUT_OF_RANGE, at, text, help);
        return None;
    }
    if !bound.known(&["cycles"]) {
        // A constant decides how many there are.
        state.saved_something = true;
        return Some(Some(name));
    }
    for cycle in 0..u64::from(cycles) {
        saves(&cycle_model(&name, cycle), at, state, out);
    }
    bound.given("cycle_len").then_some(Some(name))
}

pub(super) fn load(bound: &Bound, site: Site, state: &mut Walk, out: &mut Diagnostics) -> Option<Step> {
    let name = saved_name(bound, "name", site, out)?;
    loads("load", &name, bound.site("name", site), state, out);
    Some(Step::Load { name })
}

/// Checks that a step before `step` saves the model `name`, with the head of now.
fn loads(step: &str, name: &str, at: Site, state: &Walk, out: &mut Diagnostics) {
    match state.saved.iter().rfind(|s| s.name == name) {
        None if !state.saved_something => {
            let names: Vec<&str> = state.saved.iter().map(|s| s.name.as_str()).collect();
            let help = match crate::suggest::closest(name, names.iter().copied()) {
                Some(n) if step == "load" => format!("did you mean `load({n:?})`?"),
                Some(n) => format!("did you mean `{n:?}`?"),
                None => format!("`save({name:?});` before it"),
            };
            out.error(&c::NEVER_SAVED, at, format!("nothing before this step saves {name:?}"), help);
        }
        Some(Saved { head: Some(then), site: saved, .. }) if state.head.as_ref().is_some_and(|now| now != then) => {
            let text = format!("{name:?} was saved with another head");
            let help =
                format!("the same head before it: `head(dropout = {:?}, hidden = {:?});`", then.dropout, then.hidden);
            out.error_beside(&c::LOAD_HEAD, at, text, help, (*saved, "saved here"));
        }
        _ => {}
    }
}

pub(super) fn average(bound: &Bound, site: Site, state: &Walk, out: &mut Diagnostics) -> Option<Step> {
    let names = bound.read::<Vec<String>>("names")?;
    let list = bound.site("names", site);
    let sites: Vec<Site> = match bound.written("names").map(|value| &value.kind) {
        Some(ValueKind::List(items)) => items.iter().map(|item| item.site).collect(),
        _ => vec![list],
    };
    let mut good = true;
    for (number, (name, at)) in names.iter().zip(&sites).enumerate() {
        if let Some(first) = names[..number].iter().position(|other| other == name) {
            let text = format!("{name:?} is averaged twice");
            let help = format!("another model beside it: `save({:?});` before it", format!("{name}_2"));
            out.error_beside(&c::TWICE, *at, text, help, (sites[first], "first named here"));
            good = false;
        } else {
            loads("average", name, *at, state, out);
        }
    }
    if names.len() < 2 && good {
        let more = names.first().map_or("a".to_string(), |name| format!("{name}_2"));
        let help = format!("another model beside it: `save({more:?});` before it");
        out.error(&c::WRONG_TYPE, list, "`average` takes at least two models", help);
        good = false;
    }
    good.then_some(Step::Average { names })
}

/// Whether Windows takes the name, with any ending, for a device.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbered =
        |prefix: &str| stem.strip_prefix(prefix).is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit());
    matches!(stem.as_str(), "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
}

fn saved_name(bound: &Bound, key: &str, site: Site, out: &mut Diagnostics) -> Option<String> {
    let name = bound.text(key)?;
    let reason = match name {
        "" => "is empty",
        "tmp" | "final" | "interrupted" => "is reserved",
        _ if name.starts_with('.') => "begins with a dot",
        _ if !name.chars().all(|ch| ch.is_alphanumeric() || "-_. +".contains(ch)) => "holds a character no file should",
        _ if name.len() > 100 => "is longer than 100 bytes",
        _ if name.ends_with(['.', ' ']) => "ends with a dot or a space, which Windows leaves out",
        _ if is_device(name) => "is a device on Windows",
        _ => return Some(name.to_string()),
    };
    let good: String = name.chars().map(|ch| if ch.is_alphanumeric() { ch } else { '_' }).collect();
    let good = if good == name || good.trim_matches('_').is_empty() { "224_all".to_string() } else { good };
    let help = format!("letters, digits, `-`, `_`: `{good:?}`");
    out.error(&c::SAVE_NAME, bound.site(key, site), format!("the name {name:?} {reason}"), help);
    None
}
