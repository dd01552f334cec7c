//! Values: what stands at a key, in a list, or as an argument.

use std::fmt;

use super::{Entry, Name};
use crate::diagnostic::Site;
use crate::rate::Rate;

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
                entries.iter_mut().for_each(|e| e.put_at(site));
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
    // Whole numbers up to here are exact.
    if x.fract() == 0.0 && x.abs() < (1u64 << 53) as f64 { format!("{}", x as i64) } else { format!("{x:?}") }
}

/// The texts of items with commas between them.
pub(crate) fn commas<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// Formats the value as recipe text.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ValueKind::Number(x) => f.write_str(&number(*x)),
            ValueKind::Text(s) => write!(f, "{s:?}"),
            ValueKind::Word(w) => f.write_str(w),
            ValueKind::Call(w, args) => write!(f, "{}({})", w.text, commas(args)),
            ValueKind::Block(w, entries) => {
                let entries = entries.iter().map(|e| format!("{}: {}", e.key.text, e.value));
                write!(f, "{} {{ {} }}", w.text, commas(entries))
            }
            ValueKind::List(items) => write!(f, "[{}]", commas(items)),
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
