//! The unchecked recipe that a front end reads or a builder collects. It may hold anything that can be written.

mod value;

use std::collections::HashSet;

pub use crate::catalog::LintLevel;
use crate::diagnostic::Site;
pub(crate) use value::commas;
pub use value::{Arg, Op, Value, ValueKind, number};

/// An unchecked recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The type name.
    pub name: Name,
    /// The doc comment.
    pub doc: Option<String>,
    /// `#[allow(..)]`, `#[warn(..)]`, `#[deny(..)]` on the whole recipe.
    pub lints: Vec<LintAttr>,
    /// The sections but `train`, in order.
    pub sections: Vec<Entry>,
    /// The steps; `None` without `train`.
    pub train: Option<Train>,
}

/// A word with its site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The text.
    pub text: String,
    /// The place.
    pub site: Site,
}

impl Name {
    /// A name from a builder call.
    pub fn new(text: impl Into<String>) -> Self {
        Name { text: text.into(), site: Site::NONE }
    }
}

/// The `train` section.
#[derive(Clone, Debug, PartialEq)]
pub struct Train {
    /// The key `train`.
    pub key: Name,
    /// Lint levels on the section.
    pub lints: Vec<LintAttr>,
    /// The statements.
    pub body: Vec<Stmt>,
    /// Whether a statement could not be parsed, so that an empty body is no mistake of its own.
    pub broken: bool,
}

/// `key: value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key; empty if none could be parsed, in which case nothing is reported as missing.
    pub key: Name,
    /// Lint levels on the entry.
    pub lints: Vec<LintAttr>,
    /// The value.
    pub value: Value,
}

/// `#[allow(name)]`, `#[warn(name)]` or `#[deny(name)]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LintAttr {
    /// The level.
    pub level: LintLevel,
    /// The lint.
    pub name: Name,
}

/// A statement of `train`.
#[derive(Clone, Debug, PartialEq)]
pub enum Stmt {
    /// `let name = value;`
    Let {
        /// The name.
        name: Name,
        /// The value.
        value: Value,
    },
    /// `for name in [..] { .. }`
    For {
        /// The loop's name.
        name: Name,
        /// The list.
        list: Value,
        /// The body.
        body: Vec<Stmt>,
    },
    /// `word(args);`
    Step(StepCall),
}

/// A call of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepCall {
    /// The step's word.
    pub word: Name,
    /// Its arguments.
    pub args: Vec<Arg>,
    /// Lint levels on the step.
    pub lints: Vec<LintAttr>,
    /// The place of the whole call.
    pub site: Site,
    /// The rounds of the loops that it was unrolled from, `size = 128`; empty outside loops.
    pub rounds: Vec<String>,
    /// The name that a `let` binds to the step's result (`lr_find` only).
    pub binds: Option<Name>,
}

impl StepCall {
    /// A call without lint levels, outside of loops, whose result nothing binds.
    pub fn new(word: Name, args: Vec<Arg>, site: Site) -> Self {
        StepCall { word, args, lints: Vec::new(), site, rounds: Vec::new(), binds: None }
    }

    /// Whether the step is a `freeze_to` of the last layer group, written as a number: it then says what `freeze()` says.
    pub fn trains_only_head(&self) -> bool {
        let head = [-1.0, (crate::arch::GROUPS - 1) as f64];
        let [only] = self.args.as_slice() else { return false };
        self.word.text == "freeze_to" && matches!(only.value.kind, ValueKind::Number(group) if head.contains(&group))
    }
}

impl Draft {
    /// The section of that name, the first if it is given twice.
    pub fn section(&self, name: &str) -> Option<&Entry> {
        self.sections.iter().find(|e| e.key.text == name)
    }

    /// The names that `let` and `for` bind anywhere in `train`.
    pub(crate) fn bound_names(&self) -> HashSet<String> {
        fn names(body: &[Stmt], found: &mut HashSet<String>) {
            for stmt in body {
                match stmt {
                    Stmt::Let { name, .. } => {
                        found.insert(name.text.clone());
                    }
                    Stmt::For { name, body, .. } => {
                        found.insert(name.text.clone());
                        names(body, found);
                    }
                    Stmt::Step(_) => {}
                }
            }
        }
        let mut found = HashSet::new();
        self.train.iter().for_each(|train| names(&train.body, &mut found));
        found
    }

    /// Whether the draft contains a Rust constant.
    pub fn has_constant(&self) -> bool {
        let of_step = |stmt: &Stmt| match stmt {
            Stmt::Step(call) => call.args.iter().any(|a| a.value.has_constant()),
            // In a flat draft the steps contain the bound values.
            Stmt::Let { .. } | Stmt::For { .. } => false,
        };
        self.sections.iter().any(|e| e.value.has_constant()) || self.train.iter().flat_map(|t| &t.body).any(of_step)
    }

    /// A draft that has only a name, for the stub of an unparsed recipe.
    pub fn empty(name: impl Into<String>) -> Self {
        Draft { name: Name::new(name), doc: None, lints: Vec::new(), sections: Vec::new(), train: None }
    }

    /// Calls `f` on every value, inner ones first.
    pub fn for_each_value(&mut self, f: &mut impl FnMut(&mut Value)) {
        fn statements(body: &mut [Stmt], f: &mut impl FnMut(&mut Value)) {
            for stmt in body {
                match stmt {
                    Stmt::Let { value, .. } => value.for_each(f),
                    Stmt::For { list, body, .. } => {
                        list.for_each(f);
                        statements(body, f);
                    }
                    Stmt::Step(call) => call.args.iter_mut().for_each(|a| a.value.for_each(f)),
                }
            }
        }
        self.sections.iter_mut().for_each(|e| e.value.for_each(f));
        if let Some(train) = &mut self.train {
            statements(&mut train.body, f);
        }
    }

    /// Removes all sites, so that two drafts can be compared by content.
    pub fn forget_sites(&mut self) {
        self.name.site = Site::NONE;
        put_lints_at(&mut self.lints, Site::NONE);
        for entry in &mut self.sections {
            entry.put_at(Site::NONE);
            entry.value.relocate(Site::NONE);
        }
        if let Some(train) = &mut self.train {
            train.key.site = Site::NONE;
            put_lints_at(&mut train.lints, Site::NONE);
            relocate(&mut train.body, Site::NONE);
        }
    }
}

impl Entry {
    /// Puts the key and its lint levels at one place.
    fn put_at(&mut self, site: Site) {
        self.key.site = site;
        put_lints_at(&mut self.lints, site);
    }
}

fn put_lints_at(lints: &mut [LintAttr], site: Site) {
    lints.iter_mut().for_each(|l| l.name.site = site);
}

/// Puts statements and everything in them at one place.
pub(crate) fn relocate(body: &mut [Stmt], site: Site) {
    for stmt in body {
        match stmt {
            Stmt::Let { name, value } => {
                name.site = site;
                value.relocate(site);
            }
            Stmt::For { name, list, body } => {
                name.site = site;
                list.relocate(site);
                relocate(body, site);
            }
            Stmt::Step(call) => {
                (call.site, call.word.site) = (site, site);
                put_lints_at(&mut call.lints, site);
                for arg in &mut call.args {
                    arg.name.iter_mut().for_each(|name| name.site = site);
                    arg.value.relocate(site);
                }
            }
        }
    }
}
