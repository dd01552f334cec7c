//! `--set key=value`: edits of a draft before it is checked.

mod meant;
mod value;

use std::fmt;

use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Draft, Entry, Name, Stmt, Value, ValueKind};
use crate::schema::{Construct, Key, SECTIONS, chosen, key_of};

/// One `key=value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// `data.batch`, `seed`, or the name of a `let`.
    pub key: String,
    /// The value as given; `None` if no `=` is.
    pub value: Option<String>,
    /// The option of the command line that gave it: `--set`, or `--over` of a sweep.
    pub option: &'static str,
}

impl Override {
    /// What follows the option on a command line.
    pub fn text(&self) -> String {
        self.value.as_ref().map_or_else(|| self.key.clone(), |value| format!("{}={value}", self.key))
    }

    /// The override with another value, as a shell takes it.
    fn with(&self, value: &str) -> String {
        let Override { key, option, .. } = self;
        match value.chars().all(|ch| ch.is_alphanumeric() || "_-+.,:/".contains(ch)) {
            true => format!("`{option} {key}={value}`"),
            false => format!("`{option} '{key}={value}'`"),
        }
    }
}

impl std::str::FromStr for Override {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value.trim())));
        match key.trim() {
            "" => Err(format!("`{text}` names nothing that is set: write `data.batch=16`")),
            key => Ok(Override { key: key.to_string(), value: value.map(str::to_string), option: "--set" }),
        }
    }
}

/// How an override is written on a command line.
impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.option, self.text())
    }
}

/// Edits the draft; reports overrides that match nothing. The key that the override at index `i` sets is at
/// `Site(first + 2 * i)`, and its value at the site behind that.
pub fn apply(draft: &mut Draft, overrides: &[Override], first: u32, out: &mut Diagnostics) {
    for (o, site) in overrides.iter().zip((first..).step_by(2)) {
        let read = Slot::of(draft, o).and_then(|slot| Ok((slot.value(draft, o)?, slot)));
        match read {
            Ok((mut value, slot)) => {
                value.relocate(Site(site + 1));
                slot.set(draft, value, Site(site));
            }
            Err(wrong) => out.push(wrong),
        }
    }
}

/// What an override sets.
#[derive(Debug)]
pub(crate) enum Slot {
    /// The statement of `train` with this index, a `let`.
    Binding(usize),
    /// The section with this index.
    Section(usize),
    /// A section that the recipe does not have.
    NewSection(&'static str),
    /// A key of the section with this index.
    Key(usize, String),
}

impl Slot {
    /// # Errors
    /// An override that fits nothing.
    pub(crate) fn of(draft: &Draft, o: &Override) -> Result<Self, Diagnostic> {
        let nothing =
            |help: String| Diagnostic::error(&c::OVERRIDE, Site::NONE, format!("`{o}` fits nothing")).help(help);
        let section = |name: &str| draft.sections.iter().position(|entry| entry.key.text == name);
        // `data.batch:16` and the like lack their `=`.
        let is_path = |key: &str| !key.is_empty() && (o.value.is_some() || !o.key.contains([':', ' ']));
        if let Some((name, key)) = o.key.split_once('.').filter(|(_, key)| is_path(key)) {
            let Some(at) = section(name) else { return Err(nothing(meant::key(draft, o, name, key))) };
            return match draft.sections[at].value.kind {
                ValueKind::Word(_) | ValueKind::Block(..) => Ok(Slot::Key(at, key.to_string())),
                _ => Err(nothing(format!("`{name}` has no keys; `{} {name}=..` sets the whole of it", o.option))),
            };
        }
        let binds = |stmt: &Stmt| matches!(stmt, Stmt::Let { name, .. } if name.text == o.key);
        let binding = draft.train.as_ref().and_then(|train| train.body.iter().position(binds)).map(Slot::Binding);
        let known = binding.or_else(|| section(&o.key).map(Slot::Section));
        let new = || settable().find(|name| *name == o.key).map(Slot::NewSection);
        known.or_else(new).ok_or_else(|| nothing(meant::name(draft, o)))
    }

    /// The value that the override sets there.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub(crate) fn value(&self, draft: &Draft, o: &Override) -> Result<Value, Diagnostic> {
        value::read(draft, self, o)
    }

    /// Puts the value into the draft, and what the draft lacks for it at `site`.
    fn set(self, draft: &mut Draft, value: Value, site: Site) {
        let added = |key: &str, value| Entry { key: Name { text: key.to_string(), site }, lints: Vec::new(), value };
        match self {
            // A finder replaced by a number does not run.
            Slot::Binding(at) => {
                if let Some(Stmt::Let { value: bound, .. }) = draft.train.as_mut().and_then(|t| t.body.get_mut(at)) {
                    *bound = value;
                }
            }
            Slot::Section(at) => draft.sections[at].value = value,
            Slot::NewSection(name) => draft.sections.push(added(name, value)),
            Slot::Key(at, key) => {
                let section = &mut draft.sections[at].value;
                if let ValueKind::Word(word) = &section.kind {
                    section.kind = ValueKind::Block(Name { text: word.clone(), site: section.site }, Vec::new());
                }
                let ValueKind::Block(_, entries) = &mut section.kind else { return };
                match entries.iter_mut().find(|entry| entry.key.text == key) {
                    Some(found) => found.value = value,
                    // The checks report a key that does not exist.
                    None => entries.push(added(&key, value)),
                }
            }
        }
    }

    /// What the recipe says there.
    pub(crate) fn present<'d>(&self, draft: &'d Draft) -> Option<&'d Value> {
        match self {
            Slot::Binding(at) => match draft.train.as_ref()?.body.get(*at)? {
                Stmt::Let { value, .. } => Some(value),
                _ => None,
            },
            Slot::Section(at) => Some(&draft.sections[*at].value),
            Slot::NewSection(_) => None,
            Slot::Key(at, key) => draft.sections[*at].value.entry(key),
        }
    }

    /// The key's description, if it is a key that the registry knows.
    fn key(&self, draft: &Draft) -> Option<&'static Key> {
        let Slot::Key(at, key) = self else { return None };
        key_of(construct(&draft.sections[*at])?, key)
    }
}

/// The construct of a section's keys.
fn construct(section: &Entry) -> Option<&'static Construct> {
    let (word, _) = section.value.word_and_entries()?;
    chosen(&section.key.text, &word.text)
}

/// The names that `let` binds at the top level of `train`.
fn bindings(draft: &Draft) -> impl Iterator<Item = &str> + Clone {
    draft.train.iter().flat_map(|train| &train.body).filter_map(|stmt| match stmt {
        Stmt::Let { name, .. } => Some(name.text.as_str()),
        _ => None,
    })
}

/// The sections that an override changes: steps have no names.
fn settable() -> impl Iterator<Item = &'static str> + Clone {
    SECTIONS.iter().map(|s| s.name).filter(|name| *name != "train")
}
