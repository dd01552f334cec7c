//! The probabilities above which tags are predicted.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::f2::{f2_from_counts, f2_search};
use super::{Probabilities, Truth};

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

    /// Searches a threshold for each tag, of .01, .02, .. .99, that together have the best mean F2 on these images.
    ///
    /// The search begins with the best common threshold and takes one tag after the other, the others staying as they are,
    /// until nothing improves; of equally good thresholds, the tag keeps its own or takes the one nearest to it.
    pub fn search_each(probabilities: &Probabilities, truth: &Truth) -> Self {
        let Truth::Tags { tags, .. } = *truth else { return Thresholds::Each(Vec::new()) };
        let start = f2_search(probabilities, truth).0;
        let mut found = vec![start; tags];
        let mut counts: Vec<TagCounts> =
            (0..probabilities.len()).map(|image| TagCounts::of(image, probabilities, truth, start)).collect();
        for _ in 0..MOST_PASSES {
            let mut improved = false;
            for (tag, threshold) in found.iter_mut().enumerate() {
                let cells: Vec<(f32, bool)> =
                    (0..counts.len()).map(|image| (probabilities.row(image)[tag], truth.tags_of(image)[tag])).collect();
                let f2_at = |to: f64| -> f64 {
                    let moved = |(counts, &cell): (&TagCounts, &(f32, bool))| counts.moved(cell, *threshold, to).f2();
                    counts.iter().zip(&cells).map(moved).sum()
                };
                let mut best = (*threshold, f2_at(*threshold));
                for candidate in CANDIDATES.map(|percent| f64::from(percent) / 100.0) {
                    let value = f2_at(candidate);
                    let is_nearer = (candidate - *threshold).abs() < (best.0 - *threshold).abs();
                    // Sums of the same terms in the same order are equal to the bit.
                    if value > best.1 || (value == best.1 && is_nearer) {
                        best = (candidate, value);
                    }
                }
                if best.0 != *threshold {
                    for (counts, &cell) in counts.iter_mut().zip(&cells) {
                        *counts = counts.moved(cell, *threshold, best.0);
                    }
                    *threshold = best.0;
                    improved = true;
                }
            }
            if !improved {
                break;
            }
        }
        Thresholds::Each(found)
    }
}

/// Hundredths that a search tries for each tag.
const CANDIDATES: std::ops::RangeInclusive<u8> = 1..=99;

/// Passes over the tags; searches end after two or three.
const MOST_PASSES: usize = 20;

/// What was predicted of one image.
#[derive(Clone, Copy, Debug)]
struct TagCounts {
    hits: u32,
    missed: u32,
    wrong: u32,
}

impl TagCounts {
    fn of(image: usize, probabilities: &Probabilities, truth: &Truth, threshold: f64) -> Self {
        let mut counts = TagCounts { hits: 0, missed: 0, wrong: 0 };
        for (&p, &tag) in probabilities.row(image).iter().zip(truth.tags_of(image)) {
            match (f64::from(p) > threshold, tag) {
                (true, true) => counts.hits += 1,
                (false, true) => counts.missed += 1,
                (true, false) => counts.wrong += 1,
                (false, false) => {}
            }
        }
        counts
    }

    fn f2(self) -> f64 {
        f2_from_counts(self.hits.into(), self.missed.into(), self.wrong.into())
    }

    /// The counts with the threshold of one tag at `to` instead of `from`.
    fn moved(mut self, (p, tag): (f32, bool), from: f64, to: f64) -> Self {
        match (f64::from(p) > from, f64::from(p) > to, tag) {
            (true, false, true) => (self.hits, self.missed) = (self.hits - 1, self.missed + 1),
            (false, true, true) => (self.hits, self.missed) = (self.hits + 1, self.missed - 1),
            (true, false, false) => self.wrong -= 1,
            (false, true, false) => self.wrong += 1,
            (true, true, _) | (false, false, _) => {}
        }
        self
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
    use crate::metrics::f2;

    /// Two tags whose probabilities are on different scales: no common threshold is right for both.
    fn scaled() -> (Probabilities, Truth) {
        let p = Probabilities::new(vec![0.95, 0.06, 0.9, 0.01, 0.6, 0.07, 0.55, 0.02], 2);
        let cells = [[true, true], [true, false], [false, true], [false, false]].concat();
        (p, Truth::Tags { cells, tags: 2 })
    }

    #[test]
    fn each_tag_gets_a_threshold_of_its_scale() {
        let (p, truth) = scaled();
        let found = Thresholds::search_each(&p, &truth);
        // An image without tags counts 0 whatever is said.
        assert_eq!(f2(&p, &truth, &found), 0.75);
        assert!(f2_search(&p, &truth).1 < 0.75);
        let said = |image: usize| found.select(&["day", "haze"], p.row(image));
        assert_eq!([said(0), said(1), said(2), said(3)], [vec![&"day", &"haze"], vec![&"day"], vec![&"haze"], vec![]]);
        assert!(found.are_of(2) && !found.are_of(3));
    }

    #[test]
    fn a_tag_that_no_threshold_improves_keeps_the_common_one() {
        let truth = Truth::Tags { cells: vec![true, false], tags: 2 };
        let p = Probabilities::new(vec![0.9, 0.001], 2);
        assert_eq!(Thresholds::search_each(&p, &truth), Thresholds::Each(vec![0.17, 0.17]));
    }

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
