//! The value of an override, as its key takes it: a string on a command line needs no quotes, and `data/cats` is a path rather
//! than a division.

use super::{Override, Slot};
use crate::catalog::{self as c, Code};
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Draft, Value, ValueKind, commas};
use crate::habits;
use crate::legal::split_of;
use crate::recipe::StepKind;
use crate::scan::items;
use crate::schema::{Construct, Key, RANDOM, SECTIONS, SPLITS, Type, section};
use crate::spelling::{are_words, is_of_words, joined};
use crate::suggest::{closest, is_same, list, misspelt};
use crate::syntax::{parse_value, read_value};

/// Reads the value for its slot.
///
/// # Errors
/// What is missing, or what is wrong with a value where no string may stand.
pub(super) fn read(draft: &Draft, slot: &Slot, o: &Override) -> Result<Value, Diagnostic> {
    let ty = slot.key(draft).map(|key| key.ty);
    let may_be_empty = matches!(ty, Some(Type::Text | Type::Texts)) || (ty.is_none() && takes_text(draft, slot));
    if let (Slot::Key(..), None, None) = (slot, ty, &o.value) {
        // The checks report a key that does not exist.
        return Ok(Value::new(ValueKind::Broken));
    }
    let Some(text) = o.value.as_deref().filter(|text| !text.is_empty() || may_be_empty) else {
        let empty = Diagnostic::error(&c::OVERRIDE, Site::NONE, format!("`{o}` gives no value"));
        return Err(empty.help(asked(draft, slot, o)));
    };
    if ty == Some(Type::Split)
        && let Some((noun, call)) = unquoted(text)
    {
        let message = format!("the name of a {noun} is in double quotes");
        let help = format!("`{call}`, in single quotes so that a shell keeps them: {}", o.with(&call));
        return Err(refused(o, &c::WRONG_TYPE, &message, help));
    }
    let parsed = match read_value(text) {
        Ok(parsed) => parsed,
        Err(found) => return unread(draft, slot, o, text, found),
    };
    match is_text(draft, slot, &parsed) {
        true if ty == Some(Type::Split) && text.contains('(') => Err(no_split(o, text)),
        true => Ok(Value::new(ValueKind::Text(text.to_string()))),
        false if matches!(slot, Slot::Binding(_)) && is_bare_search(&parsed) => {
            let help = format!("a search, with what holds where it finds nothing: {}", o.with("lr_find(or = 1e-2)"));
            Err(refused(o, &c::WRONG_TYPE, "`let` cannot bind a word", help))
        }
        false => Ok(parsed),
    }
}

/// Whether a value is the name of the search for a rate without its parentheses.
fn is_bare_search(value: &Value) -> bool {
    matches!(&value.kind, ValueKind::Word(word) if is_same(word, StepKind::LrFind.word()))
}

fn refused(o: &Override, code: &'static Code, message: &str, help: String) -> Diagnostic {
    Diagnostic::error(code, Site::NONE, format!("`{o}`: {message}")).help(help)
}

/// A text that is not a value: a string where one may stand, and an error elsewhere.
fn unread(draft: &Draft, slot: &Slot, o: &Override, text: &str, found: Diagnostics) -> Result<Value, Diagnostic> {
    let refuse = |code, message: &str, help| Err(refused(o, code, message, help));
    let ty = slot.key(draft).map(|key| key.ty);
    let is_split = ty == Some(Type::Split);
    let is_text = takes_text(draft, slot) && !(is_split && text.contains('('));
    if is_split && let Some(share) = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok()) {
        let help = format!("write the share: `{}`", split_of(share / 100.0));
        return refuse(&c::LITERAL, "there are no per cent signs", help);
    }
    if is_text {
        return Ok(Value::new(ValueKind::Text(text.to_string())));
    }
    if let Some(wrong) = found.iter().find(|d| d.code.id == c::LITERAL.id) {
        return refuse(wrong.code, &wrong.message, wrong.help.clone().unwrap_or_default());
    }
    if is_split {
        return Err(no_split(o, text));
    }
    let name = match slot {
        Slot::Section(at) => Some(draft.sections[*at].key.text.as_str()),
        Slot::NewSection(name) => Some(*name),
        Slot::Binding(_) | Slot::Key(..) => None,
    };
    let is_number = SECTIONS.iter().any(|section| Some(section.name) == name && section.range.is_some());
    let takes_list = !is_number && ty.is_none_or(Type::lists_numbers);
    if let Some((whole, part)) = text.split_once(',').filter(|(whole, _)| *whole == "0" || !takes_list)
        && ty != Some(Type::Count)
        && [whole, part].iter().all(|digits| digits.bytes().all(|b| b.is_ascii_digit()) && !digits.is_empty())
    {
        return refuse(&c::LITERAL, "numbers have a point and no comma", format!("`{whole}.{part}`"));
    }
    let is_list = takes_list && text.contains(',') && !text.ends_with(',');
    if let Some(value) = parse_value(&format!("[{text}]")).filter(|_| is_list) {
        return refuse(&c::WRONG_TYPE, "lists stand in square brackets", o.with(&value.to_string()));
    }
    let inner = text.trim_matches(['=', ',', ';']);
    if inner != text && parse_value(inner).is_some() {
        return refuse(&c::WRONG_TYPE, "a value stands alone", o.with(inner));
    }
    match slot {
        // What a step makes of a string would be reported there.
        Slot::Binding(_) => refuse(&c::WRONG_TYPE, "this is no value", asked(draft, slot, o)),
        _ => Ok(Value::new(ValueKind::Text(text.to_string()))),
    }
}

/// What the slot takes, and an override with what the recipe says there.
fn asked(draft: &Draft, slot: &Slot, o: &Override) -> String {
    let key = slot.key(draft);
    let expected = match (key, slot) {
        (Some(key), _) if !key.words.is_empty() => format!("one of {}: ", list(key.words.iter().copied())),
        (Some(key), _) => format!("{}: ", key.ty.expected()),
        (None, Slot::Binding(_)) => "a number, a string, a list, or a search: ".to_string(),
        (None, _) => String::new(),
    };
    let example = match (slot.present(draft).map(|present| &present.kind), slot) {
        (Some(ValueKind::Text(text)), _) => format!("{}, as in the recipe", o.with(text)),
        (Some(present), _) => format!("{}, as in the recipe", o.with(&Value::new(present.clone()).to_string())),
        (None, Slot::NewSection(name)) => o.with(section(name).example_value()),
        (None, _) => o.with(&key.map_or(String::new(), Key::instance)),
    };
    expected + &example
}

/// Whether what was read is meant as a string.
fn is_text(draft: &Draft, slot: &Slot, parsed: &Value) -> bool {
    let ty = slot.key(draft).map(|key| key.ty);
    let wants_text = match (ty, &parsed.kind) {
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
    wants_text || (computes_with_words(parsed) && !is_word(draft, slot, parsed))
}

fn computes_with_words(value: &Value) -> bool {
    let mut found = false;
    value.clone().for_each(&mut |v| match &v.kind {
        ValueKind::Negate(a) => found |= matches!(a.kind, ValueKind::Word(_)),
        ValueKind::Binary(_, a, b) => {
            found |= [a, b].iter().any(|v| matches!(v.kind, ValueKind::Word(_) | ValueKind::Const(_)));
        }
        _ => {}
    });
    found
}

/// Whether what looks like a computation is a word with hyphens, or a list of such, where no string may stand.
fn is_word(draft: &Draft, slot: &Slot, parsed: &Value) -> bool {
    let ty = slot.key(draft).map(|key| key.ty);
    if ty == Some(Type::Split) {
        return match joined(parsed) {
            Some(ValueKind::Word(word)) => meant_split(&word).is_some(),
            Some(kind) => matches!(kind, ValueKind::Call(..)),
            None => false,
        };
    }
    let are_joined = match &parsed.kind {
        ValueKind::List(items) => items.iter().all(|item| item.word_and_args().is_some() || joined(item).is_some()),
        _ => joined(parsed).is_some(),
    };
    let takes_words = match slot {
        Slot::Key(..) => ty.is_some_and(are_words),
        Slot::Section(at) => is_of_words(&draft.sections[*at].key.text),
        Slot::NewSection(name) => is_of_words(name),
        Slot::Binding(_) => false,
    };
    are_joined && takes_words && !takes_text(draft, slot)
}

/// Whether a string may stand there; an unknown key accepts anything.
fn takes_text(draft: &Draft, slot: &Slot) -> bool {
    match slot {
        Slot::Key(..) => slot.key(draft).is_none_or(|key| {
            matches!(key.ty, Type::Text | Type::Texts | Type::Column | Type::Columns | Type::Split | Type::Weights)
        }),
        Slot::Binding(_) => slot.present(draft).is_some_and(|bound| {
            let mut has_text = false;
            bound.clone().for_each(&mut |v| has_text |= matches!(v.kind, ValueKind::Text(_)));
            has_text
        }),
        Slot::Section(_) | Slot::NewSection(_) => false,
    }
}

/// The split whose name a word is, or nearly is, with a number behind a hyphen or without: `Random`, `stratifid`, `random-0.2`.
fn meant_split(word: &str) -> Option<&'static str> {
    let names: Vec<&str> = SPLITS.iter().map(|split| split.name).collect();
    let behind = word.rsplit_once('-').filter(|(_, tail)| tail.parse::<f64>().is_ok());
    misspelt(behind.map_or(word, |(name, _)| name), &names)
}

/// `indices(val.txt)` with quotes around the names that lack them, and what is named.
fn unquoted(text: &str) -> Option<(&'static str, String)> {
    let (name, rest) = text.split_once('(')?;
    let inner = rest.trim_end().strip_suffix(')')?;
    let split: &Construct = SPLITS.iter().find(|split| split.name == name.trim())?;
    let mut found = false;
    let mut next = split.keys.iter();
    let mut arguments = Vec::new();
    for argument in items(inner) {
        let named = argument.split_once('=').and_then(|(name, value)| Some((split.key(name.trim())?.1, value.trim())));
        let (key, value) = named.or_else(|| Some((next.next()?, argument.as_str())))?;
        let lacks_quotes =
            key.ty == Type::Text && !value.contains('"') && !value.is_empty() && value.parse::<f64>().is_err();
        found |= lacks_quotes;
        let value = if lacks_quotes { format!("{value:?}") } else { value.to_string() };
        arguments.push(if named.is_some() { format!("{} = {value}", key.name) } else { value });
    }
    let noun = match split.name {
        "folder" => "folder",
        "indices" => "file",
        _ => "column",
    };
    let call = format!("{}({})", split.name, commas(arguments));
    (found && parse_value(&call).is_some()).then_some((noun, call))
}

/// A text with parentheses that is no split. A folder of such a name is given in quotes.
fn no_split(o: &Override, text: &str) -> Diagnostic {
    let name = text.split('(').next().unwrap_or_default().trim();
    let near = closest(name, SPLITS.iter().map(|split| split.name));
    let meant = SPLITS.iter().find(|split| Some(split.name) == near).copied().unwrap_or(&RANDOM);
    let help = format!("for instance `{}`; the name of a folder with parentheses is given in quotes", meant.example());
    refused(o, &c::WRONG_TYPE, "this is no split", help)
}
