//! F-beta with beta 2, which counts a missed tag four times as much as a wrong one.

use fastai_dsl::{Metric, Threshold};

use super::interval::bootstrap;
use super::{Measure, Probabilities, Thresholds, Truth, mean};

/// The thresholds that a search tries, in order: .17, .18, .. .23, those of the Planet competition's lesson.
pub const SEARCHED_THRESHOLDS: [f64; 7] = [0.17, 0.18, 0.19, 0.20, 0.21, 0.22, 0.23];

/// Mean F2 over the images, with a bootstrap interval.
///
/// Searched thresholds are kept while resampling: the interval is that of the thresholds' F2, not of the search. With a
/// threshold searched for each tag, every other image is measured with the thresholds that are best on the images between, so
/// that none is measured with thresholds that it helped to choose.
#[derive(Clone, Copy, Debug)]
pub struct F2 {
    /// How probabilities become tags.
    pub threshold: Threshold,
}

impl F2 {
    /// The F2 of each image.
    fn of_images(&self, predicted: &Probabilities, truth: &Truth) -> Vec<f64> {
        match self.threshold {
            Threshold::SearchEach => f2_of_halves(predicted, truth),
            rule => f2_of_images(predicted, truth, thresholds_by(rule, predicted, truth)),
        }
    }
}

impl Measure for F2 {
    language_metric!(self => Metric::F2 { threshold: self.threshold });

    fn value(&self, predicted: &Probabilities, truth: &Truth) -> f64 {
        let Truth::Tags { .. } = truth else { return f64::NAN };
        mean(&self.of_images(predicted, truth))
    }

    fn interval(&self, predicted: &Probabilities, truth: &Truth, draw: &mut dyn FnMut() -> u64) -> Option<[f64; 2]> {
        bootstrap(&self.of_images(predicted, truth), draw)
    }

    fn chosen_here(&self, predicted: &Probabilities, truth: &Truth) -> Option<String> {
        let search = matches!(self.threshold, Threshold::Search);
        search.then(|| {
            let threshold = f2_search(predicted, truth).0;
            format!("threshold {threshold:.2}, the best of .17 to .23 on these images")
        })
    }
}

/// F2 of each image, a tag being said above its threshold; an image without true and without said tags counts 0.
pub fn f2_of_images(probabilities: &Probabilities, truth: &Truth, thresholds: impl Into<Thresholds>) -> Vec<f64> {
    let thresholds = thresholds.into();
    TagCounts::of_images(probabilities, truth, &thresholds).map(TagCounts::f2).collect()
}

/// Mean over the images of [`f2_of_images`]; 0 for an empty set.
pub fn f2(probabilities: &Probabilities, truth: &Truth, thresholds: impl Into<Thresholds>) -> f64 {
    mean(&f2_of_images(probabilities, truth, thresholds))
}

/// F2 of each image with the thresholds of [`f2_search_each`] on the other half of the images; the halves are every
/// other image.
fn f2_of_halves(probabilities: &Probabilities, truth: &Truth) -> Vec<f64> {
    let half = |first: usize| -> Vec<usize> { (first..truth.len()).step_by(2).collect() };
    let mut found = vec![0.0; truth.len()];
    for (measured, other) in [(half(0), half(1)), (half(1), half(0))] {
        let thresholds = f2_search_each(&probabilities.select(&other), &truth.select(&other));
        let values = f2_of_images(&probabilities.select(&measured), &truth.select(&measured), thresholds);
        measured.iter().zip(values).for_each(|(&image, value)| found[image] = value);
    }
    found
}

/// The thresholds that the rule names, or that it finds on these images.
pub fn thresholds_by(rule: Threshold, probabilities: &Probabilities, truth: &Truth) -> Thresholds {
    match rule {
        Threshold::Fixed(threshold) => Thresholds::All(threshold),
        Threshold::Search => Thresholds::All(f2_search(probabilities, truth).0),
        Threshold::SearchEach => f2_search_each(probabilities, truth),
    }
}

/// The threshold with the best F2 on these very images, the first of equals, and that F2.
pub fn f2_search(probabilities: &Probabilities, truth: &Truth) -> (f64, f64) {
    let mut best = (SEARCHED_THRESHOLDS[0], f64::NEG_INFINITY);
    for threshold in SEARCHED_THRESHOLDS {
        let value = f2(probabilities, truth, threshold);
        if value > best.1 {
            best = (threshold, value);
        }
    }
    best
}

/// Searches a threshold for each tag, of .01, .02, .. .99, that together have the best mean F2 on these images.
///
/// The search begins with the best common threshold and takes one tag after the other, the others staying as they are,
/// until nothing improves; of equally good thresholds, the tag keeps its own or takes the one nearest to it.
pub fn f2_search_each(probabilities: &Probabilities, truth: &Truth) -> Thresholds {
    let Truth::Tags { tags, .. } = *truth else { return Thresholds::Each(Vec::new()) };
    let start = f2_search(probabilities, truth).0;
    let mut found = vec![start; tags];
    let mut counts: Vec<TagCounts> = TagCounts::of_images(probabilities, truth, &Thresholds::All(start)).collect();
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

/// Hundredths that a search tries for each tag.
const CANDIDATES: std::ops::RangeInclusive<u8> = 1..=99;

/// Passes over the tags; searches end after two or three.
const MOST_PASSES: usize = 20;

/// How often a tag was said rightly, missed, and said wrongly.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TagCounts {
    pub(super) hits: u64,
    pub(super) missed: u64,
    pub(super) wrong: u64,
}

impl TagCounts {
    /// The counts of each image.
    fn of_images<'a>(
        probabilities: &'a Probabilities,
        truth: &'a Truth,
        thresholds: &'a Thresholds,
    ) -> impl Iterator<Item = Self> + use<'a> {
        probabilities.rows().enumerate().map(|(image, row)| {
            let mut counts = TagCounts::default();
            for (number, (&p, &tag)) in row.iter().zip(truth.tags_of(image)).enumerate() {
                counts.add(thresholds.are_exceeded(number, p), tag);
            }
            counts
        })
    }

    /// Counts a tag that is said or not, and true or not.
    pub(super) fn add(&mut self, said: bool, tag: bool) {
        match (said, tag) {
            (true, true) => self.hits += 1,
            (false, true) => self.missed += 1,
            (true, false) => self.wrong += 1,
            (false, false) => {}
        }
    }

    /// F2: `5 hits / (5 hits + 4 missed + wrong)`; 0 where nothing is true and nothing was said.
    pub(super) fn f2(self) -> f64 {
        let total = 5 * self.hits + 4 * self.missed + self.wrong;
        if total == 0 { 0.0 } else { 5.0 * self.hits as f64 / total as f64 }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(rows: &[&str]) -> Vec<bool> {
        rows.iter().flat_map(|row| row.bytes().map(|b| b == b'1')).collect()
    }

    /// The planet lesson's vector: true 101 000 010 111, said 110 000 000 111.
    #[test]
    fn planet_vector() {
        let truth = Truth::Tags { cells: tags(&["101", "000", "010", "111"]), tags: 3 };
        let said = tags(&["110", "000", "000", "111"]).iter().map(|&b| if b { 0.9 } else { 0.05 }).collect();
        let p = Probabilities::new(said, 3);
        assert_eq!(f2(&p, &truth, 0.2), 0.375);
        assert_eq!(f2_search(&p, &truth), (0.17, 0.375));
    }

    #[test]
    fn the_search_takes_the_first_maximum() {
        // .185 is said at .17 and .18 only, .205 until .20.
        let truth = Truth::Tags { cells: tags(&["10"]), tags: 2 };
        let p = Probabilities::new(vec![0.205, 0.185], 2);
        assert_eq!(f2_search(&p, &truth), (0.19, 1.0));
    }

    #[test]
    fn no_image_is_measured_with_thresholds_that_it_helped_to_choose() {
        // On the images 0 and 2, the tag is true above .5; on 1 and 3, above .05.
        let truth = Truth::Tags { cells: vec![true, true, false, false], tags: 1 };
        let p = Probabilities::new(vec![0.9, 0.1, 0.5, 0.01], 1);
        let f2_of = |rows: &[usize], threshold: &Thresholds| f2(&p.select(rows), &truth.select(rows), threshold);
        let [even, odd] = [[0, 2], [1, 3]].map(|half| f2_search_each(&p.select(&half), &truth.select(&half)));
        let expected = (f2_of(&[0, 2], &odd) + f2_of(&[1, 3], &even)) / 2.0;
        let measure = F2 { threshold: Threshold::SearchEach };
        assert_eq!(measure.value(&p, &truth), expected);
        assert_eq!(measure.chosen_here(&p, &truth), None);
    }

    #[test]
    fn a_tag_is_said_only_above_the_threshold() {
        let truth = Truth::Tags { cells: vec![true], tags: 1 };
        assert_eq!(f2(&Probabilities::new(vec![0.5], 1), &truth, 0.5), 0.0);
    }

    /// Two tags whose probabilities are on different scales: no common threshold is right for both.
    fn scaled() -> (Probabilities, Truth) {
        let p = Probabilities::new(vec![0.95, 0.06, 0.9, 0.01, 0.6, 0.07, 0.55, 0.02], 2);
        let cells = [[true, true], [true, false], [false, true], [false, false]].concat();
        (p, Truth::Tags { cells, tags: 2 })
    }

    #[test]
    fn each_tag_gets_a_threshold_of_its_scale() {
        let (p, truth) = scaled();
        let found = f2_search_each(&p, &truth);
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
        assert_eq!(f2_search_each(&p, &truth), Thresholds::Each(vec![0.17, 0.17]));
    }
}
