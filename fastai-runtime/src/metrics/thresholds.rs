//! The probabilities above which tags are predicted.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The probability above which a tag is predicted: one for all tags, or one for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Thresholds {
    /// The same for every tag.
    All(f64),
    /// One for each tag, in the order of the classes.
    Each(Vec<f64>),
}

impl Thresholds {
    /// The threshold of the tag with that number; a tag beyond the list is never predicted.
    pub fn of_tag(&self, tag: usize) -> f64 {
        match self {
            Thresholds::All(threshold) => *threshold,
            Thresholds::Each(thresholds) => thresholds.get(tag).copied().unwrap_or(f64::INFINITY),
        }
    }

    /// Whether the tag with that number is predicted at this probability.
    pub fn are_exceeded(&self, tag: usize, probability: f32) -> bool {
        f64::from(probability) > self.of_tag(tag)
    }

    /// The predicted ones of `tags`, which have these probabilities.
    pub fn select<'a, T>(&self, tags: &'a [T], probabilities: &[f32]) -> Vec<&'a T> {
        let each = tags.iter().zip(probabilities).enumerate();
        each.filter(|(tag, (_, p))| self.are_exceeded(*tag, **p)).map(|(_, (name, _))| name).collect()
    }

    /// Whether they are probabilities, and as many as there are tags.
    pub fn are_of(&self, tags: usize) -> bool {
        let legal = |threshold: &f64| (0.0..=1.0).contains(threshold);
        match self {
            Thresholds::All(threshold) => legal(threshold),
            Thresholds::Each(thresholds) => thresholds.len() == tags && thresholds.iter().all(legal),
        }
    }
}

impl From<f64> for Thresholds {
    fn from(threshold: f64) -> Self {
        Thresholds::All(threshold)
    }
}

impl From<&Thresholds> for Thresholds {
    fn from(thresholds: &Thresholds) -> Self {
        thresholds.clone()
    }
}

/// `0.2`, or the extent of several: `0.11 to 0.34, by tag`.
impl fmt::Display for Thresholds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Thresholds::All(threshold) => write!(f, "{threshold}"),
            Thresholds::Each(thresholds) => {
                let lowest = thresholds.iter().copied().fold(f64::INFINITY, f64::min);
                let highest = thresholds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                write!(f, "{lowest} to {highest}, by tag")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_hold_a_number_or_a_list() {
        for (thresholds, text) in [(Thresholds::All(0.2), "0.2"), (Thresholds::Each(vec![0.1, 0.5]), "[0.1,0.5]")] {
            assert_eq!(serde_json::to_string(&thresholds).unwrap(), text);
            assert_eq!(serde_json::from_str::<Thresholds>(text).unwrap(), thresholds);
        }
        assert_eq!(Thresholds::Each(vec![0.3, 0.12, 0.2]).to_string(), "0.12 to 0.3, by tag");
        assert!(!Thresholds::All(1.5).are_of(1) && !Thresholds::Each(vec![f64::NAN]).are_of(1));
    }
}
