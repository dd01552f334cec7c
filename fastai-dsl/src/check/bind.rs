//! Matches entries and arguments with a construct of the registry: names, kinds, ranges, missing and doubled keys.

use crate::bound::Bound;
use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Arg, Entry, Name, Value, ValueKind, number};
use crate::habits;
use crate::help;
use crate::schema::{Construct, FOLDS, Key, MAX_ITEMS, RANDOM, Range, STEPS, Type, constructs};
use crate::suggest::{closest, list};
use crate::syntax::read_value;
use crate::word::{self, Off, On};

/// How the values of a construct are written.
#[derive(Clone, Copy)]
enum Form {
    /// `key: value` in braces.
    Entries,
    /// `argument = value` in parentheses, or the value alone.
    Arguments,
}

impl Form {
    /// What the names stand for.
    fn noun(self) -> &'static str {
        match self {
            Form::Entries => "key",
            Form::Arguments => "argument",
        }
    }

    /// The error of a name that the construct does not have.
    fn unknown(self) -> &'static c::Code {
        match self {
            Form::Entries => &c::UNKNOWN_KEY,
            Form::Arguments => &c::UNKNOWN_ARGUMENT,
        }
    }

    /// What stands between a name and its value.
    fn separator(self) -> &'static str {
        match self {
            Form::Entries => ": ",
            Form::Arguments => " = ",
        }
    }
}

/// The keys of a construct while values are matched with them.
struct Matching<'d, 'w> {
    bound: Bound<'d>,
    /// The construct's word in the recipe.
    word: &'w Name,
    form: Form,
    /// The place at which each key is first given.
    first: Vec<Option<Site>>,
}

impl<'d, 'w> Matching<'d, 'w> {
    fn new(construct: &'static Construct, word: &'w Name, form: Form) -> Self {
        Matching { bound: Bound::new(construct), word, form, first: vec![None; construct.keys.len()] }
    }

    /// Matches a value with the key of that name; reports an unknown name, and a name that comes again.
    fn name(&mut self, name: &Name, value: &'d Value, out: &mut Diagnostics) {
        let (construct, noun) = (self.bound.construct(), self.form.noun());
        let Some((i, key)) = construct.key(&name.text) else {
            let text = format!("`{}` has no {noun} `{}`", self.word.text, name.text);
            let help = help::key_help(construct, &name.text, value, self.form.separator());
            out.error(self.form.unknown(), name.site, text, help);
            return;
        };
        if let Some(first) = self.first[i] {
            let text = format!("{noun} `{}` is given twice", key.name);
            let help = format!("keep one {noun} `{}`", key.name);
            out.error_beside(&c::TWICE, name.site, text, help, (first, "first given here"));
            return;
        }
        self.place(i, name.site, value, out);
    }

    /// Gives the key at index `i` its value, unless the value does not fit.
    fn place(&mut self, i: usize, site: Site, value: &'d Value, out: &mut Diagnostics) {
        self.first[i] = Some(site);
        let construct = self.bound.construct();
        if fits(construct, &construct.keys[i], value, out) {
            self.bound.set(i, value);
        }
    }

    /// A wrong name that plainly means a key takes that key's place, which is then neither missing nor filled by position.
    fn take_what_was_meant<'n>(&mut self, names: impl Iterator<Item = &'n Name>) {
        for name in names {
            if let Some(i) = help::meant(self.bound.construct(), &name.text)
                && self.first[i].is_none()
            {
                self.first[i] = Some(name.site);
            }
        }
    }

    /// Reports at `site` each key that must be given and is not.
    fn report_missing(&self, site: Site, help: impl Fn(&Key) -> String, out: &mut Diagnostics) {
        for (key, first) in self.bound.construct().keys.iter().zip(&self.first) {
            if key.required && first.is_none() {
                out.push(
                    Diagnostic::error(&c::MISSING_KEY, site, format!("`{}` needs `{}`", self.word.text, key.name))
                        .help(help(key))
                        .note(key.doc.trim().to_string()),
                );
            }
        }
    }

    fn finish(mut self) -> Bound<'d> {
        self.bound.note_given(self.first.iter().map(Option::is_some));
        self.bound
    }
}

/// Matches `key: value` entries with their construct.
pub(super) fn entries<'d>(
    construct: &'static Construct,
    word: &Name,
    entries: &'d [Entry],
    out: &mut Diagnostics,
) -> Bound<'d> {
    let mut matching = Matching::new(construct, word, Form::Entries);
    let named: Vec<&Entry> = entries.iter().filter(|e| !e.key.text.is_empty()).collect();
    for entry in &named {
        matching.name(&entry.key, &entry.value, out);
    }
    matching.take_what_was_meant(named.iter().map(|e| &e.key));
    // An entry that could not be read may be any key.
    if named.len() == entries.len() {
        matching.report_missing(word.site, |key| format!("`{}: {}`", key.name, key.instance()), out);
    }
    matching.finish()
}

/// Matches arguments with their construct: positional ones fill, in order, the parameters that no argument names.
pub(super) fn args<'d>(
    construct: &'static Construct,
    word: &Name,
    site: Site,
    args: &'d [Arg],
    out: &mut Diagnostics,
) -> Bound<'d> {
    let mut matching = Matching::new(construct, word, Form::Arguments);
    for arg in args {
        if let Some(name) = &arg.name {
            matching.name(name, &arg.value, out);
        }
    }
    matching.take_what_was_meant(args.iter().filter_map(|a| a.name.as_ref()));
    let mut next = 0;
    for arg in args.iter().filter(|a| a.name.is_none()) {
        while next < construct.keys.len() && matching.first[next].is_some() {
            next += 1;
        }
        if next == construct.keys.len() {
            let help = match construct.keys.len() {
                0 => format!("`{}()` takes none", word.text),
                _ => format!("`{}`", construct.signature()),
            };
            out.error(&c::TOO_MANY, arg.value.site, format!("too many arguments for `{}`", word.text), help);
            break;
        }
        matching.place(next, arg.value.site, &arg.value, out);
    }
    let help = |key: &Key| format!("`{}`, where `{}` is {}", construct.example(), key.name, key.ty.expected());
    matching.report_missing(site, help, out);
    matching.finish()
}

/// The call that a word at `key` lacks the arguments of, as it is often written; `None` if the word is none like a call's.
fn call_of(key: &Key, word: &str) -> Option<String> {
    let calls = key.ty.calls();
    let names = key.legal_words().iter().copied().chain(calls.iter().map(|call| call.name));
    let near = closest(word, names)?;
    let call = calls.iter().find(|call| call.name == near)?;
    let example = numbered(call, word).unwrap_or_else(|| call.example());
    let example = if key.ty == Type::Augment { format!("[{example}]") } else { example };
    Some(if near == word { format!("`{example}`") } else { format!("did you mean `{example}`?") })
}

/// `random-0.3` as the call `random(0.3)`, if the call takes such a number.
fn numbered(call: &Construct, word: &str) -> Option<String> {
    let (_, tail) = word.rsplit_once('-')?;
    called_with(call, tail.parse().ok()?)
}

/// The call with this number as its one required argument; `None` if it has another one, or the number does not fit.
fn called_with(call: &Construct, x: f64) -> Option<String> {
    let mut needed = call.keys.iter().filter(|key| key.required);
    let (Some(key), None) = (needed.next(), needed.next()) else { return None };
    let value = Value::new(ValueKind::Number(x));
    fits(call, key, &value, &mut Diagnostics::default()).then(|| format!("{}({value})", call.name))
}

/// The split that a number by itself means: a share that is held out, or so many folds.
fn split_of(x: f64) -> String {
    let fitting = [&RANDOM, &FOLDS].into_iter().find_map(|split| called_with(split, x));
    fitting.unwrap_or_else(|| RANDOM.example())
}

/// Returns a suggestion for a word `w` that does not fit `key`.
fn word_help(construct: &Construct, key: &Key, w: &str) -> String {
    let legal = key.legal_words();
    if let (None, Some(call)) = (habits::python(w), call_of(key, w)) {
        return call;
    }
    match (habits::python(w), key.ty) {
        (Some("none"), _) if !legal.contains(&"none") && !key.required => format!("nothing: remove `{}`", key.name),
        (Some(On::WORD), Type::Weights) => format!("`{}`", word::pretrained.0),
        (Some(Off::WORD), Type::Weights) => format!("`{}`", word::none.0),
        _ if !legal.is_empty() => habits::word_help(w, legal),
        (_, Type::Text | Type::Texts | Type::Column | Type::Columns) => format!("`\"{w}\"`"),
        _ if STEPS.iter().any(|step| step.name == construct.name) => format!("bind `{w}` first: `let {w} = ..;`"),
        _ => {
            let takes = |c: &&Construct| c.key(key.name).is_some_and(|(_, k)| k.legal_words().contains(&w));
            match constructs().find(takes) {
                Some(other) => format!("{}; `{w}` is for `{}`", example(key), other.name),
                None => format!("{}; names are bound in `train` only", example(key)),
            }
        }
    }
}

/// Returns a suggestion for a string where none fits `key`: the same without quotes, unless that does not fit either.
fn unquoted(construct: &Construct, key: &Key, text: &str) -> String {
    match read_value(text) {
        Ok(value)
            if matches!(value.kind, ValueKind::Number(_) | ValueKind::Word(_))
                && fits(construct, key, &value, &mut Diagnostics::default()) =>
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

/// Checks the kind of a value and reports mismatches.
fn fits(construct: &Construct, key: &Key, value: &Value, out: &mut Diagnostics) -> bool {
    let wrong = |value: &Value, out: &mut Diagnostics| {
        let expected = match key.words {
            [] => key.ty.expected().to_string(),
            words => format!("one of {}", list(words.iter().copied())),
        };
        let code =
            if matches!(value.kind, ValueKind::Word(_)) && matches!(key.ty, Type::Word | Type::Switch | Type::Stats) {
                &c::UNKNOWN_WORD
            } else {
                &c::WRONG_TYPE
            };
        let mut error = Diagnostic::error(
            code,
            value.site,
            format!("`{}` expects {expected}, got {}", key.name, value.kind_name()),
        );
        error = match &value.kind {
            ValueKind::Word(w) => error.help(word_help(construct, key, w)),
            ValueKind::Call(name, _) => error.help_if(
                habits::instead(&name.text)
                    .map(str::to_string)
                    .or_else(|| key.default.map(|d| format!("for instance `{d}`"))),
            ),
            ValueKind::Text(_) if key.ty == Type::Columns => error.help(format!("`[{value}]`")),
            ValueKind::Text(s) => error.help(unquoted(construct, key, s)),
            ValueKind::Block(name, _) => error.help(call_of(key, &name.text).unwrap_or_else(|| example(key))),
            _ if key.ty == Type::Text => error.help(format!("`\"{value}\"`")),
            ValueKind::Const(name) => error.help(near_word(key, name)),
            ValueKind::Number(x) if key.ty == Type::Split => error.help(format!("`{}`", split_of(*x))),
            _ => error.help(example(key)),
        };
        out.push(error);
        false
    };
    match (&value.kind, key.ty) {
        (ValueKind::Broken, _) => false,
        (ValueKind::List(items), ty) if ty != Type::Columns && !length_ok(key.name, items, value.site, out) => false,
        (ValueKind::Text(_), Type::Text | Type::Texts | Type::Column | Type::Split | Type::Weights) => true,
        (ValueKind::Number(x), Type::Count | Type::Column) => {
            whole(key, *x, value.site, out) && in_range(key, *x, value.site, out)
        }
        (ValueKind::Number(x), Type::Number | Type::Threshold | Type::Zoom) => in_range(key, *x, value.site, out),
        (ValueKind::Number(x), Type::Numbers | Type::Rate | Type::Rates) => in_range(key, *x, value.site, out),
        (ValueKind::Number(_), Type::Counts) => {
            let help = format!("`[{value}]`");
            out.error(&c::WRONG_TYPE, value.site, format!("`{}` expects {}", key.name, key.ty.expected()), help);
            false
        }
        (
            ValueKind::Const(_),
            Type::Count | Type::Number | Type::Numbers | Type::Rate | Type::Rates | Type::Threshold | Type::Zoom,
        ) => true,
        // Among texts only paths may be constants: the others follow rules that a constant's type cannot promise.
        (ValueKind::Const(_), Type::Weights) => true,
        (ValueKind::Const(_), Type::Text) if key.name == "root" => true,
        (ValueKind::Rate(_), Type::Rate | Type::Rates) => true,
        (ValueKind::Word(w), _) if key.legal_words().contains(&w.as_str()) => true,
        (ValueKind::Call(..), Type::Split | Type::Stats | Type::Extent) => true,
        // `augment` checks the parts one by one.
        (ValueKind::List(_), Type::Augment) => true,
        (ValueKind::List(items), Type::Zoom) => {
            if items.len() != 2 {
                return wrong(value, out);
            }
            items.iter().all(|v| match v.kind {
                ValueKind::Number(x) => in_range(key, x, v.site, out),
                ValueKind::Broken => false,
                _ => wrong(v, out),
            })
        }
        (ValueKind::List(items), Type::Texts | Type::Columns) if !items.is_empty() => {
            items.iter().fold(true, |good, v| {
                good & match (&v.kind, key.ty) {
                    (ValueKind::Text(_), _) => true,
                    (ValueKind::Number(x), Type::Columns) => {
                        whole(key, *x, v.site, out) && in_range(key, *x, v.site, out)
                    }
                    (ValueKind::Broken, _) => false,
                    _ => wrong(v, out),
                }
            })
        }
        (ValueKind::List(items), Type::Numbers | Type::Counts | Type::Rates) => {
            // `all` would stop at the first mistake.
            items.iter().fold(true, |good, v| {
                good & match (&v.kind, key.ty) {
                    (ValueKind::Number(x), Type::Counts) => {
                        whole(key, *x, v.site, out) && in_range(key, *x, v.site, out)
                    }
                    (ValueKind::Number(x), _) => in_range(key, *x, v.site, out),
                    (ValueKind::Rate(_), Type::Rates) | (ValueKind::Const(_), _) => true,
                    (ValueKind::Broken, _) => false,
                    _ => wrong(v, out),
                }
            })
        }
        _ => wrong(value, out),
    }
}

fn whole(key: &Key, x: f64, site: Site, out: &mut Diagnostics) -> bool {
    if x.fract() != 0.0 {
        let help = format!("`{}`", number(x.round()));
        out.error(&c::NOT_WHOLE, site, format!("`{}` is a whole number, got {}", key.name, number(x)), help);
    }
    x.fract() == 0.0
}

fn in_range(key: &Key, x: f64, site: Site, out: &mut Diagnostics) -> bool {
    match key.range {
        Some(range) => range_ok(key.name, &range, x, site, out),
        None => true,
    }
}

/// Reports a list that is too long, once, at the first item that is too much.
pub(super) fn length_ok(name: &str, items: &[Value], site: Site, out: &mut Diagnostics) -> bool {
    let Some(first) = items.get(MAX_ITEMS) else { return true };
    let site = if first.site == Site::NONE { site } else { first.site };
    let message = format!("`{name}` lists at most {MAX_ITEMS} items, got {}", items.len());
    out.error(&c::OUT_OF_RANGE, site, message, "remove this item and those after it");
    false
}

/// Reports a number outside its range; the help names the nearest legal number where that makes sense.
pub(super) fn range_ok(name: &str, range: &Range, x: f64, site: Site, out: &mut Diagnostics) -> bool {
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
