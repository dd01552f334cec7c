//! Helps for names that the registry lacks: what a wrong section, key or step means, and where it belongs.

use crate::arch::{self, ARCHS};
use crate::draft::{Arg, Value, ValueKind, commas};
use crate::habits::{instead, meant_word, python, renamed, shown, shows};
use crate::legal::is_legal;
use crate::recipe::{MetricKind, TaskKind};
use crate::schema::{CSV, Construct, FOLDERS, GIVEN, Key, MODEL, RANDOM, SECTIONS, SOURCES, STEPS, TRANSFORMS, Type};
use crate::suggest::{closest, list};

/// What the original's name is called in `construct`: `n_epoch` is `epochs` of one step and `cycles` of another.
fn here<'n>(construct: &Construct, name: &'n str) -> &'n str {
    let ours = renamed(name);
    if construct.key(ours).is_some() { ours } else { renamed(ours) }
}

/// Returns the key that a name unknown to `construct` clearly means; that key is then not reported as missing.
pub(crate) fn meant(construct: &Construct, name: &str) -> Option<usize> {
    let ours = here(construct, name);
    construct.key(ours).map(|(i, _)| i).or_else(|| {
        // A name of the original that means something elsewhere is no misspelt key.
        let near = closest(name, construct.keys.iter().map(|k| k.name)).filter(|_| ours == name)?;
        construct.key(near).map(|(i, _)| i)
    })
}

/// Returns the section that an unknown name means.
pub(crate) fn meant_section(name: &str) -> Option<&'static str> {
    let names = || SECTIONS.iter().map(|s| s.name);
    names().find(|n| *n == renamed(name)).or_else(|| closest(name, names()))
}

/// Returns the help for a key (`separator` is `: `) or argument (` = `) that `construct` lacks: the original's name, a
/// similar one, the construct that has it, or all legal ones.
pub(crate) fn key_help(construct: &Construct, name: &str, value: &Value, separator: &str) -> String {
    let keys = || construct.keys.iter().map(|k| k.name);
    let ours = here(construct, name);
    if let Some((_, key)) = construct.key(ours) {
        return format!("here it is called `{ours}{separator}{}`", shown_at(construct, key, value));
    }
    if let Some(text) = instead(name) {
        return text.to_string();
    }
    if construct.name == MODEL.name && (ours == MODEL.name || name == "name") {
        let arch = value.word_and_args().and_then(|(word, _)| arch::find(&word.text)).unwrap_or(&ARCHS[0]);
        return format!("the architecture is the word before the braces: `{} {{ .. }}`", arch.name);
    }
    let value_of = |key: &Key| {
        let call = key.ty.calls().iter().find(|call| call.name == name).map(|call| call.as_value_of(key.ty));
        call.or_else(|| key.legal_words().contains(&name).then(|| name.to_string()))
    };
    if let Some((key, written)) = construct.keys.iter().find_map(|key| Some((key, value_of(key)?))) {
        return format!("a value of `{0}`: `{0}{separator}{written}`", key.name);
    }
    if construct.name == GIVEN.name && [&FOLDERS, &CSV].iter().any(|c| c.key(ours).is_some()) {
        return "the program that runs the recipe gives images, labels and what is held out, in \
                `RunOptions { dataset, .. }`; remove it"
            .to_string();
    }
    if let Some(home) = home(construct.name, ours, value) {
        return home;
    }
    match closest(name, keys()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if construct.keys.is_empty() => format!("`{}()` takes none", construct.name),
        None => format!("one of {}", list(keys())),
    }
}

/// Formats a step as it is often written.
pub(crate) fn step(name: &str) -> String {
    step_with(name, None)
}

/// Formats a step, with the value if it takes exactly one.
fn step_with(name: &str, value: Option<&Value>) -> String {
    match name {
        "fit" => "fit(1e-2, 3);".to_string(),
        "lr_find" => "let lr = lr_find(or = 1e-2);".to_string(),
        "head" => "head(hidden = [512]);".to_string(),
        _ => match STEPS.iter().find(|step| step.name == name) {
            Some(step) => match (value, step.only_required()) {
                (Some(value), Some(key)) => format!("{name}({});", shown_at(step, key, value)),
                _ => format!("{};", step.example()),
            },
            None => format!("{name}();"),
        },
    }
}

/// Formats a step with the arguments of a call that means it.
fn step_of(construct: &Construct, args: &[Arg]) -> String {
    if args.is_empty() {
        return step(construct.name);
    }
    let written = |arg: &Arg| match &arg.name {
        Some(name) => {
            let key = meant(construct, &name.text).map_or(name.text.as_str(), |key| construct.keys[key].name);
            format!("{key} = {}", shown(&arg.value))
        }
        None => shown(&arg.value),
    };
    format!("{}({});", construct.name, commas(args.iter().map(written)))
}

/// A value as a help shows it at a key: itself if it may stand there, the word that is meant, or an example.
fn shown_at(construct: &Construct, key: &Key, value: &Value) -> String {
    let written = match &value.kind {
        ValueKind::Text(word) | ValueKind::Word(word) | ValueKind::Const(word) => Some(word.as_str()),
        _ => None,
    };
    match (key.ty, written) {
        (Type::Word | Type::Switch, Some(word)) => {
            let words = key.legal_words();
            let ours = python(word).filter(|ours| words.contains(ours)).or_else(|| meant_word(word, words));
            ours.map_or_else(|| key.instance(), str::to_string)
        }
        // A name may be bound to a number.
        (ty, Some(name)) if matches!(value.kind, ValueKind::Word(_)) && ty.words().is_empty() => {
            key.quoted(name).unwrap_or_else(|| shown(value))
        }
        _ if value.kind == ValueKind::Broken || is_legal(construct, key, value) => shown(value),
        _ => key.instance(),
    }
}

/// Returns where a key, section or step of this name belongs.
fn home(here: &str, name: &str, value: &Value) -> Option<String> {
    if STEPS.iter().any(|s| s.name == name) {
        return Some(format!("a step of `train`: `{}`", step_with(name, Some(value))));
    }
    if let Some(section) = SECTIONS.iter().find(|s| s.name == name && s.name != here) {
        return Some(format!("a section of its own: `{}`", section.example));
    }
    if let [Some((_, key)), Some(_)] = [&FOLDERS, &CSV].map(|c| c.key(name))
        && SOURCES.iter().all(|source| source.name != here)
    {
        return Some(format!("it belongs into `data`: `{name}: {}`", shown_at(&FOLDERS, key, value)));
    }
    let blocks: [(&str, &Construct); 5] = [
        ("`data: folders { .. }`", &FOLDERS),
        ("`data: csv { .. }`", &CSV),
        ("`transforms`", &TRANSFORMS),
        ("`model`", &MODEL),
        ("`random(..)`", &RANDOM),
    ];
    let mut elsewhere = blocks.iter().filter(|(_, c)| c.name != here);
    if let Some((place, block, key)) = elsewhere.find_map(|(place, c)| Some((place, c, c.key(name)?.1))) {
        let separator = if block.name == RANDOM.name { " = " } else { ": " };
        return Some(format!("it belongs into {place}: `{name}{separator}{}`", shown_at(block, key, value)));
    }
    let step = STEPS.iter().find(|c| c.name != here && c.keys.iter().any(|k| k.name == name && !k.required))?;
    Some(format!("an argument of `{}`: `{name} = {}`", step.name, shown(value)))
}

/// The help for an unknown section.
pub(crate) fn section_help(name: &str, value: &Value) -> String {
    let ours = renamed(name);
    if let Some(section) = SECTIONS.iter().find(|s| s.name == ours) {
        return format!("the section is called `{ours}`: `{}`", section.example);
    }
    if let Some(text) = instead(name) {
        return text.to_string();
    }
    if let Some(near) = closest(name, SECTIONS.iter().map(|s| s.name)).filter(|_| ours == name) {
        return format!("did you mean `{near}`?");
    }
    home("", ours, value).unwrap_or_else(|| format!("one of {}", list(SECTIONS.iter().map(|s| s.name))))
}

/// The help for an unknown step.
pub(crate) fn step_help(name: &str, args: &[Arg], task: Option<TaskKind>) -> String {
    if let Some(text) = instead(name).or_else(|| shows(name)) {
        return text.to_string();
    }
    if let Some(section) = SECTIONS.iter().find(|s| s.name == name || s.name == renamed(name)) {
        return match section.name {
            "train" => "`fit(1e-2, 3);`".to_string(),
            _ => format!("`{}` is a section, not a step: `{}`", section.name, section.example),
        };
    }
    if let Some(metric) = MetricKind::parse(name) {
        return match task {
            Some(task) if !metric.measures(task) => {
                format!("metrics are measured after each epoch, and this one not of `{}` data; remove it", task.word())
            }
            _ => format!("metrics are measured after each epoch: `metrics: [{}]`", metric.example()),
        };
    }
    let near = closest(name, STEPS.iter().map(|s| s.name));
    match near.and_then(|near| STEPS.iter().find(|step| step.name == near)) {
        Some(step) => format!("did you mean `{}`?", step_of(step, args)),
        None => format!("one of {}", list(STEPS.iter().map(|s| s.name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::habits;
    use crate::schema::constructs;

    #[test]
    fn what_is_called_otherwise_exists() {
        let keys = || constructs().flat_map(|c| c.keys).map(|k| k.name);
        for (theirs, ours) in habits::names().filter_map(|name| Some((name, habits::renamed_to(name)?))) {
            assert!(keys().any(|k| k == ours) || SECTIONS.iter().any(|s| s.name == ours), "{theirs} -> {ours}");
        }
    }
}
