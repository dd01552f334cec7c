//! Matches entries and arguments with a construct of the registry: unknown, missing and doubled names.

use crate::bound::Bound;
use crate::catalog as c;
use crate::diagnostic::{Diagnostic, Diagnostics, Site};
use crate::draft::{Arg, Entry, Name, Value, ValueKind};
use crate::help;
use crate::legal::fits;
use crate::schema::{Construct, Key};

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

/// The call of a construct with arguments that are written for another name, if they fit it.
pub(super) fn renamed(construct: &'static Construct, written: &[Arg]) -> Option<String> {
    let (name, mut found) = (Name::new(construct.name), Diagnostics::default());
    args(construct, &name, Site::NONE, written, &mut found);
    let broken = written.iter().any(|arg| arg.value.kind == ValueKind::Broken);
    (!broken && !found.has_errors()).then(|| Value::new(ValueKind::Call(name, written.to_vec())).to_string())
}
