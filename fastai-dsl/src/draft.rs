//! The unchecked recipe that a front end reads or a builder collects. It may hold anything that can be written.

use std::collections::HashSet;
use std::fmt;

pub use crate::catalog::LintLevel;
use crate::diagnostic::Site;
use crate::rate::Rate;

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

/// A value with its site.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The kind of the value.
    pub kind: ValueKind,
    /// The place.
    pub site: Site,
}

/// The kind of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueKind {
    /// `224`, `1e-2`.
    Number(f64),
    /// `"train"`.
    Text(String),
    /// `random`, `on`, or the name of a `let`.
    Word(String),
    /// `random(0.2, seed = 42)`.
    Call(Name, Vec<Arg>),
    /// `csv { .. }`.
    Block(Name, Vec<Entry>),
    /// `[a, b]`.
    List(Vec<Value>),
    /// `-x`.
    Negate(Box<Value>),
    /// `a / b`.
    Binary(Op, Box<Value>, Box<Value>),
    /// A learning rate from a builder call or an evaluated `let`.
    Rate(Rate),
    /// The path of a Rust constant, `BATCH` or `config::BATCH`.
    Const(String),
    /// Text that could not be parsed; reported already, so the checks stay silent about it.
    Broken,
}

/// An arithmetic operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
}

impl Op {
    /// How closely it binds: products before sums.
    fn binds(self) -> u8 {
        match self {
            Op::Add | Op::Sub => 0,
            Op::Mul | Op::Div => 1,
        }
    }
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// The name, if the argument is named.
    pub name: Option<Name>,
    /// The value.
    pub value: Value,
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
        let lints = |lints: &mut [LintAttr]| lints.iter_mut().for_each(|l| l.name.site = Site::NONE);
        self.name.site = Site::NONE;
        lints(&mut self.lints);
        for entry in &mut self.sections {
            entry.key.site = Site::NONE;
            lints(&mut entry.lints);
        }
        if let Some(train) = &mut self.train {
            train.key.site = Site::NONE;
            lints(&mut train.lints);
            relocate(&mut train.body, Site::NONE);
        }
        self.for_each_value(&mut |value| value.put_at(Site::NONE));
    }
}

/// Writes items with commas between them.
fn separated<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: impl IntoIterator<Item = T>) -> fmt::Result {
    for (i, item) in items.into_iter().enumerate() {
        write!(f, "{}{item}", if i > 0 { ", " } else { "" })?;
    }
    Ok(())
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
                call.lints.iter_mut().for_each(|l| l.name.site = site);
                for arg in &mut call.args {
                    arg.name.iter_mut().for_each(|name| name.site = site);
                    arg.value.relocate(site);
                }
            }
        }
    }
}

impl Value {
    fn put_at(&mut self, site: Site) {
        self.site = site;
        match &mut self.kind {
            ValueKind::Call(name, args) => {
                name.site = site;
                args.iter_mut().filter_map(|a| a.name.as_mut()).for_each(|n| n.site = site);
            }
            ValueKind::Block(name, entries) => {
                name.site = site;
                for entry in entries {
                    entry.key.site = site;
                    entry.lints.iter_mut().for_each(|l| l.name.site = site);
                }
            }
            _ => {}
        }
    }

    /// Puts this value and all values inside it at one place.
    pub(crate) fn relocate(&mut self, site: Site) {
        self.for_each(&mut |value| value.put_at(site));
    }

    /// Calls `f` on every value inside this one, then on this one.
    pub fn for_each(&mut self, f: &mut impl FnMut(&mut Value)) {
        match &mut self.kind {
            ValueKind::Call(_, args) => args.iter_mut().for_each(|a| a.value.for_each(f)),
            ValueKind::Block(_, entries) => entries.iter_mut().for_each(|e| e.value.for_each(f)),
            ValueKind::List(items) => items.iter_mut().for_each(|v| v.for_each(f)),
            ValueKind::Negate(v) => v.for_each(f),
            ValueKind::Binary(_, a, b) => {
                a.for_each(f);
                b.for_each(f);
            }
            _ => {}
        }
        f(self);
    }

    /// The word and the entries of `word` or `word { key: value }`; `None` for a value of another kind.
    pub fn word_and_entries(&self) -> Option<(Name, &[Entry])> {
        match &self.kind {
            ValueKind::Word(word) => Some((Name { text: word.clone(), site: self.site }, Default::default())),
            ValueKind::Block(word, entries) => Some((word.clone(), entries.as_slice())),
            _ => None,
        }
    }

    /// The word and the arguments of `word` or `word(argument)`; `None` for a value of another kind.
    pub fn word_and_args(&self) -> Option<(Name, &[Arg])> {
        match &self.kind {
            ValueKind::Word(word) => Some((Name { text: word.clone(), site: self.site }, Default::default())),
            ValueKind::Call(word, args) => Some((word.clone(), args.as_slice())),
            _ => None,
        }
    }

    /// The value of an entry of a block.
    pub fn entry(&self, key: &str) -> Option<&Value> {
        let ValueKind::Block(_, entries) = &self.kind else { return None };
        entries.iter().find(|e| e.key.text == key).map(|e| &e.value)
    }

    /// Whether the value is a Rust constant, or a list or call that contains one.
    pub fn has_constant(&self) -> bool {
        match &self.kind {
            ValueKind::Const(_) => true,
            ValueKind::List(items) => items.iter().any(Value::has_constant),
            ValueKind::Call(_, args) => args.iter().any(|a| a.value.has_constant()),
            ValueKind::Block(_, entries) => entries.iter().any(|e| e.value.has_constant()),
            ValueKind::Negate(a) => a.has_constant(),
            ValueKind::Binary(_, a, b) => a.has_constant() || b.has_constant(),
            _ => false,
        }
    }

    /// A value from a builder call.
    pub fn new(kind: ValueKind) -> Self {
        Value { kind, site: Site::NONE }
    }

    /// Describes the kind for "expected .., got ..".
    pub fn kind_name(&self) -> String {
        match &self.kind {
            ValueKind::Number(x) => format!("the number {}", number(*x)),
            ValueKind::Text(s) => format!("the string {s:?}"),
            ValueKind::Word(w) => format!("`{w}`"),
            ValueKind::Call(w, _) => format!("`{}(..)`", w.text),
            ValueKind::Block(w, _) => format!("`{} {{ .. }}`", w.text),
            ValueKind::List(_) => "a list".to_string(),
            ValueKind::Negate(_) | ValueKind::Binary(..) => "a computation".to_string(),
            ValueKind::Rate(_) => "a learning rate that is yet to be found".to_string(),
            ValueKind::Const(path) => format!("the constant `{path}`"),
            ValueKind::Broken => "nothing".to_string(),
        }
    }
}

/// Formats a number; whole numbers have no decimal point.
pub fn number(x: f64) -> String {
    if x.fract() == 0.0 && x.abs() < 1e15 { format!("{}", x as i64) } else { format!("{x:?}") }
}

/// Formats the value as recipe text.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ValueKind::Number(x) => f.write_str(&number(*x)),
            ValueKind::Text(s) => write!(f, "{s:?}"),
            ValueKind::Word(w) => f.write_str(w),
            ValueKind::Call(w, args) => {
                write!(f, "{}(", w.text)?;
                separated(f, args)?;
                f.write_str(")")
            }
            ValueKind::Block(w, entries) => {
                write!(f, "{} {{ ", w.text)?;
                separated(f, entries.iter().map(|e| format!("{}: {}", e.key.text, e.value)))?;
                f.write_str(" }")
            }
            ValueKind::List(items) => {
                f.write_str("[")?;
                separated(f, items)?;
                f.write_str("]")
            }
            ValueKind::Negate(v) if matches!(v.kind, ValueKind::Binary(..)) => write!(f, "-({v})"),
            ValueKind::Negate(v) => write!(f, "-{v}"),
            ValueKind::Binary(op, a, b) => {
                let sign = match op {
                    Op::Add => '+',
                    Op::Sub => '-',
                    Op::Mul => '*',
                    Op::Div => '/',
                };
                let of = |v: &Value, parentheses: bool| if parentheses { format!("({v})") } else { v.to_string() };
                let binds = |v: &Value| match v.kind {
                    ValueKind::Binary(inner, ..) => Some(inner.binds()),
                    _ => None,
                };
                let left = of(a, binds(a).is_some_and(|inner| inner < op.binds()));
                let right = of(b, binds(b).is_some_and(|inner| inner <= op.binds()));
                write!(f, "{left} {sign} {right}")
            }
            ValueKind::Rate(r) => write!(f, "{r}"),
            ValueKind::Const(path) => f.write_str(path),
            ValueKind::Broken => f.write_str("?"),
        }
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(n) => write!(f, "{} = {}", n.text, self.value),
            None => write!(f, "{}", self.value),
        }
    }
}

macro_rules! value_from {
    ($($from:ty => $x:ident: $kind:expr;)*) => { $(
        impl From<$from> for Value {
            fn from($x: $from) -> Self { Value::new($kind) }
        }
    )* };
}
value_from! {
    f64 => x: ValueKind::Number(x);
    f32 => x: ValueKind::Number(f64::from(x));
    u8 => x: ValueKind::Number(f64::from(x));
    u16 => x: ValueKind::Number(f64::from(x));
    i32 => x: ValueKind::Number(f64::from(x));
    u32 => x: ValueKind::Number(f64::from(x));
    i64 => x: ValueKind::Number(x as f64);
    u64 => x: ValueKind::Number(x as f64);
    usize => x: ValueKind::Number(x as f64);
    &str => x: ValueKind::Text(x.to_string());
    String => x: ValueKind::Text(x);
    Rate => x: match x.fixed() { Some(x) => ValueKind::Number(x), None => ValueKind::Rate(x) };
}
impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(items: [T; N]) -> Self {
        Value::new(ValueKind::List(items.into_iter().map(Into::into).collect()))
    }
}
impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Value::new(ValueKind::List(items.into_iter().map(Into::into).collect()))
    }
}
