//! What was taken for what, and how each tag did.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::f2::TagCounts;
use super::probabilities::{Probabilities, Truth};
use super::thresholds::Thresholds;

/// How often each true class was called each class. Only what occurred is stored, because a matrix of 10,000 classes would
/// take 800 MB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Class names, in the order of the outputs.
    pub classes: Vec<String>,
    /// True class, said class and images, in this order; at least one image each.
    pub cells: Vec<(u32, u32, u64)>,
}

impl Confusion {
    /// The whole matrix: `matrix()[truth][said]`, images.
    pub fn matrix(&self) -> Vec<Vec<u64>> {
        let mut matrix = vec![vec![0; self.classes.len()]; self.classes.len()];
        for (truth, said, n) in &self.cells {
            matrix[*truth as usize][*said as usize] = *n;
        }
        matrix
    }

    /// The images of each true class.
    pub fn support(&self) -> Vec<u64> {
        let mut support = vec![0; self.classes.len()];
        self.cells.iter().for_each(|(truth, _, n)| support[*truth as usize] += n);
        support
    }

    /// What was taken for what: images, true class and said class, the most frequent first, of equals the first.
    pub fn mistakes(&self) -> Vec<(u64, usize, usize)> {
        let wrong = self.cells.iter().filter(|(truth, said, _)| truth != said);
        let mut mistakes: Vec<_> = wrong.map(|(truth, said, n)| (*n, *truth as usize, *said as usize)).collect();
        mistakes.sort_by(|a, b| b.0.cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        mistakes
    }
}

/// How the predictions did on one tag.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TagRow {
    /// The tag.
    pub tag: String,
    /// Validation images that have it.
    pub support: u64,
    /// The probability above which it is said.
    #[serde(default)]
    pub threshold: f64,
    /// Validation images that were said to have it.
    pub said: u64,
    /// Share of the said ones that have it; NaN where it was never said.
    pub precision: f64,
    /// Share of those that have it that were said to; NaN where none has it.
    pub recall: f64,
    /// F2 of this tag alone: recall counts twice as much as precision.
    pub f2: f64,
}

/// How often each true class (row) was called each class (column): the most probable one of each image.
pub fn confusion(probabilities: &Probabilities, truth: &[u32], names: &[String]) -> Confusion {
    let mut counts: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    for (image, &class) in truth.iter().enumerate() {
        *counts.entry((class, probabilities.top(image) as u32)).or_default() += 1;
    }
    let cells = counts.into_iter().map(|((truth, said), n)| (truth, said, n)).collect();
    Confusion { classes: names.to_vec(), cells }
}

/// Precision, recall and F2 of each tag over all images, a tag being said above its threshold.
pub fn tag_table(
    probabilities: &Probabilities,
    truth: &Truth,
    thresholds: &Thresholds,
    names: &[String],
) -> Vec<TagRow> {
    let mut counts = vec![TagCounts::default(); names.len()];
    for (image, row) in probabilities.rows().enumerate() {
        for (number, ((&p, &tag), counts)) in row.iter().zip(truth.tags_of(image)).zip(&mut counts).enumerate() {
            counts.add(thresholds.are_exceeded(number, p), tag);
        }
    }
    let share = |part: u64, whole: u64| if whole > 0 { part as f64 / whole as f64 } else { f64::NAN };
    let row = |(number, (tag, counts)): (usize, (&String, TagCounts))| {
        let (support, said) = (counts.hits + counts.missed, counts.hits + counts.wrong);
        TagRow {
            tag: tag.clone(),
            support,
            threshold: thresholds.of_tag(number),
            said,
            precision: share(counts.hits, said),
            recall: share(counts.hits, support),
            f2: counts.f2(),
        }
    };
    names.iter().zip(counts).enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_true_classes() {
        let p = Probabilities::new(vec![0.9, 0.1, 0.2, 0.8, 0.6, 0.4], 2);
        let found = confusion(&p, &[0, 0, 1], &["cat".into(), "dog".into()]);
        assert_eq!(found.matrix(), [[1, 1], [1, 0]]);
        assert_eq!(found.cells, [(0, 0, 1), (0, 1, 1), (1, 0, 1)]);
        assert_eq!((found.support(), found.mistakes()), (vec![2, 1], vec![(1, 0, 1), (1, 1, 0)]));
    }

    #[test]
    fn counts_a_tag() {
        let p = Probabilities::new(vec![0.9, 0.0, 0.9, 0.0, 0.1, 0.0, 0.9, 0.0], 2);
        let cells = vec![true, false, false, false, true, false, true, false];
        let truth = Truth::Tags { cells, tags: 2 };
        let table = tag_table(&p, &truth, &Thresholds::All(0.2), &["haze".into(), "snow".into()]);
        assert_eq!((table[0].support, table[0].said, table[0].threshold), (3, 3, 0.2));
        assert_eq!((table[0].precision, table[0].recall, table[0].f2), (2.0 / 3.0, 2.0 / 3.0, 10.0 / 15.0));
        assert!(table[1].precision.is_nan() && table[1].recall.is_nan() && table[1].f2 == 0.0);
    }
}
