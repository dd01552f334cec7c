//! Converts values of the language to Rust values. The parts of a recipe implement [`FromValue`] for their own types.

use crate::construct::Key;
use crate::draft::{Value, ValueKind};
use crate::rate::Rate;
use crate::word::{Off, On};

/// Converts a value that fits its key; returns `None` for a value of another kind.
pub(crate) trait FromValue: Sized {
    fn from_value(value: &Value, key: &Key) -> Option<Self>;
}

/// A legal placeholder for a constant whose value is unknown during the checks. The compiler checks the constant, and
/// building the recipe checks it again.
fn stand_in(key: &Key) -> f64 {
    match key.range {
        Some(r) if r.lo_in => r.lo.max(if key.name == "size" { 224.0 } else { r.lo }),
        Some(r) => r.lo + (r.hi - r.lo).min(1.0) / 2.0,
        None => 1.0,
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value, key: &Key) -> Option<Self> {
        match value.kind {
            ValueKind::Number(x) => Some(x),
            ValueKind::Const(_) => Some(stand_in(key)),
            _ => None,
        }
    }
}

macro_rules! whole_numbers {
    ($($ty:ty)*) => { $(
        impl FromValue for $ty {
            fn from_value(value: &Value, key: &Key) -> Option<Self> {
                f64::from_value(value, key).map(|x| x as $ty)
            }
        }
    )* };
}
whole_numbers! { u32 i32 u64 }

impl FromValue for bool {
    fn from_value(value: &Value, _key: &Key) -> Option<Self> {
        match &value.kind {
            ValueKind::Word(word) if word == On::WORD => Some(true),
            ValueKind::Word(word) if word == Off::WORD => Some(false),
            _ => None,
        }
    }
}

impl FromValue for String {
    fn from_value(value: &Value, _key: &Key) -> Option<Self> {
        match &value.kind {
            ValueKind::Text(text) => Some(text.clone()),
            ValueKind::Const(_) => Some(String::new()),
            _ => None,
        }
    }
}

/// A list, or one value as a list of one.
impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: &Value, key: &Key) -> Option<Self> {
        match &value.kind {
            ValueKind::List(items) => items.iter().map(|item| T::from_value(item, key)).collect(),
            _ => Some(vec![T::from_value(value, key)?]),
        }
    }
}

/// A list of this length, or one number for all items.
impl<const N: usize> FromValue for [f64; N] {
    fn from_value(value: &Value, key: &Key) -> Option<Self> {
        match &value.kind {
            ValueKind::List(_) => Vec::from_value(value, key)?.try_into().ok(),
            _ => Some([f64::from_value(value, key)?; N]),
        }
    }
}

impl FromValue for Rate {
    fn from_value(value: &Value, _key: &Key) -> Option<Self> {
        match value.kind {
            ValueKind::Number(x) => Some(Rate::from(x)),
            ValueKind::Rate(rate) => Some(rate),
            ValueKind::Const(_) => Some(Rate::from(1e-3)),
            _ => None,
        }
    }
}
