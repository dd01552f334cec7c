//! The threshold of a metric of tags.

use serde::{Deserialize, Serialize};

use crate::construct::Key;
use crate::draft::{Value, ValueKind, number};
use crate::from_value::FromValue;
use crate::word;
use crate::written::Written;

/// The rule for predicting tags: a tag is predicted if `p > threshold`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// A fixed number.
    Fixed(f64),
    /// The best of 0.17, 0.18, .. 0.23 on the measured images, the same for all tags.
    Search,
    /// One for each tag, found on the images that are not measured.
    SearchEach,
}

impl Threshold {
    /// Returns the rule that `word` stands for.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        [Threshold::Search, Threshold::SearchEach].into_iter().find(|known| known.written() == word)
    }
}

impl Written for Threshold {
    fn written(&self) -> String {
        match self {
            Threshold::Fixed(threshold) => number(*threshold),
            Threshold::Search => word::search.0.to_string(),
            Threshold::SearchEach => word::search_each.0.to_string(),
        }
    }
}

impl FromValue for Threshold {
    fn from_value(value: &Value, key: &Key) -> Option<Self> {
        match &value.kind {
            ValueKind::Word(word) => Threshold::of_word(word),
            _ => f64::from_value(value, key).map(Threshold::Fixed),
        }
    }
}
