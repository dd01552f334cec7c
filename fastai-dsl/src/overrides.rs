//! `--set key=value`: edits of a draft before it is checked.

use std::fmt;

use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Draft, Entry, Name, Stmt, Value, ValueKind};
use crate::habits;
use crate::help;
use crate::schema::{RANDOM, SECTIONS, SPLITS, Type, chosen, key_of};
use crate::spelling::{are_words, is_of_words, joined};
use crate::suggest::{closest, did_you_mean, is_same, list, misspelt};
use crate::syntax::read_value;

/// One `key=value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// `data.batch`, `seed`, or the name of a `let`.
    pub key: String,
    /// The value as given.
    pub value: String,
    /// The option of the command line that gave it: `--set`, or `--over` of a sweep.
    pub option: &'static str,
}

impl std::str::FromStr for Override {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`: write `data.batch=16`"))?;
        Ok(Override { key: key.trim().to_string(), value: value.trim().to_string(), option: "--set" })
    }
}

/// How an override is written on a command line.
impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}={}", self.option, self.key, self.value)
    }
}

/// Edits the draft; reports overrides that match nothing. What the override at index `i` sets is at `Site(first + i)`.
pub fn apply(draft: &mut Draft, overrides: &[Override], first: u32, out: &mut Diagnostics) {
    for (o, site) in overrides.iter().zip(first..) {
        let value = match value(draft, o) {
            Ok(mut value) => {
                value.relocate(Site(site));
                value
            }
            Err(wrong) => {
                let message = format!("`{o}`: {}", wrong.message);
                out.push(Diagnostic::error(wrong.code, Site::NONE, message).help_if(wrong.help));
                continue;
            }
        };
        let problem = match o.key.split_once('.') {
            Some((section, key)) => set_key(draft, section, key, value),
            None => set_top(draft, &o.key, value),
        };
        if let Err(help) = problem {
            out.error(&c::OVERRIDE, Site::NONE, format!("`{o}` fits nothing"), help);
        }
    }
}

/// Parses the value for its key: a string on a command line needs no quotes, and `data/cats` is a path rather than a
/// division.
///
/// # Errors
/// What is wrong with a number where no string may stand.
fn value(draft: &Draft, o: &Override) -> Result<Value, Diagnostic> {
    let text = || Value::new(ValueKind::Text(o.value.clone()));
    let mut parsed = match read_value(&o.value) {
        Ok(parsed) => parsed,
        Err(_) if key_type(draft, &o.key) == Some(Type::Split) && o.value.contains('(') => {
            return Err(no_split(&o.value));
        }
        Err(found) => {
            let wrong = found.iter().find(|d| d.code.id == c::LITERAL.id && !takes_text(draft, &o.key));
            return wrong.map_or_else(|| Ok(text()), |wrong| Err(wrong.clone()));
        }
    };
    let mut computes_with_words = false;
    parsed.for_each(&mut |v| {
        if let ValueKind::Negate(a) = &v.kind {
            computes_with_words |= matches!(a.kind, ValueKind::Word(_));
        }
        if let ValueKind::Binary(_, a, b) = &v.kind {
            computes_with_words |= [a, b].iter().any(|v| matches!(v.kind, ValueKind::Word(_) | ValueKind::Const(_)));
        }
    });
    let wants_text = || match (key_type(draft, &o.key), &parsed.kind) {
        (_, ValueKind::Text(_)) => false,
        (Some(Type::Text), _) => true,
        (Some(Type::Texts), kind) => !matches!(kind, ValueKind::List(_)),
        // A column's name is a word too; its position is a number.
        (Some(Type::Column), kind) => !matches!(kind, ValueKind::Number(_) | ValueKind::Negate(_)),
        // A folder's name, unless the word is reserved: a split without its arguments is not a folder.
        (Some(Type::Split), ValueKind::Word(w) | ValueKind::Const(w)) => {
            meant_split(w).is_none() && !matches!(w.as_str(), "all" | "none") && habits::python(w).is_none()
        }
        _ => false,
    };
    let is_split = key_type(draft, &o.key) == Some(Type::Split);
    let means_split = || match joined(&parsed) {
        Some(ValueKind::Word(word)) => meant_split(&word).is_some(),
        Some(kind) => matches!(kind, ValueKind::Call(..)),
        None => false,
    };
    let of_words = || match o.key.contains('.') {
        true => key_type(draft, &o.key).is_some_and(are_words),
        false => is_of_words(&o.key),
    };
    // Words with hyphens, where no string may stand.
    let are_joined = || match &parsed.kind {
        ValueKind::List(items) => items.iter().all(|item| item.word_and_args().is_some() || joined(item).is_some()),
        _ => joined(&parsed).is_some(),
    };
    let is_word = || match is_split {
        true => means_split(),
        false => are_joined() && of_words() && !takes_text(draft, &o.key),
    };
    match (computes_with_words && !is_word()) || wants_text() {
        true if is_split && o.value.contains('(') => Err(no_split(&o.value)),
        true => Ok(text()),
        false => Ok(parsed),
    }
}

/// The split whose name a word is, or nearly is, with a number behind a hyphen or without: `Random`, `stratifid`, `random-0.2`.
fn meant_split(word: &str) -> Option<&'static str> {
    let names: Vec<&str> = SPLITS.iter().map(|split| split.name).collect();
    let behind = word.rsplit_once('-').filter(|(_, tail)| tail.parse::<f64>().is_ok());
    misspelt(behind.map_or(word, |(name, _)| name), &names)
}

/// The error of a text with parentheses that is no split. A folder of such a name is given in quotes.
fn no_split(text: &str) -> Diagnostic {
    let name = text.split('(').next().unwrap_or_default().trim();
    let names = || SPLITS.iter().map(|split| split.name);
    let near = closest(name, names()).and_then(|near| SPLITS.iter().find(|split| split.name == near));
    let example = near.map_or_else(|| RANDOM.example(), |split| split.example());
    let help = format!("for instance `{example}`; the name of a folder with parentheses is given in quotes");
    Diagnostic::error(&c::WRONG_TYPE, Site::NONE, "this is no split").help(help)
}

fn key_type(draft: &Draft, key: &str) -> Option<Type> {
    let (section, key) = key.split_once('.')?;
    let (word, _) = draft.section(section)?.value.word_and_entries()?;
    key_of(chosen(section, &word.text)?, key).map(|key| key.ty)
}

/// Whether a string may stand at the key; an unknown key accepts anything.
fn takes_text(draft: &Draft, key: &str) -> bool {
    if key.contains('.') {
        return key_type(draft, key).is_none_or(|ty| {
            matches!(ty, Type::Text | Type::Texts | Type::Column | Type::Columns | Type::Split | Type::Weights)
        });
    }
    match bindings(draft).find(|(name, _)| *name == key) {
        Some((_, bound)) => {
            let mut has_text = false;
            bound.clone().for_each(&mut |v| has_text |= matches!(v.kind, ValueKind::Text(_)));
            has_text
        }
        None => !settable().any(|name| name == key),
    }
}

/// What `let` binds at the top level of `train`.
fn bindings(draft: &Draft) -> impl Iterator<Item = (&str, &Value)> + Clone {
    draft.train.iter().flat_map(|train| &train.body).filter_map(|stmt| match stmt {
        Stmt::Let { name, value } => Some((name.text.as_str(), value)),
        _ => None,
    })
}

/// The sections that an override changes: steps have no names.
fn settable() -> impl Iterator<Item = &'static str> + Clone {
    SECTIONS.iter().map(|s| s.name).filter(|name| *name != "train")
}

/// The help for an override of a step.
fn steps_help(draft: &Draft) -> String {
    let names: Vec<&str> = bindings(draft).map(|(name, _)| name).collect();
    let names = match names.as_slice() {
        [] => "names that a `let` in `train` binds".to_string(),
        names => list(names.iter().copied()),
    };
    format!("steps are changed in the file; what can be set are sections, their keys such as `data.batch`, and {names}")
}

fn set_top(draft: &mut Draft, key: &str, value: Value) -> Result<(), String> {
    if let Some(train) = &mut draft.train {
        for stmt in &mut train.body {
            if let Stmt::Let { name, value: bound } = stmt
                && name.text == key
            {
                // A finder replaced by a number does not run.
                *bound = value;
                return Ok(());
            }
        }
    }
    if let Some(entry) = draft.sections.iter_mut().find(|e| e.key.text == key) {
        entry.value = value;
        return Ok(());
    }
    if settable().any(|name| name == key) {
        draft.sections.push(added(key, value));
        return Ok(());
    }
    if help::meant_section(key) == Some("train") {
        return Err(steps_help(draft));
    }
    let mut names: Vec<&str> = settable().collect();
    names.extend(bindings(draft).map(|(name, _)| name));
    let ours = habits::renamed(key);
    let with_section = match full_keys(draft, |name| is_same(name, ours)) {
        none if none.is_empty() && closest(key, names.iter().copied()).is_none() => {
            let near = full_keys(draft, |_| true);
            closest(key, near.iter().map(|(_, name)| *name)).map_or(none, |near| full_keys(draft, |name| name == near))
        }
        found => found,
    };
    let paths: Vec<String> = with_section.iter().map(|(section, key)| format!("`{section}.{key}`")).collect();
    Err(if paths.is_empty() { did_you_mean(key, names) } else { format!("did you mean {}?", paths.join(" or ")) })
}

/// The keys of the draft's sections whose names `are_meant`, each with its section.
fn full_keys(draft: &Draft, are_meant: impl Fn(&str) -> bool) -> Vec<(&str, &'static str)> {
    let of_section = |section: &'_ Entry| {
        section.value.word_and_entries().and_then(|(word, _)| chosen(&section.key.text, &word.text))
    };
    let constructs =
        draft.sections.iter().filter_map(|section| Some((section.key.text.as_str(), of_section(section)?)));
    constructs
        .flat_map(|(section, construct)| construct.keys.iter().map(move |key| (section, key.name)))
        .filter(|(_, key)| are_meant(key))
        .collect()
}

fn set_key(draft: &mut Draft, section: &str, key: &str, value: Value) -> Result<(), String> {
    if help::meant_section(section) == Some("train") {
        return Err(steps_help(draft));
    }
    let Some(entry) = draft.sections.iter_mut().find(|e| e.key.text == section) else {
        return Err(match SECTIONS.iter().find(|s| s.name == section) {
            Some(absent) => {
                let whole = absent.example.replacen(": ", "=", 1);
                format!("the recipe has no `{section}`; `--set '{whole}'` adds it")
            }
            None => did_you_mean(section, settable()),
        });
    };
    if let ValueKind::Word(word) = &entry.value.kind {
        let name = Name { text: word.clone(), site: entry.value.site };
        entry.value.kind = ValueKind::Block(name, Vec::new());
    }
    let ValueKind::Block(_, entries) = &mut entry.value.kind else {
        return Err(format!("`{section}` has no keys; `--set {section}=..` sets the whole of it"));
    };
    match entries.iter_mut().find(|e| e.key.text == key) {
        Some(found) => found.value = value,
        // The checks report a key that does not exist.
        None => entries.push(added(key, value)),
    }
    Ok(())
}

/// What an override adds, at its place.
fn added(key: &str, value: Value) -> Entry {
    Entry { key: Name { text: key.to_string(), site: value.site }, lints: Vec::new(), value }
}
