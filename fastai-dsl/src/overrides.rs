//! `--set key=value`: edits of a draft before it is checked.

use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Draft, Entry, Name, Stmt, Value, ValueKind};
use crate::habits;
use crate::parse::parse_value;
use crate::schema::{SECTIONS, SOURCES, SPLITS, Type};
use crate::suggest::did_you_mean;

/// One `key=value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// `data.batch`, `seed`, or the name of a `let`.
    pub key: String,
    /// The value as given.
    pub value: String,
}

impl std::str::FromStr for Override {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`: write `data.batch=16`"))?;
        Ok(Override { key: key.trim().to_string(), value: value.trim().to_string() })
    }
}

/// Edits the draft; reports overrides that match nothing.
pub fn apply(draft: &mut Draft, overrides: &[Override], out: &mut Diagnostics) {
    for o in overrides {
        let value = value(draft, o);
        let problem = match o.key.split_once('.') {
            Some((section, key)) => set_key(draft, section, key, value),
            None => set_top(draft, &o.key, value),
        };
        if let Err(help) = problem {
            out.push(
                Diagnostic::error(&c::OVERRIDE, Site::NONE, format!("`--set {}={}` fits nothing", o.key, o.value))
                    .help(help),
            );
        }
    }
}

/// Parses the value for its key: a string on a command line needs no quotes, and `data/cats` is a path rather than a
/// division.
fn value(draft: &Draft, o: &Override) -> Value {
    let text = || Value::new(ValueKind::Text(o.value.clone()));
    let Some(mut parsed) = parse_value(&o.value) else { return text() };
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
            !SPLITS.iter().any(|s| s.name == w) && !matches!(w.as_str(), "all" | "none") && habits::python(w).is_none()
        }
        _ => false,
    };
    if computes_with_words || wants_text() { text() } else { parsed }
}

fn key_type(draft: &Draft, key: &str) -> Option<Type> {
    let (section, key) = key.split_once('.')?;
    let construct = match (section, &draft.sections.iter().find(|e| e.key.text == section)?.value.kind) {
        ("data", ValueKind::Block(word, _)) => SOURCES.iter().find(|s| s.name == word.text).copied()?,
        ("data", ValueKind::Word(word)) => SOURCES.iter().find(|s| s.name == word).copied()?,
        _ => return None,
    };
    construct.key(key).map(|(_, k)| k.ty)
}

fn set_top(draft: &mut Draft, key: &str, value: Value) -> Result<(), String> {
    if let Some(train) = &mut draft.train {
        for stmt in &mut train.body {
            if let Stmt::Let { name, value: bound } = stmt
                && name.text == key
            {
                // A finder replaced by a number does not run.
                *bound = Value { site: bound.site, ..value };
                return Ok(());
            }
        }
    }
    if let Some(entry) = draft.sections.iter_mut().find(|e| e.key.text == key) {
        entry.value = Value { site: entry.value.site, ..value };
        return Ok(());
    }
    if SECTIONS.iter().any(|s| s.name == key && key != "train") {
        draft.sections.push(Entry { key: Name::new(key), lints: Vec::new(), value });
        return Ok(());
    }
    let mut names: Vec<String> = SECTIONS.iter().map(|s| s.name.to_string()).collect();
    if let Some(train) = &draft.train {
        names.extend(train.body.iter().filter_map(|s| match s {
            Stmt::Let { name, .. } => Some(name.text.clone()),
            _ => None,
        }));
    }
    Err(did_you_mean(key, names.iter().map(String::as_str)))
}

fn set_key(draft: &mut Draft, section: &str, key: &str, value: Value) -> Result<(), String> {
    let Some(entry) = draft.sections.iter_mut().find(|e| e.key.text == section) else {
        return Err(did_you_mean(section, SECTIONS.iter().map(|s| s.name)));
    };
    if let ValueKind::Word(word) = &entry.value.kind {
        let name = Name { text: word.clone(), site: entry.value.site };
        entry.value.kind = ValueKind::Block(name, Vec::new());
    }
    let ValueKind::Block(_, entries) = &mut entry.value.kind else {
        return Err(format!("`{section}` has no keys; `--set {section}=..` sets the whole of it"));
    };
    match entries.iter_mut().find(|e| e.key.text == key) {
        Some(found) => found.value = Value { site: found.value.site, ..value },
        // The checks report a key that does not exist.
        None => entries.push(Entry {
            key: Name { text: key.to_string(), site: entry.value.site },
            lints: Vec::new(),
            value: Value { site: entry.value.site, ..value },
        }),
    }
    Ok(())
}
