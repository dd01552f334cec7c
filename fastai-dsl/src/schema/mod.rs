//! The registry: every construct of the language is described here once, with its keys, their kinds, ranges and defaults.
//! Checking executes it: a value that a recipe does not write is the registry's default. Did-you-mean, the builder's
//! setters and `fastai explain` read it too.
//!
//! Each construct is also a struct with one setter a key, so that Rust code (and what `recipe!` expands to) writes
//! `csv::new().root("data").batch(58)`.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::draft::{Arg, Entry, Name, Value, ValueKind};
use crate::from_value::FromValue;
use crate::parse::parse_value;
use crate::recipe::{StatsWish, Threshold, Weights};
use crate::words;

/// The most items of a list, except those with one item for each class, which the most tokens of a recipe limit. Longer ones
/// cost the compiler time and memory and come from a mistake.
pub const MAX_ITEMS: usize = 64;

/// Which kind of value a key or argument takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `"text"`
    Text,
    /// `"text"`, or a list of them.
    Texts,
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
    /// One of the words of an enum, [`Key::words`].
    Word,
    /// A csv column: name or position.
    Column,
    /// A list of csv columns.
    Columns,
    /// `all` or [`SAMPLE`].
    Extent,
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
    /// A number, `search` or `search_each`.
    Threshold,
}

impl Type {
    /// The words that every key of this kind takes.
    pub const fn words(self) -> &'static [&'static str] {
        match self {
            Type::Switch => words::SWITCH,
            Type::Weights => Weights::WORDS,
            Type::Stats => StatsWish::WORDS,
            Type::Threshold => Threshold::WORDS,
            Type::Split => &["all", "none"],
            Type::Extent => &["all"],
            _ => &[],
        }
    }

    /// The constructs that a value of this kind may call, `random` of `valid: random(0.2)`.
    pub fn calls(self) -> &'static [&'static Construct] {
        match self {
            Type::Augment => AUGMENTATIONS,
            Type::Extent => CHECKS,
            Type::Split => SPLITS,
            Type::Stats => &[&NORMALIZE],
            _ => &[],
        }
    }

    /// "expected ..".
    pub fn expected(self) -> &'static str {
        match self {
            Type::Text => "a string in double quotes",
            Type::Texts => "a string in double quotes, or a list of them",
            Type::Count => "a whole number",
            Type::Number => "a number",
            Type::Switch => "`on` or `off`",
            Type::Zoom => "a number or `[min, max]`",
            Type::Augment => "a list, `[rotate(10), flip]`",
            Type::Word => "a word",
            Type::Column => "a column's name in double quotes, or its position",
            Type::Columns => "a list of columns, `[\"cat\", \"dog\"]`",
            Type::Extent => "`all` or `sample(10000)`",
            Type::Split => {
                "a split such as `random(0.2)`, `stratified(0.2)`, `folds(5)` or `folder(\"..\")`, or `all` (or `none`) to train on everything"
            }
            Type::Numbers => "a number, or a list of numbers",
            Type::Counts => "a list of whole numbers",
            Type::Rate => "a learning rate",
            Type::Rates => "a learning rate, or a list with one per layer group",
            Type::Stats => "`imagenet`, `inception`, `none`, or `normalize(mean = [..], std = [..])`",
            Type::Weights => "`pretrained`, `none`, or a path in double quotes",
            Type::Threshold => "a number, `search` or `search_each`",
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

pub(crate) const fn range(lo: f64, hi: f64) -> Range {
    Range { lo, hi, lo_in: true, hi_in: true }
}
pub(crate) const fn above(lo: f64, hi: f64) -> Range {
    Range { lo, hi, lo_in: false, hi_in: true }
}
pub(crate) const fn open(lo: f64, hi: f64) -> Range {
    Range { lo, hi, lo_in: false, hi_in: false }
}
pub(crate) const fn below(lo: f64, hi: f64) -> Range {
    Range { lo, hi, lo_in: true, hi_in: false }
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
    /// The value of a key that a recipe leaves out, as text.
    pub default: Option<&'static str>,
    /// Whether it must be given.
    pub required: bool,
}

impl Key {
    /// The words that may stand here: the enum's, or those of the kind.
    pub fn legal_words(&self) -> &'static [&'static str] {
        if self.words.is_empty() { self.ty.words() } else { self.words }
    }

    /// The value of a key that a recipe leaves out.
    pub fn default_value(&self) -> Option<&'static Value> {
        static DEFAULTS: LazyLock<HashMap<&str, Value>> = LazyLock::new(|| {
            let written = constructs().flat_map(|c| c.keys).filter_map(|key| key.default);
            written
                .chain(SECTIONS.iter().filter_map(|section| section.default))
                .map(|text| (text, parsed(text)))
                .collect()
        });
        self.default.map(|text| &DEFAULTS[text])
    }
}

/// A default's text as the value that it stands for.
fn parsed(text: &str) -> Value {
    parse_value(text).expect("the registry's defaults are values of the language")
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

    /// The value of a key that a recipe leaves out.
    ///
    /// # Panics
    /// If the registry has no such default.
    pub(crate) fn default<T: FromValue>(&self, name: &str) -> T {
        let found = self.key(name).and_then(|(_, key)| T::from_value(key.default_value()?, key));
        found.expect("the registry has a default of this type")
    }

    /// The value of a key that a recipe leaves out, as a recipe writes it; `None` without a default.
    pub(crate) fn default_text(&self, name: &str) -> Option<&'static str> {
        self.key(name)?.1.default
    }

    /// Whether `text` is what the registry takes for a key that a recipe leaves out.
    pub(crate) fn is_default(&self, name: &str, text: &str) -> bool {
        self.default_text(name) == Some(text)
    }

    /// The word, or the word with those of `keys` in braces that are not the defaults.
    pub(crate) fn with_keys(&self, keys: impl IntoIterator<Item = (&'static str, String)>) -> String {
        let given = keys.into_iter().filter(|(key, text)| !self.is_default(key, text));
        let given: Vec<String> = given.map(|(key, text)| format!("{key}: {text}")).collect();
        if given.is_empty() { self.name.to_string() } else { format!("{} {{ {} }}", self.name, given.join(", ")) }
    }

    /// `word(a, b, c)` with all argument names, for helps.
    pub fn signature(&self) -> String {
        let keys: Vec<&str> = self.keys.iter().map(|k| k.name).collect();
        format!("{}({})", self.name, keys.join(", "))
    }
}

/// Declares lists of constructs: for each construct its builder with a setter a key and its [`Construct`], for each list
/// the constructs in it and a module of their builders.
///
/// `+ keys` after a construct adds keys that several constructs have, see `shared_keys`.
macro_rules! construct_lists {
    ($(
        $(#[doc = $about:literal])+
        $list:ident in $module:ident {
            $( $(#[doc = $doc:literal])+ $konst:ident $name:ident $keys:tt $(+ $shared:ident)? )*
        }
    )*) => { $(
        $( $crate::schema::shared_keys! { [$($shared)?] [$($doc),+] $konst $name $keys } )*
        $(#[doc = $about])+
        pub const $list: &[&$crate::schema::Construct] = &[$(&$konst),*];
        /// The builders of the list, and nothing else: what an editor completes a beginning from.
        pub mod $module {
            pub use super::{$($name),*};
        }
    )* };
}
pub(crate) use construct_lists;

/// A construct of its own keys and of those that it shares with others.
macro_rules! construct {
    ([$($doc:literal),+] $konst:ident $name:ident { $($before:tt)* } { $($after:tt)* }) => {
        $crate::schema::construct! { @ [$($doc),+] $konst $name $($before)* $($after)* }
    };
    (@ [$($doc:literal),+] $konst:ident $name:ident $(
        $(#[doc = $about:literal])+
        $key:ident: $ty:ident $(($words:ident))? $(in $bounds:ident($lo:literal, $hi:literal))? $(= $default:literal)? $(, $required:ident)?;
    )*) => {
        $(#[doc = $doc])+
        #[must_use = "these settings do nothing until a section or step takes them"]
        #[allow(non_camel_case_types)] // the structs bear the words of the language
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name { pub(crate) values: Vec<(&'static str, $crate::draft::Value)> }
        impl $name {
            /// Nothing set yet.
            pub fn new() -> Self { Self::default() }
            $(
                $(#[doc = $about])+
                #[allow(clippy::should_implement_trait)] // `div` is a word of the language
                pub fn $key(mut self, value: impl $crate::fits::Fits<$crate::fits::kind::$ty>) -> Self {
                    self.values.push((stringify!($key), value.into()));
                    self
                }
            )*
        }
        impl $crate::schema::IntoConstruct for $name {
            const CONSTRUCT: &'static $crate::schema::Construct = &$konst;
            fn into_values(self) -> Vec<(&'static str, $crate::draft::Value)> { self.values }
        }
        $(#[doc = $doc])+
        pub const $konst: $crate::schema::Construct = $crate::schema::Construct {
            name: stringify!($name),
            doc: concat!($($doc),+),
            keys: &[$( $crate::schema::Key {
                name: stringify!($key),
                doc: concat!($($about),+),
                ty: $crate::schema::Type::$ty,
                range: $crate::schema::construct!(@opt $($crate::schema::$bounds($lo, $hi))?),
                words: $crate::schema::construct!(@words $($words)?),
                default: $crate::schema::construct!(@opt $($default)?),
                required: $crate::schema::construct!(@required $($required)?),
            } ),*],
        };
    };
    (@opt) => { None };
    (@opt $e:expr) => { Some($e) };
    (@words) => { &[] };
    (@words $words:ident) => { $crate::recipe::$words::WORDS };
    (@required) => { false };
    (@required required) => { true };
}
pub(crate) use construct;

/// Keys that several constructs have, written once.
macro_rules! shared_keys {
    ([] $doc:tt $konst:ident $name:ident $keys:tt) => {
        $crate::schema::construct! { $doc $konst $name $keys {} }
    };
    ([loading] $doc:tt $konst:ident $name:ident $keys:tt) => {
        $crate::schema::construct! { $doc $konst $name $keys {
            /// Images per batch.
            batch: Count in range(2.0, 65536.0) = "64";
            /// Threads that decode and transform; the default is one per CPU core.
            workers: Count in range(1.0, 1024.0);
            /// Policy for files that are missing or cannot be decoded: `deny` lists them and stops before training, `skip`
            /// lists them and leaves them out.
            corrupt: Word(Corrupt) = "deny";
            /// Policy for training images that equal a validation image byte for byte: `drop` leaves them out, `keep`
            /// trains on them.
            duplicates: Word(Duplicates) = "drop";
            /// The order of an epoch: `shuffle` visits each training image once, `balanced` visits rare classes more often
            /// and frequent ones less.
            sampler: Word(Sampler) = "shuffle";
            /// Keeps copies of the images, scaled to this shorter side in pixels, in the cache folder and reads the copies;
            /// `validate` and `predict` see equal pixels.
            resize_to: Count in range(8.0, 8192.0);
            /// The images that are decoded and compared before training: `all`, or at most so many of each part, in
            /// random order. Unexamined images that cannot be decoded stop the run when they are met.
            preflight: Extent = "all";
        } }
    };
    ([drawn] $doc:tt $konst:ident $name:ident $keys:tt) => {
        $crate::schema::construct! { $doc $konst $name $keys {
            /// Seed of the permutation.
            seed: Count in range(0.0, 4294967295.0) = "42";
            /// Index of the slice of the permutation, from 0; folds do not overlap.
            fold: Count in range(0.0, 1000000.0) = "0";
        } }
    };
    ([layers] $doc:tt $konst:ident $name:ident $keys:tt) => {
        $crate::schema::construct! { $doc $konst $name {
            /// Dropout before each linear layer of the head: one per layer, or one for all.
            dropout: Numbers in below(0.0, 1.0) = "[0.25, 0.5]";
            /// Widths of the head's hidden layers.
            hidden: Counts in range(1.0, 65536.0) = "[512]";
        } $keys }
    };
}
pub(crate) use shared_keys;

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

/// A construct as a value: `word(name = value)`.
impl<C: IntoConstruct> From<C> for Value {
    fn from(construct: C) -> Value {
        construct.into_call()
    }
}

// After `constructs!`, which it is written in.
mod constructs;
mod section;

pub use crate::recipe::augmentation::calls::*;
pub use crate::recipe::loss::calls::*;
pub use crate::recipe::optimizer::calls::*;
pub use constructs::*;
pub use section::*;

/// Every construct, in the order of the language page.
pub fn constructs() -> impl Iterator<Item = &'static Construct> {
    [SOURCES, SPLITS, CHECKS, IMAGES, AUGMENTATIONS, NETWORK, LOSSES, OPTIMIZERS, MEASURES, STEPS]
        .into_iter()
        .flatten()
        .copied()
}
