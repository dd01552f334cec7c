//! Whether a value is legal at its key, its kind and its range, and what to type instead of one that is not.

use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Value, ValueKind, commas, number};
use crate::habits;
use crate::schema::{Construct, FOLDS, Key, MAX_ITEMS, RANDOM, Range, STEPS, Type, constructs};
use crate::suggest::{closest, list};
use crate::syntax::read_value;
use crate::word::{self, Off, On};

/// Checks the kind of a value and reports mismatches.
pub(crate) fn fits(construct: &Construct, key: &Key, value: &Value, out: &mut Diagnostics) -> bool {
    match (&value.kind, key.ty) {
        (ValueKind::Broken, _) => false,
        (ValueKind::List(items), ty) if ty != Type::Columns && !length_ok(key.name, items, value.site, out) => false,
        (ValueKind::Text(_), Type::Text | Type::Texts | Type::Column | Type::Split | Type::Weights) => true,
        (ValueKind::Number(x), Type::Count | Type::Column) => whole_in_range(key, *x, value.site, out),
        (ValueKind::Number(x), ty) if ty.takes_number() => in_range(key, *x, value.site, out),
        (ValueKind::Number(x), Type::Counts) => {
            let help = format!("`[{}]`", nearest_whole(key, *x));
            out.error(&c::WRONG_TYPE, value.site, format!("`{}` expects {}", key.name, key.ty.expected()), help);
            false
        }
        (ValueKind::Const(_), ty) if ty == Type::Count || ty.takes_number() => true,
        // Among texts only paths may be constants: the others follow rules that a constant's type cannot promise.
        (ValueKind::Const(_), Type::Weights) => true,
        (ValueKind::Const(_), Type::Text) if key.name == "root" => true,
        (ValueKind::Rate(_), Type::Rate | Type::Rates) => true,
        (ValueKind::Word(w), _) if key.legal_words().contains(&w.as_str()) => true,
        (ValueKind::Call(..), Type::Split | Type::Stats | Type::Extent) => true,
        // `augment` checks the parts one by one.
        (ValueKind::List(_), Type::Augment) => true,
        (ValueKind::List(items), ty) if takes_list(ty, items.len()) => {
            // `all` would stop at the first mistake.
            items.iter().fold(true, |good, item| good & item_fits(construct, key, item, out))
        }
        _ => wrong(construct, key, value, out),
    }
}

/// Whether a value fits its key, and is a list where a later check takes nothing else.
pub(crate) fn is_legal(construct: &Construct, key: &Key, value: &Value) -> bool {
    let may_be_single = key.ty != Type::NumberList || matches!(value.kind, ValueKind::List(_));
    may_be_single && fits(construct, key, value, &mut Diagnostics::default())
}

/// Whether the kind takes a list of so many items.
fn takes_list(ty: Type, items: usize) -> bool {
    match ty {
        Type::Zoom => items == 2,
        Type::Texts | Type::Columns => items > 0,
        _ => ty.lists_numbers(),
    }
}

fn item_fits(construct: &Construct, key: &Key, item: &Value, out: &mut Diagnostics) -> bool {
    match (&item.kind, key.ty) {
        (ValueKind::Broken, _) => false,
        (ValueKind::Number(x), Type::Counts | Type::Columns) => whole_in_range(key, *x, item.site, out),
        (ValueKind::Number(x), ty) if ty == Type::Zoom || ty.lists_numbers() => in_range(key, *x, item.site, out),
        (ValueKind::Const(_), ty) if ty.lists_numbers() => true,
        (ValueKind::Text(_), Type::Texts | Type::Columns) | (ValueKind::Rate(_), Type::Rates) => true,
        _ => wrong(construct, &key.of_item(), item, out),
    }
}

/// Reports a value of another kind than the key's.
fn wrong(construct: &Construct, key: &Key, value: &Value, out: &mut Diagnostics) -> bool {
    let expected = match key.words {
        [] => key.ty.expected().to_string(),
        words => format!("one of {}", list(words.iter().copied())),
    };
    let is_word = matches!(value.kind, ValueKind::Word(_));
    let code = match key.ty {
        Type::Word | Type::Switch | Type::Stats if is_word => &c::UNKNOWN_WORD,
        _ => &c::WRONG_TYPE,
    };
    let help = match &value.kind {
        ValueKind::Word(w) => Some(word_help(construct, key, w)),
        ValueKind::Call(name, _) => Some(habits::instead(&name.text).map_or_else(|| example(key), str::to_string)),
        ValueKind::Text(s) if key.ty == Type::Columns => {
            Some(format!("`[{}]`", commas(s.split(',').map(|column| format!("{:?}", column.trim())))))
        }
        ValueKind::Text(s) => Some(unquoted(construct, key, s)),
        ValueKind::Block(name, _) => Some(call_of(key, &name.text).unwrap_or_else(|| example(key))),
        ValueKind::Number(_) | ValueKind::Const(_) if key.ty == Type::Text => {
            Some(key.quoted(&value.to_string()).map_or_else(|| example(key), |quoted| format!("`{quoted}`")))
        }
        ValueKind::Const(name) => Some(near_word(key, name)),
        ValueKind::Number(x) if key.ty == Type::Split => Some(format!("`{}`", split_of(*x))),
        _ => Some(example(key)),
    };
    let message = format!("`{}` expects {expected}, got {}", key.name, value.kind_name());
    out.push(Diagnostic::error(code, value.site, message).help_if(help));
    false
}

/// The call that a word at `key` lacks the arguments of, as it is often written; `None` if the word is none like a call's.
fn call_of(key: &Key, word: &str) -> Option<String> {
    let calls = key.ty.calls();
    let names = key.legal_words().iter().copied().chain(calls.iter().map(|call| call.name));
    let near = closest(word, names)?;
    let call = calls.iter().find(|call| call.name == near)?;
    let example = numbered(call, word).unwrap_or_else(|| call.as_value_of(key.ty));
    Some(if near == word { format!("`{example}`") } else { format!("did you mean `{example}`?") })
}

/// `random-0.3` as the call `random(0.3)`, if the call takes such a number.
fn numbered(call: &Construct, word: &str) -> Option<String> {
    let (_, tail) = word.rsplit_once('-')?;
    called_with(call, tail.parse().ok()?)
}

/// The call with this number as its one required argument; `None` if it has another one, or the number does not fit.
fn called_with(call: &Construct, x: f64) -> Option<String> {
    let key = call.only_required()?;
    let value = Value::new(ValueKind::Number(x));
    is_legal(call, key, &value).then(|| format!("{}({value})", call.name))
}

/// The split that a number by itself means: a share that is held out, or so many folds.
pub(crate) fn split_of(x: f64) -> String {
    let fitting = [&RANDOM, &FOLDS].into_iter().find_map(|split| called_with(split, x));
    fitting.unwrap_or_else(|| RANDOM.example())
}

/// Returns a suggestion for a word `w` that does not fit `key`.
fn word_help(construct: &Construct, key: &Key, w: &str) -> String {
    let legal = key.legal_words();
    if let (None, Some(call)) = (habits::python(w), call_of(key, w)) {
        return call;
    }
    let is_step = STEPS.iter().any(|step| step.name == construct.name);
    match (habits::python(w), key.ty, key.quoted(w)) {
        (Some("none"), ..) if !legal.contains(&"none") && !key.required => format!("nothing: remove `{}`", key.name),
        (Some(On::WORD), Type::Weights, _) => format!("`{}`", word::pretrained.0),
        (Some(Off::WORD), Type::Weights, _) => format!("`{}`", word::none.0),
        _ if !legal.is_empty() => habits::word_help(w, legal),
        (.., Some(quoted)) => format!("`{quoted}`"),
        _ if is_step && key.ty != Type::Texts => format!("bind `{w}` first: `let {w} = ..;`"),
        _ => {
            let takes = |c: &&Construct| c.key(key.name).is_some_and(|(_, k)| k.legal_words().contains(&w));
            match constructs().find(takes) {
                Some(other) => format!("{}; `{w}` is for `{}`", example(key), other.name),
                None if is_step => example(key),
                None => format!("{}; names are bound in `train` only", example(key)),
            }
        }
    }
}

/// Returns a suggestion for a string where none fits `key`: the same without quotes, unless that does not fit either.
fn unquoted(construct: &Construct, key: &Key, text: &str) -> String {
    match read_value(text) {
        Ok(value)
            if matches!(value.kind, ValueKind::Number(_) | ValueKind::Word(_)) && is_legal(construct, key, &value) =>
        {
            format!("without quotes: `{text}`")
        }
        Ok(_) => near_word(key, text),
        Err(found) => {
            let wrong = found.iter().find(|d| d.code.id == c::LITERAL.id);
            wrong.and_then(|d| Some(format!("{}; {}", d.message, d.help.as_ref()?))).unwrap_or_else(|| example(key))
        }
    }
}

/// A word that fits `key` and is like this one, or an example.
fn near_word(key: &Key, word: &str) -> String {
    habits::meant_word(word, key.legal_words()).map_or_else(|| example(key), |near| format!("did you mean `{near}`?"))
}

/// "for instance `224`"
fn example(key: &Key) -> String {
    format!("for instance `{}`", key.instance())
}

fn whole_in_range(key: &Key, x: f64, site: Site, out: &mut Diagnostics) -> bool {
    if x.fract() != 0.0 {
        let help = format!("`{}`", nearest_whole(key, x));
        out.error(&c::NOT_WHOLE, site, format!("`{}` is a whole number, got {}", key.name, number(x)), help);
        return false;
    }
    in_range(key, x, site, out)
}

/// The whole number in the key's range that is nearest to `x`.
fn nearest_whole(key: &Key, x: f64) -> String {
    number(key.range.map_or(x, |range| x.clamp(range.lo, range.hi)).round())
}

fn in_range(key: &Key, x: f64, site: Site, out: &mut Diagnostics) -> bool {
    match key.range {
        Some(range) => range_ok(key.name, &range, x, site, out),
        None => true,
    }
}

/// Reports a list that is too long, once, at the first item that is too much.
pub(crate) fn length_ok(name: &str, items: &[Value], site: Site, out: &mut Diagnostics) -> bool {
    let Some(first) = items.get(MAX_ITEMS) else { return true };
    let site = if first.site == Site::NONE { site } else { first.site };
    let message = format!("`{name}` lists at most {MAX_ITEMS} items, got {}", items.len());
    out.error(&c::OUT_OF_RANGE, site, message, "remove this item and those after it");
    false
}

/// Reports a number outside its range; the help names the nearest legal number where that makes sense.
pub(crate) fn range_ok(name: &str, range: &Range, x: f64, site: Site, out: &mut Diagnostics) -> bool {
    if range.holds(x) {
        return true;
    }
    let mut error = Diagnostic::error(&c::OUT_OF_RANGE, site, format!("`{name}` must be {range}, got {}", number(x)));
    error = match name {
        "share" if x > 1.0 && x < 100.0 => error.help(format!("a share, not per cent: `{}`", x / 100.0)),
        "batch" if x < 2.0 => error.help("`batch: 2` or more").note("batch norm needs at least 2 images in a batch"),
        "max_zoom" if x < 1.0 => {
            error.help("a factor of at least `1.0`").note("images smaller than the square could not fill it")
        }
        _ if range.lo_in && x < range.lo => error.help(format!("at least `{}`", number(range.lo))),
        _ if range.hi_in && x > range.hi => error.help(format!("at most `{}`", number(range.hi))),
        _ if x <= range.lo => error.help(format!("above `{}`", number(range.lo))),
        _ => error.help(format!("below `{}`", number(range.hi))),
    };
    out.push(error);
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::SECTIONS;
    use crate::syntax::parse_value;

    #[test]
    fn every_example_fits_its_own_key() {
        for (construct, key) in constructs().flat_map(|c| c.keys.iter().map(move |key| (c, key))) {
            let example = parse_value(&key.instance()).expect("an example is a value");
            let mut out = Diagnostics::default();
            assert!(fits(construct, key, &example, &mut out), "{}: {}: {out:?}", construct.name, key.name);
        }
    }

    /// Only the arguments of steps may name what `let` binds.
    #[test]
    fn no_other_construct_is_called_like_a_step() {
        let names: Vec<&str> = constructs().map(|c| c.name).collect();
        for step in STEPS {
            assert_eq!(names.iter().filter(|name| **name == step.name).count(), 1, "{}", step.name);
        }
    }

    #[test]
    fn every_default_fits_its_own_key() {
        for (construct, key) in constructs().flat_map(|c| c.keys.iter().map(move |key| (c, key))) {
            let Some(default) = key.default_value() else { continue };
            let mut out = Diagnostics::default();
            assert!(fits(construct, key, default, &mut out), "{}: {}: {out:?}", construct.name, key.name);
            assert!(!key.required, "{}: {} must be given and has a default", construct.name, key.name);
        }
        for section in SECTIONS {
            if let (Some(range), Some(default)) = (section.range, section.default) {
                assert!(range.holds(default.parse().unwrap()), "{}", section.name);
            }
            if let ([_, ..], Some(default)) = (section.words, section.default) {
                assert!(section.words.contains(&default), "{}", section.name);
            }
        }
    }
}
