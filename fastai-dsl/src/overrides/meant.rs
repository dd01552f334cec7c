//! What an override that fits nothing means.

use super::{Override, Slot, bindings, construct, settable};
use crate::draft::{Draft, Value, ValueKind};
use crate::habits;
use crate::help;
use crate::legal::is_legal;
use crate::schema::{Key, SECTIONS, STEPS, Section, Type, choices, chosen};
use crate::suggest::{closest, did_you_mean, is_same, list};
use crate::syntax::parse_value;

/// The help for a key of a section that the recipe does not have.
pub(super) fn key(draft: &Draft, o: &Override, section: &str, key: &str) -> String {
    let meant = help::meant_section(section);
    if meant == Some("train") || is_step(section) {
        return of_steps(draft);
    }
    if let (Some(absent), None) = (SECTIONS.iter().find(|s| s.name == section), draft.section(section)) {
        let whole = with_key(absent, key, o).unwrap_or_else(|| format!("{section}={}", absent.example_value()));
        return format!("the recipe has no `{section}`; `{} '{whole}'` adds it", o.option);
    }
    let there = meant.and_then(|name| Some((name, construct(draft.section(name)?)?)));
    if let Some((name, construct)) = there
        && let Some(at) = help::meant(construct, key)
    {
        return format!("did you mean `{name}.{}`?", construct.keys[at].name);
    }
    elsewhere(draft, key).unwrap_or_else(|| did_you_mean(section, settable()))
}

/// What sets an optional section that the recipe lacks to a construct with this key: `optimizer=sgd { momentum: 0.5 }`; `None` if
/// none is known to fit.
fn with_key(absent: &Section, key: &str, o: &Override) -> Option<String> {
    let name = absent.name;
    // Which loss is legal, and with which keys, depends on the task.
    if absent.required || name == "loss" {
        return None;
    }
    // The construct of the example comes first, where it has the key.
    let usual = chosen(name, absent.example_value());
    let mut constructs = usual.into_iter().chain(choices(name).iter().copied());
    let (construct, at) = constructs.find_map(|construct| Some((construct, help::meant(construct, key)?)))?;
    let given = o.value.as_deref().and_then(parse_value);
    let written = construct.keys.iter().enumerate().filter(|(i, key)| *i == at || key.required).map(|(i, key)| {
        let fits = |value: &&Value| i == at && is_legal(construct, key, value) && has_length(key, value);
        let legal = given.as_ref().filter(fits);
        (key.name, legal.map_or_else(|| key.instance(), ToString::to_string))
    });
    Some(format!("{name}={}", construct.with_keys(written)))
}

/// Whether a list is as long as the key's example, at a key that takes nothing but a list.
fn has_length(key: &Key, value: &Value) -> bool {
    let length = |value: &Value| match &value.kind {
        ValueKind::List(items) => items.len(),
        _ => 0,
    };
    key.ty != Type::NumberList || parse_value(&key.instance()).is_some_and(|example| length(&example) == length(value))
}

/// The help for a name that is neither bound nor a section's.
pub(super) fn name(draft: &Draft, o: &Override) -> String {
    // `data.batch:16`, `lr 0.1`.
    if let (None, Some((before, value))) = (&o.value, o.key.split_once([':', ' '])) {
        let meant = Override { key: before.to_string(), ..o.clone() };
        if Slot::of(draft, &meant).is_ok() {
            return format!("did you mean {}?", meant.with(value.trim()));
        }
    }
    // `unfreeze()`, `fit(lr, cycles`.
    let name = o.key.split(['(', ' ']).next().unwrap_or_default();
    if is_step(name) || name == "train" {
        return of_steps(draft);
    }
    if let Some((section, of_section)) = o.key.split_once([':', '/']) {
        return key(draft, o, section, of_section);
    }
    let mut names: Vec<&str> = settable().collect();
    names.extend(bindings(draft));
    let names = || names.iter().copied();
    if let Some(same) = names().find(|known| is_same(known, name)) {
        return format!("did you mean `{same}`?");
    }
    if let Some(found) = paths(draft, |key| is_same(key, name)) {
        return found;
    }
    let lower = name.to_lowercase();
    let ours = habits::renamed(&lower);
    if let Some(text) = habits::instead(name) {
        return text.to_string();
    }
    if ours == "train" {
        return of_steps(draft);
    }
    let means = |known: &&str| *known == ours || habits::renamed(known) == ours;
    if let Some(meant) = names().find(means) {
        return format!("did you mean `{meant}`?");
    }
    if let Some(found) = elsewhere(draft, &lower) {
        return found;
    }
    if let Some((step, key)) = STEPS.iter().find_map(|step| Some((step, step.key(ours)?.1))) {
        let bound = if ours == "lrs" { "lr" } else { &lower.replace('-', "_") };
        return format!(
            "`{}` of `{}` is changed in the file; what can be set is a name that is bound there, `let {bound} = {};`, and used \
             in the step",
            key.name,
            step.name,
            key.instance()
        );
    }
    if help::meant_section(name) == Some("train") {
        return of_steps(draft);
    }
    if let Some(near) = closest(name, names()) {
        return format!("did you mean `{near}`?");
    }
    let near = closest(name, all_keys(draft).into_iter().map(|(_, key)| key));
    near.and_then(|near| paths(draft, |key| key == near)).unwrap_or_else(|| did_you_mean(name, names()))
}

fn is_step(name: &str) -> bool {
    STEPS.iter().any(|step| is_same(step.name, name))
}

/// The help for an override of a step.
fn of_steps(draft: &Draft) -> String {
    let names = match bindings(draft).next() {
        Some(_) => list(bindings(draft)),
        None => "names that a `let` in `train` binds".to_string(),
    };
    format!("steps are changed in the file; what can be set are sections, their keys such as `data.batch`, and {names}")
}

/// The key of some section that this name is, or is called in the original.
fn elsewhere(draft: &Draft, name: &str) -> Option<String> {
    let ours = habits::renamed(name);
    paths(draft, |key| is_same(key, ours))
}

/// The keys of the draft's sections, each with its section.
fn all_keys(draft: &Draft) -> Vec<(&str, &'static str)> {
    let of = |section| construct(section).into_iter().flat_map(|construct| construct.keys).map(|key| key.name);
    draft.sections.iter().flat_map(|section| of(section).map(|key| (section.key.text.as_str(), key))).collect()
}

/// The help that names the keys that `are_meant`, with their sections; `None` if there are none.
fn paths(draft: &Draft, are_meant: impl Fn(&str) -> bool) -> Option<String> {
    let keys = all_keys(draft).into_iter().filter(|(_, key)| are_meant(key));
    let paths: Vec<String> = keys.map(|(section, key)| format!("`{section}.{key}`")).collect();
    (!paths.is_empty()).then(|| format!("did you mean {}?", paths.join(" or ")))
}
