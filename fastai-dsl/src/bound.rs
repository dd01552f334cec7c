//! A construct with the values that a recipe gives its keys.

use crate::construct::Construct;
use crate::diagnostic::Site;
use crate::draft::{Value, ValueKind};
use crate::from_value::FromValue;

/// The values of a construct's keys, by their index in the registry.
pub(crate) struct Bound<'d> {
    construct: &'static Construct,
    values: Vec<Option<&'d Value>>,
    given: Vec<bool>,
}

impl<'d> Bound<'d> {
    /// No value is given: every key has its default.
    pub(crate) fn new(construct: &'static Construct) -> Self {
        Bound { construct, values: vec![None; construct.keys.len()], given: vec![false; construct.keys.len()] }
    }

    /// Gives the key at index `i` its value.
    pub(crate) fn set(&mut self, i: usize, value: &'d Value) {
        self.values[i] = Some(value);
    }

    /// Notes for each key whether the recipe writes it, rightly or wrongly.
    pub(crate) fn note_given(&mut self, given: impl Iterator<Item = bool>) {
        self.given = given.collect();
    }

    /// The construct of the keys.
    pub(crate) fn construct(&self) -> &'static Construct {
        self.construct
    }

    /// The value written for `key`, unless it has an error.
    pub(crate) fn written(&self, key: &str) -> Option<&'d Value> {
        let (i, _) = self.construct.key(key)?;
        self.values[i].filter(|v| v.kind != ValueKind::Broken)
    }

    /// Whether the recipe writes `key`, rightly or wrongly.
    pub(crate) fn given(&self, key: &str) -> bool {
        self.construct.key(key).is_some_and(|(i, _)| self.given[i])
    }

    /// The value written for `key`, else the registry's default; `None` for a value with an error, and without a default.
    pub(crate) fn value(&self, key: &str) -> Option<&'d Value> {
        let (i, key) = self.construct.key(key)?;
        if self.given[i] { self.written(key.name) } else { key.default_value() }
    }

    /// Returns [`value`](Self::value) as the type in a recipe.
    pub(crate) fn read<T: FromValue>(&self, key: &str) -> Option<T> {
        let (_, described) = self.construct.key(key)?;
        T::from_value(self.value(key)?, described)
    }

    /// Returns the value of a key without a default, if the recipe gives it; `None` after an error about it.
    pub(crate) fn optional<T: FromValue>(&self, key: &str) -> Option<Option<T>> {
        let value = self.read(key);
        (self.given(key) == value.is_some()).then_some(value)
    }

    /// The site of `key`.
    pub(crate) fn site(&self, key: &str, fallback: Site) -> Site {
        self.written(key).map_or(fallback, |v| v.site)
    }

    /// Whether the values of all these keys are known. The value of a Rust constant is unknown while a macro checks: relations
    /// between two values are then asserted at compile time, and checked when the recipe is built.
    pub(crate) fn known(&self, keys: &[&str]) -> bool {
        keys.iter().filter_map(|key| self.written(key)).all(|value| !value.has_constant())
    }

    /// Returns the written string of `key`.
    pub(crate) fn text(&self, key: &str) -> Option<&'d str> {
        match &self.written(key)?.kind {
            ValueKind::Text(s) => Some(s),
            _ => None,
        }
    }
}
