//! The names that are bound, and what the recipe has unrolled to.

use std::collections::{HashMap, HashSet};

use super::{MAX_TEXT, MAX_VALUES};
use crate::catalog as c;
use crate::diagnostic::{Diagnostics, Site};
use crate::draft::{Name, Value, ValueKind};
use crate::suggest::did_you_mean;

/// The most names, innermost first, among which a misspelt one is searched.
const NEAREST: usize = 64;

#[derive(Debug)]
struct Binding {
    name: Name,
    value: Value,
    /// What a copy of the value takes.
    size: Size,
    read: bool,
}

/// What a value takes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    /// Itself and the values within it.
    pub(super) values: usize,
    /// Bytes of its strings.
    pub(super) text: usize,
}

impl Size {
    pub(super) fn of(value: &Value) -> Self {
        let one = Size { values: 1, text: 0 };
        let all = |values: &mut dyn Iterator<Item = &Value>| values.fold(one, |sum, value| sum.and(Size::of(value)));
        match &value.kind {
            ValueKind::Text(text) | ValueKind::Word(text) | ValueKind::Const(text) => Size { text: text.len(), ..one },
            ValueKind::List(items) => all(&mut items.iter()),
            ValueKind::Call(_, args) => all(&mut args.iter().map(|a| &a.value)),
            ValueKind::Block(_, entries) => all(&mut entries.iter().map(|e| &e.value)),
            ValueKind::Negate(inner) => one.and(Size::of(inner)),
            ValueKind::Binary(_, a, b) => one.and(Size::of(a)).and(Size::of(b)),
            ValueKind::Number(_) | ValueKind::Rate(_) | ValueKind::Broken => one,
        }
    }

    fn and(self, other: Size) -> Self {
        Size { values: self.values.saturating_add(other.values), text: self.text.saturating_add(other.text) }
    }
}

#[derive(Debug)]
pub(super) struct Scope<'o> {
    bindings: Vec<Binding>,
    /// Positions in `bindings` by name, outermost first.
    by_name: HashMap<String, Vec<usize>>,
    /// What was unrolled so far.
    spent: Size,
    /// Whether a limit was exceeded, after which everything is broken.
    pub(super) full: bool,
    /// The names that nothing reads, each place once.
    pub(super) unused: Vec<Name>,
    known_unused: HashSet<Site>,
    /// Where findings go.
    pub(super) out: &'o mut Diagnostics,
}

impl<'o> Scope<'o> {
    pub(super) fn new(out: &'o mut Diagnostics) -> Self {
        Scope {
            bindings: Vec::new(),
            by_name: HashMap::new(),
            spent: Size::default(),
            full: false,
            unused: Vec::new(),
            known_unused: HashSet::new(),
            out,
        }
    }

    /// The number of names that are bound, to which [`leave`](Self::leave) goes back.
    pub(super) fn depth(&self) -> usize {
        self.bindings.len()
    }

    /// Unbinds the names that were bound since this depth.
    pub(super) fn leave(&mut self, depth: usize) {
        for binding in self.bindings.drain(depth..).rev() {
            self.by_name.entry(binding.name.text.clone()).or_default().pop();
            if !binding.read
                && !binding.name.text.starts_with('_')
                && (binding.name.site == Site::NONE || self.known_unused.insert(binding.name.site))
            {
                self.unused.push(binding.name);
            }
        }
    }

    /// Binds a name. It counts as `read` from the start if it is a loop's (a loop may only repeat), or its value is broken.
    pub(super) fn enter(&mut self, name: &Name, value: Value, read: bool) {
        self.by_name.entry(name.text.clone()).or_default().push(self.bindings.len());
        self.bindings.push(Binding { name: name.clone(), size: Size::of(&value), value, read });
    }

    /// Counts what is unrolled at `site`; false if that is more than a recipe may unroll to.
    pub(super) fn spend(&mut self, size: Size, site: Site) -> bool {
        if self.full {
            return false;
        }
        self.spent = self.spent.and(size);
        let limit = match self.spent {
            Size { values, .. } if values > MAX_VALUES => format!("more than {MAX_VALUES} values"),
            Size { text, .. } if text > MAX_TEXT => format!("more than {} MiB of strings", MAX_TEXT >> 20),
            _ => return true,
        };
        self.overflow(limit, site);
        false
    }

    pub(super) fn overflow(&mut self, limit: String, site: Site) {
        if !std::mem::replace(&mut self.full, true) {
            let message = format!("the recipe unrolls to {limit}");
            self.out.error(&c::OUT_OF_RANGE, site, message, "loop less often, over shorter lists");
        }
    }

    /// The value as it is written.
    pub(super) fn copy(&mut self, value: &Value) -> Value {
        match self.spend(Size::of(value), value.site) {
            true => value.clone(),
            false => Value { kind: ValueKind::Broken, site: value.site },
        }
    }

    /// Whether the name is bound, or was.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The value that is bound to `word`, copied to `site`.
    pub(super) fn lookup(&mut self, word: &str, site: Site) -> Option<Value> {
        let at = *self.by_name.get(word)?.last()?;
        self.bindings[at].read = true;
        let copied = self.spend(self.bindings[at].size, site);
        Some(if copied { self.bindings[at].value.clone() } else { Value { kind: ValueKind::Broken, site } })
    }

    /// The innermost names.
    pub(super) fn nearest(&self) -> impl Iterator<Item = &str> + Clone {
        self.bindings.iter().rev().take(NEAREST).map(|b| b.name.text.as_str())
    }

    /// The help about a name that nothing binds.
    pub(super) fn names_help(&self, name: &str) -> String {
        match self.bindings.is_empty() {
            true => format!("bind it first: `let {name} = {};`", likely(name)),
            false => did_you_mean(name, self.nearest()),
        }
    }
}

/// A value that a name suggests, for helps: a size, or a learning rate.
fn likely(name: &str) -> &'static str {
    let lower = name.to_lowercase();
    match ["sz", "size", "px"].iter().any(|part| lower.contains(part)) {
        true => "224",
        false => "1e-2",
    }
}
