//! The registry: every construct of the language is described here once. The parser's checks, did-you-mean, the builder's
//! setters and `fastai explain` read it.
//!
//! Each construct is also a struct with one setter a key, so that Rust code (and what `recipe!` expands to) writes
//! `csv::new().root("data").batch(58)`.
#![allow(non_camel_case_types)] // the structs bear the words of the language

use crate::draft::{Arg, Entry, Name, Value, ValueKind};

/// Which kind of value a key or argument takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `"text"`
    Text,
    /// A whole number.
    Count,
    /// A number.
    Number,
    /// `on` or `off`.
    Switch,
    /// A number or `[min, max]`.
    Zoom,
    /// A list of [`AUGMENTATIONS`].
    Augment,
    /// One of the words of [`Key::words`].
    Word,
    /// A csv column: name or position.
    Column,
    /// A split: `all`, `none` or one of [`SPLITS`].
    Split,
    /// A number, or a list of them.
    Numbers,
    /// A list of whole numbers.
    Counts,
    /// A learning rate.
    Rate,
    /// A learning rate, or one a layer group.
    Rates,
    /// `imagenet`, `inception`, `none` or [`NORMALIZE`].
    Stats,
    /// `pretrained`, `none` or a path.
    Weights,
    /// A number or `search`.
    Threshold,
}

impl Type {
    /// "expected ..".
    pub fn expected(self) -> &'static str {
        match self {
            Type::Text => "a text in double quotes",
            Type::Count => "a whole number",
            Type::Number => "a number",
            Type::Switch => "`on` or `off`",
            Type::Zoom => "a number or `[min, max]`",
            Type::Augment => "a list, `[rotate(10), flip]`",
            Type::Word => "a word",
            Type::Column => "a column's name in double quotes, or its position",
            Type::Split => {
                "a split such as `random(0.2)`, `stratified(0.2)` or `folder(\"..\")`, or `all` (or `none`) to train on everything"
            }
            Type::Numbers => "a number, or a list of numbers",
            Type::Counts => "a list of whole numbers",
            Type::Rate => "a learning rate",
            Type::Rates => "a learning rate, or a list with one a layer group",
            Type::Stats => "`imagenet`, `inception`, `none`, or `normalize(mean = [..], std = [..])`",
            Type::Weights => "`pretrained`, `none`, or a path in double quotes",
            Type::Threshold => "a number or `search`",
        }
    }
}

/// Legal numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Smallest.
    pub lo: f64,
    /// Largest.
    pub hi: f64,
    /// Whether `lo` itself is legal.
    pub lo_in: bool,
    /// Whether `hi` itself is legal.
    pub hi_in: bool,
}

impl Range {
    /// Whether `x` is legal.
    pub const fn holds(&self, x: f64) -> bool {
        (x > self.lo || (self.lo_in && x == self.lo)) && (x < self.hi || (self.hi_in && x == self.hi))
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let n = crate::draft::number;
        match (self.lo_in, self.hi_in) {
            (true, true) => write!(f, "{} to {}", n(self.lo), n(self.hi)),
            (false, false) => write!(f, "between {} and {}, both excluded", n(self.lo), n(self.hi)),
            (true, false) => write!(f, "{} to below {}", n(self.lo), n(self.hi)),
            (false, true) => write!(f, "above {} to {}", n(self.lo), n(self.hi)),
        }
    }
}

/// A key of a block, or an argument of a call.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// What it takes.
    pub ty: Type,
    /// Legal numbers.
    pub range: Option<Range>,
    /// Legal words.
    pub words: &'static [&'static str],
    /// The value if it is left out, as it would be written.
    pub default: Option<&'static str>,
    /// Whether it must be given.
    pub required: bool,
}

/// A word with keys (in braces) or arguments (in parentheses, positional ones in this order).
#[derive(Debug)]
pub struct Construct {
    /// The word.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// Its keys or arguments.
    pub keys: &'static [Key],
}

impl Construct {
    /// The key of that name.
    pub fn key(&self, name: &str) -> Option<(usize, &'static Key)> {
        self.keys.iter().enumerate().find(|(_, k)| k.name == name)
    }

    /// `word(a, b, c)` with all argument names, for helps.
    pub fn signature(&self) -> String {
        let keys: Vec<&str> = self.keys.iter().map(|k| k.name).collect();
        format!("{}({})", self.name, keys.join(", "))
    }
}

macro_rules! constructs {
    ($( $(#[doc = $doc:literal])+ $konst:ident $name:ident {
        $( $(#[doc = $kdoc:literal])+ $key:ident: $ty:ident $([$($word:ident)|+])? $(in $bounds:ident($lo:literal, $hi:literal))? $(= $default:literal)? $(, $required:ident)?; )*
    } )*) => { $(
        $(#[doc = $doc])+
        #[must_use = "these settings do nothing until a section or step takes them"]
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name { pub(crate) values: Vec<(&'static str, Value)> }
        impl $name {
            /// Nothing set yet.
            pub fn new() -> Self { Self::default() }
            $(
                $(#[doc = $kdoc])+
                pub fn $key(mut self, value: impl Fits<kind::$ty>) -> Self {
                    self.values.push((stringify!($key), value.into()));
                    self
                }
            )*
        }
        impl IntoConstruct for $name {
            const CONSTRUCT: &'static Construct = &$konst;
            fn into_values(self) -> Vec<(&'static str, Value)> { self.values }
        }
        $(#[doc = $doc])+
        pub const $konst: Construct = Construct {
            name: stringify!($name),
            doc: concat!($($doc),+),
            keys: &[$( Key {
                name: stringify!($key),
                doc: concat!($($kdoc),+),
                ty: Type::$ty,
                range: constructs!(@opt $($bounds($lo, $hi))?),
                words: &[$($(stringify!($word)),+)?],
                default: constructs!(@opt $($default)?),
                required: constructs!(@required $($required)?),
            } ),*],
        };
    )*
        /// Every construct.
        pub const CONSTRUCTS: &[&Construct] = &[$(&$konst),*];
    };
    (@opt) => { None };
    (@opt $e:expr) => { Some($e) };
    (@required) => { false };
    (@required required) => { true };
}

/// A builder struct of the registry.
pub trait IntoConstruct {
    /// Its description.
    const CONSTRUCT: &'static Construct;
    /// What was set, in the order of the calls.
    fn into_values(self) -> Vec<(&'static str, Value)>;

    /// As `word { key: value }`.
    fn into_block(self, word: &str) -> Value
    where
        Self: Sized,
    {
        let entries = self
            .into_values()
            .into_iter()
            .map(|(key, value)| Entry { key: Name::new(key), lints: Vec::new(), value })
            .collect();
        Value::new(ValueKind::Block(Name::new(word), entries))
    }

    /// As `word(name = value)`.
    fn into_call(self) -> Value
    where
        Self: Sized,
    {
        Value::new(ValueKind::Call(Name::new(Self::CONSTRUCT.name), self.into_args()))
    }

    /// As the arguments of `word(name = value)`.
    fn into_args(self) -> Vec<Arg>
    where
        Self: Sized,
    {
        self.into_values().into_iter().map(|(key, value)| Arg { name: Some(Name::new(key)), value }).collect()
    }
}

// After `constructs!`, which it is written in.
mod constructs;
mod section;

pub use constructs::*;
pub use section::*;
