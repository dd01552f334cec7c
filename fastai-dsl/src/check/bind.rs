//! Fits what was written to a construct of the registry: names, kinds, ranges, what is missing or doubled.

use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Arg, Entry, Name, Value, ValueKind, number};
use crate::rate::Rate;
use crate::schema::{Construct, Key, Range, Type};
use crate::suggest::{did_you_mean, list};

/// The values of a construct's keys, by their index in the registry.
pub(super) struct Bound<'d> {
    construct: &'static Construct,
    values: Vec<Option<&'d Value>>,
}

impl<'d> Bound<'d> {
    /// The value that was given for `key`, if it is of the right kind.
    pub(super) fn get(&self, key: &str) -> Option<&'d Value> {
        let (i, _) = self.construct.key(key)?;
        self.values[i].filter(|v| v.kind != ValueKind::Broken)
    }

    pub(super) fn site(&self, key: &str, fallback: Site) -> Site {
        self.get(key).map_or(fallback, |v| v.site)
    }

    pub(super) fn text(&self, key: &str) -> Option<&'d str> {
        match &self.get(key)?.kind {
            ValueKind::Text(s) => Some(s),
            _ => None,
        }
    }

    pub(super) fn number(&self, key: &str) -> Option<f64> {
        match self.get(key)?.kind {
            ValueKind::Number(x) => Some(x),
            // A constant's value is checked while compiling and again when the recipe is built.
            ValueKind::Const(_) => self.construct.key(key).map(|(_, k)| stand_in(k)),
            _ => None,
        }
    }

    pub(super) fn count(&self, key: &str) -> Option<u32> {
        self.number(key).map(|x| x as u32)
    }

    pub(super) fn word(&self, key: &str) -> Option<&'d str> {
        match &self.get(key)?.kind {
            ValueKind::Word(w) => Some(w),
            _ => None,
        }
    }

    pub(super) fn switch(&self, key: &str) -> Option<bool> {
        self.word(key).map(|w| w == "on")
    }

    /// A number, or a list of them.
    pub(super) fn numbers(&self, key: &str) -> Option<Vec<f64>> {
        match &self.get(key)?.kind {
            ValueKind::Number(x) => Some(vec![*x]),
            ValueKind::List(items) => Some(items.iter().filter_map(as_number).collect()),
            _ => None,
        }
    }

    pub(super) fn rates(&self, key: &str) -> Option<Vec<Rate>> {
        match &self.get(key)?.kind {
            ValueKind::List(items) => Some(items.iter().filter_map(as_rate).collect()),
            _ => Some(vec![as_rate(self.get(key)?)?]),
        }
    }
}

fn as_number(value: &Value) -> Option<f64> {
    match value.kind {
        ValueKind::Number(x) => Some(x),
        _ => None,
    }
}

fn as_rate(value: &Value) -> Option<Rate> {
    match value.kind {
        ValueKind::Number(x) => Some(Rate::from(x)),
        ValueKind::Rate(r) => Some(r),
        ValueKind::Const(_) => Some(Rate::from(1e-3)),
        _ => None,
    }
}

/// A legal number that stands for a constant whose value is not known while checking.
fn stand_in(key: &Key) -> f64 {
    match key.range {
        Some(r) if r.lo_in => r.lo.max(if key.name == "size" { 224.0 } else { r.lo }),
        Some(r) => r.lo + (r.hi - r.lo).min(1.0) / 2.0,
        None => 1.0,
    }
}

/// Fits `key: value` entries.
pub(super) fn entries<'d>(
    construct: &'static Construct,
    word: &Name,
    entries: &'d [Entry],
    out: &mut Diagnostics,
) -> Bound<'d> {
    let mut bound = Bound { construct, values: vec![None; construct.keys.len()] };
    let mut first: Vec<Option<Site>> = vec![None; construct.keys.len()];
    for entry in entries.iter().filter(|e| !e.key.text.is_empty()) {
        let Some((i, key)) = construct.key(&entry.key.text) else {
            out.push(
                Diagnostic::error(
                    &c::UNKNOWN_KEY,
                    entry.key.site,
                    format!("`{}` has no key `{}`", word.text, entry.key.text),
                )
                .help(did_you_mean(&entry.key.text, construct.keys.iter().map(|k| k.name))),
            );
            continue;
        };
        if let Some(site) = first[i] {
            out.push(twice(&format!("key `{}`", key.name), entry.key.site, site));
            continue;
        }
        first[i] = Some(entry.key.site);
        if fits(key, &entry.value, out) {
            bound.values[i] = Some(&entry.value);
        }
    }
    let unread = entries.iter().any(|e| e.key.text.is_empty());
    for (i, key) in construct.keys.iter().enumerate() {
        if key.required && first[i].is_none() && !unread {
            out.push(
                Diagnostic::error(&c::MISSING_KEY, word.site, format!("`{}` needs `{}`", word.text, key.name))
                    .help(format!("`{}: ..` ({})", key.name, key.ty.expected()))
                    .note(key.doc.trim().to_string()),
            );
        }
    }
    bound
}

/// Fits arguments: named ones leave the list of parameters, positional ones fill the rest in order.
pub(super) fn args<'d>(
    construct: &'static Construct,
    word: &Name,
    site: Site,
    args: &'d [Arg],
    out: &mut Diagnostics,
) -> Bound<'d> {
    let mut bound = Bound { construct, values: vec![None; construct.keys.len()] };
    let mut first: Vec<Option<Site>> = vec![None; construct.keys.len()];
    let mut place = |i: usize, value: &'d Value, out: &mut Diagnostics| {
        if fits(&construct.keys[i], value, out) {
            bound.values[i] = Some(value);
        }
    };
    for arg in args {
        let Some(name) = &arg.name else { continue };
        let Some((i, key)) = construct.key(&name.text) else {
            let help = if construct.keys.is_empty() {
                format!("`{}()` takes none", word.text)
            } else {
                special_argument(&word.text, &name.text)
                    .unwrap_or_else(|| did_you_mean(&name.text, construct.keys.iter().map(|k| k.name)))
            };
            out.push(
                Diagnostic::error(
                    &c::UNKNOWN_ARGUMENT,
                    name.site,
                    format!("`{}` has no argument `{}`", word.text, name.text),
                )
                .help(help),
            );
            continue;
        };
        if let Some(before) = first[i] {
            out.push(twice(&format!("argument `{}`", key.name), name.site, before));
            continue;
        }
        first[i] = Some(name.site);
        place(i, &arg.value, out);
    }
    let mut next = 0;
    for arg in args.iter().filter(|a| a.name.is_none()) {
        while next < construct.keys.len() && first[next].is_some() {
            next += 1;
        }
        if next == construct.keys.len() {
            let help = match construct.keys.len() {
                0 => format!("`{}()` takes none", word.text),
                _ => format!("`{}`", construct.signature()),
            };
            out.push(
                Diagnostic::error(&c::TOO_MANY, arg.value.site, format!("too many arguments for `{}`", word.text))
                    .help(help),
            );
            break;
        }
        first[next] = Some(arg.value.site);
        place(next, &arg.value, out);
    }
    for (i, key) in construct.keys.iter().enumerate() {
        if key.required && first[i].is_none() {
            out.push(
                Diagnostic::error(&c::MISSING_KEY, site, format!("`{}` needs `{}`", word.text, key.name))
                    .help(format!("`{}`, where `{}` is {}", construct.signature(), key.name, key.ty.expected()))
                    .note(key.doc.trim().to_string()),
            );
        }
    }
    bound
}

fn twice(what: &str, site: Site, first: Site) -> Diagnostic {
    Diagnostic::error(&c::TWICE, site, format!("{what} is given twice"))
        .help("remove one of them")
        .also(first, "first given here")
}

fn special_argument(step: &str, argument: &str) -> Option<String> {
    match (step, argument) {
        ("fit", "n_cycle" | "epochs" | "n_cycles") => {
            Some("`cycles`, or just the second argument: `fit(lr, 3)`".into())
        }
        ("fit", "lr" | "rate") => Some("`lrs`, or just the first argument: `fit(lr, 3)`".into()),
        ("fit", "wd" | "weight_decay") => Some("`wds`".into()),
        ("lr_find", "start_lr" | "end_lr") => Some(format!("`{}`", argument.trim_end_matches("_lr"))),
        ("tta", "n") => Some("`n_aug`".into()),
        _ => None,
    }
}

/// Whether the value is of the key's kind; reports what is not.
fn fits(key: &Key, value: &Value, out: &mut Diagnostics) -> bool {
    let wrong = |value: &Value, out: &mut Diagnostics| {
        let expected = match key.words {
            [] => key.ty.expected().to_string(),
            words => format!("one of {}", list(words.iter().copied())),
        };
        let code = if matches!(value.kind, ValueKind::Word(_)) && matches!(key.ty, Type::Word | Type::Switch) {
            &c::UNKNOWN_WORD
        } else {
            &c::WRONG_TYPE
        };
        let mut error = Diagnostic::error(
            code,
            value.site,
            format!("`{}` expects {expected}, got {}", key.name, value.kind_name()),
        );
        match &value.kind {
            ValueKind::Word(w) if key.ty == Type::Switch => {
                let on = matches!(w.as_str(), "True" | "true" | "yes");
                error = error.help(format!("`{}`", if on { "on" } else { "off" }));
            }
            ValueKind::Word(w) if !key.words.is_empty() => {
                error = error.help(did_you_mean(w, key.words.iter().copied()));
            }
            ValueKind::Word(w) if matches!(key.ty, Type::Text | Type::Column) => {
                error = error.help(format!("`\"{w}\"`"))
            }
            ValueKind::Word(w) => error = error.help(format!("bind `{w}` first: `let {w} = ..;`")),
            ValueKind::Text(s) if s.parse::<f64>().is_ok() => error = error.help(format!("without quotes: `{s}`")),
            _ if key.ty == Type::Text => error = error.help(format!("`\"{value}\"`")),
            _ => error = error.help_if(key.default.map(|d| format!("for instance `{d}`"))),
        }
        out.push(error);
        false
    };
    match (&value.kind, key.ty) {
        (ValueKind::Broken, _) => false,
        (ValueKind::Text(_), Type::Text | Type::Column | Type::Split | Type::Weights) => true,
        (ValueKind::Number(x), Type::Count | Type::Column) => {
            whole(key, *x, value.site, out) && in_range(key, *x, value.site, out)
        }
        (ValueKind::Number(x), Type::Number | Type::Threshold | Type::Zoom) => in_range(key, *x, value.site, out),
        (ValueKind::Number(x), Type::Numbers | Type::Rate | Type::Rates) => in_range(key, *x, value.site, out),
        (ValueKind::Number(_), Type::Counts) => {
            out.push(
                Diagnostic::error(&c::WRONG_TYPE, value.site, format!("`{}` expects {}", key.name, key.ty.expected()))
                    .help(format!("`[{value}]`")),
            );
            false
        }
        (ValueKind::Const(_), Type::Count | Type::Number | Type::Rate | Type::Rates | Type::Threshold | Type::Zoom) => {
            true
        }
        (ValueKind::Rate(_), Type::Rate | Type::Rates) => true,
        (ValueKind::Word(w), Type::Switch) if matches!(w.as_str(), "on" | "off") => true,
        (ValueKind::Word(w), Type::Word) if key.words.contains(&w.as_str()) => true,
        (ValueKind::Word(w), Type::Weights) if matches!(w.as_str(), "pretrained" | "none") => true,
        (ValueKind::Word(w), Type::Threshold) if w == "search" => true,
        (ValueKind::Word(w), Type::Split) if matches!(w.as_str(), "all" | "none") => true,
        (ValueKind::Call(..), Type::Split) => true,
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
        (ValueKind::List(items), Type::Numbers | Type::Counts | Type::Rates) => {
            // Not `all`, which would stop at the first mistake.
            items.iter().fold(true, |good, v| {
                good & match (&v.kind, key.ty) {
                    (ValueKind::Number(x), Type::Counts) => {
                        whole(key, *x, v.site, out) && in_range(key, *x, v.site, out)
                    }
                    (ValueKind::Number(x), _) => in_range(key, *x, v.site, out),
                    (ValueKind::Rate(_) | ValueKind::Const(_), Type::Rates) => true,
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
        out.push(
            Diagnostic::error(&c::NOT_WHOLE, site, format!("`{}` is a whole number, got {}", key.name, number(x)))
                .help(format!("`{}`", number(x.round()))),
        );
    }
    x.fract() == 0.0
}

fn in_range(key: &Key, x: f64, site: Site, out: &mut Diagnostics) -> bool {
    match key.range {
        Some(range) => range_ok(key.name, &range, x, site, out),
        None => true,
    }
}

/// Reports a number outside of its range; the help is the nearest legal one where that makes sense.
pub(super) fn range_ok(name: &str, range: &Range, x: f64, site: Site, out: &mut Diagnostics) -> bool {
    if range.holds(x) {
        return true;
    }
    let mut error = Diagnostic::error(&c::OUT_OF_RANGE, site, format!("`{name}` must be {range}, got {}", number(x)));
    error = match name {
        "share" if x > 1.0 && x < 100.0 => error.help(format!("a share, not per cent: `{}`", x / 100.0)),
        "batch" => error.help("batch norm needs at least 2 images in a batch: `batch: 2` or more"),
        "max_zoom" if x < 1.0 => error.help("a factor of at least 1: smaller images could not fill the square"),
        _ if range.lo_in && x < range.lo => error.help(format!("at least `{}`", number(range.lo))),
        _ if range.hi_in && x > range.hi => error.help(format!("at most `{}`", number(range.hi))),
        _ if x <= range.lo => error.help(format!("a number above {}", number(range.lo))),
        _ => error.help(format!("a number below {}", number(range.hi))),
    };
    out.push(error);
    false
}
