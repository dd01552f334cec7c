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

/// Declares words that are values of types of their own.
macro_rules! typed_words {
    ($($(#[doc = $doc:literal])+ $ty:ident = $(#[doc = $about:literal])+ $name:ident;)*) => { $(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug)]
        pub struct $ty;

        impl $ty {
            /// The word in a recipe.
            pub(crate) const WORD: &'static str = stringify!($name);
        }

        $(#[doc = $about])+
        pub const $name: $ty = $ty;

        impl From<$ty> for Value {
            fn from(_: $ty) -> Value {
                Word($ty::WORD).into()
            }
        }
    )* };
}
typed_words! {
    /// Switched on, as a type: `precompute(on)` and `precompute(off)` lead to different states.
    On =
        /// On.
        on;
    /// Switched off, as a type.
    Off =
        /// Off.
        off;
    /// Supplied by the program, as a type: the losses of a recipe are typed by its task.
    Given =
        /// Supplied by the Rust program that runs the recipe.
        given;
}

/// The words of a switch.
pub(crate) const SWITCH: &[&str] = &[On::WORD, Off::WORD];
/// The word of a switch in this position.
pub(crate) fn switch(is_on: bool) -> &'static str {
    if is_on { On::WORD } else { Off::WORD }
}
