//! The form of the registry: constructs with their keys, the kinds of values that these take, ranges, and sections. What
//! constructs there are is said beside the parts of the [recipe](crate::recipe) that they stand for, and listed in
//! [`schema`](crate::schema).

mod key;
mod range;
mod section;

pub use key::Key;
pub use range::Range;
pub(crate) use range::{above, below, open, range};
pub use section::Section;

pub use crate::value_kinds::Type;

use crate::draft::{Arg, Entry, Name, Value, ValueKind, commas};

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

    /// The key that must be given, if exactly one must.
    pub(crate) fn only_required(&self) -> Option<&'static Key> {
        let mut required = self.keys.iter().filter(|key| key.required);
        required.next().filter(|_| required.next().is_none())
    }

    /// `word(a, b, c)` with all argument names, for helps.
    pub fn signature(&self) -> String {
        format!("{}({})", self.name, commas(self.keys.iter().map(|k| k.name)))
    }

    /// A call with a value for each required argument.
    pub(crate) fn example(&self) -> String {
        format!("{}({})", self.name, commas(self.keys.iter().filter(|k| k.required).map(Key::instance)))
    }

    /// The call as a value of a key of that kind: augmentations are a list, and those that need no arguments words.
    pub(crate) fn as_value_of(&self, ty: Type) -> String {
        match ty {
            Type::Augment if self.keys.iter().any(|key| key.required) => format!("[{}]", self.example()),
            Type::Augment => format!("[{}]", self.name),
            _ => self.example(),
        }
    }
}

/// Declares lists of constructs: for each construct its builder with a setter a key and its [`Construct`], for each list
/// the constructs in it and a module of their builders.
///
/// `+ keys` after a construct adds keys that several constructs have: those of the macro `keys`, which calls `construct!`. The
/// enums whose words a key takes are in scope where the list is declared.
macro_rules! construct_lists {
    ($(
        $(#[doc = $about:literal])+
        $list:ident in $module:ident {
            $( $(#[doc = $doc:literal])+ $konst:ident $name:ident $keys:tt $(+ $shared:ident)? )*
        }
    )*) => { $(
        $( $crate::construct::construct_lists! { @ [$($shared)?] [$($doc),+] $konst $name $keys } )*
        $(#[doc = $about])+
        pub const $list: &[&$crate::construct::Construct] = &[$(&$konst),*];
        /// The builders of the list, and nothing else: what an editor completes a beginning from.
        pub mod $module {
            pub use super::{$($name),*};
        }
    )* };
    (@ [] $doc:tt $konst:ident $name:ident $keys:tt) => {
        $crate::construct::construct! { $doc $konst $name $keys {} }
    };
    (@ [$shared:ident] $doc:tt $konst:ident $name:ident $keys:tt) => { $shared! { $doc $konst $name $keys } };
}
pub(crate) use construct_lists;

/// A construct of its own keys and of those that it shares with others. `like` says how a value is often written.
macro_rules! construct {
    ([$($doc:literal),+] $konst:ident $name:ident { $($before:tt)* } { $($after:tt)* }) => {
        $crate::construct::construct! { @ [$($doc),+] $konst $name $($before)* $($after)* }
    };
    (@ [$($doc:literal),+] $konst:ident $name:ident $(
        $(#[doc = $about:literal])+
        $key:ident: $ty:ident $(($words:ident))? $(in $bounds:ident($lo:literal, $hi:literal))?
            $(= $default:literal)? $(, $required:ident)? $(like $example:literal)?;
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
        impl $crate::construct::IntoConstruct for $name {
            const CONSTRUCT: &'static $crate::construct::Construct = &$konst;
            fn into_values(self) -> Vec<(&'static str, $crate::draft::Value)> { self.values }
        }
        $(#[doc = $doc])+
        pub const $konst: $crate::construct::Construct = $crate::construct::Construct {
            name: stringify!($name),
            doc: concat!($($doc),+),
            keys: &[$( $crate::construct::Key {
                name: stringify!($key),
                doc: concat!($($about),+),
                ty: $crate::construct::Type::$ty,
                range: $crate::construct::construct!(@opt $($crate::construct::$bounds($lo, $hi))?),
                words: $crate::construct::construct!(@words $($words)?),
                default: $crate::construct::construct!(@opt $($default)?),
                example: $crate::construct::construct!(@opt $($example)?),
                required: $crate::construct::construct!(@required $($required)?),
            } ),*],
        };
    };
    (@opt) => { None };
    (@opt $e:expr) => { Some($e) };
    (@words) => { &[] };
    (@words $words:ident) => { $words::WORDS };
    (@required) => { false };
    (@required required) => { true };
}
pub(crate) use construct;

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
