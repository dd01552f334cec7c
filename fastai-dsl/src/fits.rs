//! The Rust values that a key of the registry accepts: the typed side of [`crate::schema::Type`]. Constructs that are values
//! of a key, such as splits, say so where they are declared.

use crate::draft::Value;
use crate::rate::Rate;
use crate::word::{Off, On, Word};

/// Kinds of values, one per [`crate::schema::Type`].
pub mod kind {
    macro_rules! kinds {
        ($($(#[doc = $doc:literal])+ $name:ident $(: $expected:literal)?;)+) => {
            $($(#[doc = $doc])+ #[derive(Debug)] pub enum $name {})+
        };
    }
    crate::value_kinds::types! { kinds }
    kinds! {
        /// `words::balanced`, or a weight a class.
        ClassWeights;
    }
}

/// A Rust value that a key of kind `K` accepts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not fit a key that takes a `{K}`",
    note = "whole numbers are written without a dot, strings in double quotes, words as `words::NAME`"
)]
pub trait Fits<K>: Into<Value> {}

/// Says which Rust types keys of a kind accept.
macro_rules! fits {
    ($($kind:ident: $($ty:ty),+;)*) => { $($( impl $crate::fits::Fits<$crate::fits::kind::$kind> for $ty {} )+)* };
}
pub(crate) use fits;
fits! {
    Text: &str, String;
    Texts: &str, String, Vec<&str>, Vec<String>;
    Columns: Vec<Value>, Vec<&str>, Vec<String>, Vec<i32>, Vec<u32>, Vec<usize>;
    Extent: Word;
    Count: u8, u16, i32, u32, i64, u64, usize;
    Number: f64, f32, i32, u32, i64, u64, usize;
    Switch: Word, On, Off;
    Zoom: f64, f32, i32, u32, [f64; 2];
    Word: Word;
    Augment: Vec<Value>;
    Column: &str, String, i32, u32, usize;
    Split: &str, String, Word;
    Numbers: f64, f32, i32, u32, Vec<f64>;
    NumberList: Vec<f64>;
    Counts: Vec<u32>, Vec<usize>;
    Rate: f64, Rate;
    Rates: f64, Rate, Vec<f64>, Vec<Rate>;
    Stats: Word;
    Weights: &str, String, Word;
    Threshold: f64, f32, Word;
    ClassWeights: Word, Vec<f64>;
}
impl<const N: usize> Fits<kind::Augment> for [Value; N] {}
impl<const N: usize> Fits<kind::Texts> for [&str; N] {}
impl<const N: usize> Fits<kind::Texts> for [String; N] {}
impl<const N: usize> Fits<kind::Columns> for [Value; N] {}
impl<const N: usize> Fits<kind::Columns> for [&str; N] {}
impl<const N: usize> Fits<kind::Columns> for [i32; N] {}
impl<const N: usize> Fits<kind::Numbers> for [f64; N] {}
impl<const N: usize> Fits<kind::NumberList> for [f64; N] {}
impl<const N: usize> Fits<kind::ClassWeights> for [f64; N] {}
impl<const N: usize> Fits<kind::Counts> for [i32; N] {}
impl<const N: usize> Fits<kind::Counts> for [usize; N] {}
impl<const N: usize> Fits<kind::Counts> for [u32; N] {}
impl<const N: usize> Fits<kind::Rates> for [f64; N] {}
impl<const N: usize> Fits<kind::Rates> for [Rate; N] {}
