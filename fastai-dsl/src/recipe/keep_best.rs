//! What the best epoch is chosen by.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Measures, MetricKind, MultiLabel, Regression, SingleLabel};
use crate::draft::{Value, ValueKind};

/// The word of the validation loss.
const VAL_LOSS: &str = "val_loss";

/// What the best epoch is chosen by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeepBest {
    /// The validation loss; lower is better.
    ValLoss,
    /// One of the recipe's metrics.
    Metric(MetricKind),
}

impl KeepBest {
    /// The words of all that can be chosen by.
    pub const WORDS: &'static [&'static str] = &{
        let mut words = [VAL_LOSS; MetricKind::WORDS.len() + 1];
        let mut i = 0;
        while i < MetricKind::WORDS.len() {
            words[i + 1] = MetricKind::WORDS[i];
            i += 1;
        }
        words
    };

    /// The word in a recipe.
    pub fn word(self) -> &'static str {
        match self {
            KeepBest::ValLoss => VAL_LOSS,
            KeepBest::Metric(metric) => metric.word(),
        }
    }

    /// Returns what `word` stands for.
    pub fn parse(word: &str) -> Option<Self> {
        if word == VAL_LOSS { Some(KeepBest::ValLoss) } else { MetricKind::parse(word).map(KeepBest::Metric) }
    }
}

/// Serialises it as its word.
impl Serialize for KeepBest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for KeepBest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Self::parse(&word).ok_or_else(|| serde::de::Error::unknown_variant(&word, Self::WORDS))
    }
}

/// The values of the typed builder.
#[allow(non_camel_case_types)] // they are spelled as in a recipe
pub mod keep_best_words {
    use super::*;

    /// The validation loss, for `keep_best`. It is measured in every run, so it is not one of the metrics.
    #[derive(Clone, Copy, Debug)]
    pub struct val_loss;

    impl From<val_loss> for Value {
        fn from(_: val_loss) -> Value {
            Value::new(ValueKind::Word(VAL_LOSS.to_string()))
        }
    }

    impl Measures<SingleLabel> for val_loss {}
    impl Measures<MultiLabel> for val_loss {}
    impl Measures<Regression> for val_loss {}
}
