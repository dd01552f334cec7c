//! A word as a Rust value, and the words that no enum of the recipe declares.
#![allow(non_upper_case_globals)] // they are spelled as in a recipe

use crate::draft::{Value, ValueKind};

/// A word that stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(pub(crate) &'static str);

impl From<Word> for Value {
    fn from(word: Word) -> Value {
        Value::new(ValueKind::Word(word.0.to_string()))
    }
}

/// The meaning of [`given`].
const GIVEN: &str = " Supplied by the Rust program that runs the recipe.";

macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident;)*) => { $(
        $(#[doc = $doc])+
        pub const $name: Word = Word(stringify!($name));
    )*

    /// The words that no enum declares, with their meanings.
    pub(crate) const DOCS: &[(&str, &str)] =
        &[(On::WORD, " Switched on."), (Off::WORD, " Switched off."), (Given::WORD, GIVEN), $((stringify!($name), concat!($($doc),+))),*];
    };
}
words! {
    /// Nothing: no transforms, no crop, random weights, no validation.
    none;
    /// The architecture's published weights.
    pretrained;
    /// ImageNet's mean and standard deviation.
    imagenet;
    /// Mean and standard deviation 0.5.
    inception;
    /// The best threshold on the images it is measured on.
    search;
    /// A threshold for each tag; every other image is measured with those that are best on the images between.
    search_each;
    /// Train on all images, hold out none.
    all;
}

/// Switched on, as a type: `precompute(on)` and `precompute(off)` lead to different states.
#[derive(Clone, Copy, Debug)]
pub struct On;
/// Switched off, as a type.
#[derive(Clone, Copy, Debug)]
pub struct Off;
impl On {
    /// The word in a recipe.
    pub(crate) const WORD: &'static str = "on";
}
impl Off {
    /// The word in a recipe.
    pub(crate) const WORD: &'static str = "off";
}
/// The words of a switch.
pub(crate) const SWITCH: &[&str] = &[On::WORD, Off::WORD];
/// The word of a switch in this position.
pub(crate) fn switch(is_on: bool) -> &'static str {
    if is_on { On::WORD } else { Off::WORD }
}
/// On.
pub const on: On = On;
/// Off.
pub const off: Off = Off;

/// Supplied by the program, as a type: the losses of a recipe are typed by its task.
#[derive(Clone, Copy, Debug)]
pub struct Given;
impl Given {
    /// The word in a recipe.
    pub(crate) const WORD: &'static str = "given";
}
/// Supplied by the Rust program that runs the recipe.
pub const given: Given = Given;

impl From<Given> for Value {
    fn from(_: Given) -> Value {
        Word(Given::WORD).into()
    }
}
impl From<On> for Value {
    fn from(_: On) -> Value {
        Word(On::WORD).into()
    }
}
impl From<Off> for Value {
    fn from(_: Off) -> Value {
        Word(Off::WORD).into()
    }
}
