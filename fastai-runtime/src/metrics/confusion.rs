//! What was taken for what, and how each tag did.

use super::fbeta::f2_from_counts;
use super::probabilities::{Probabilities, Truth};
use crate::report::{Confusion, TagRow};

/// How often each true class (row) was called each class (column): the most probable one of each image.
pub fn confusion(probabilities: &Probabilities, truth: &[u32], names: &[String]) -> Confusion {
    let mut counts = vec![vec![0; names.len()]; names.len()];
    for (image, &class) in truth.iter().enumerate() {
        counts[class as usize][probabilities.top(image)] += 1;
    }
    Confusion { classes: names.to_vec(), counts }
}

/// Precision, recall and F2 of each tag over all images, a tag being said when `p > threshold`.
pub fn tag_table(probabilities: &Probabilities, truth: &Truth, threshold: f64, names: &[String]) -> Vec<TagRow> {
    let mut counts = vec![[0u64; 3]; names.len()];
    for (image, row) in probabilities.rows().enumerate() {
        for ((&p, &tag), [hits, missed, wrong]) in row.iter().zip(truth.tags_of(image)).zip(&mut counts) {
            match (f64::from(p) > threshold, tag) {
                (true, true) => *hits += 1,
                (false, true) => *missed += 1,
                (true, false) => *wrong += 1,
                (false, false) => {}
            }
        }
    }
    let share = |part: u64, whole: u64| if whole > 0 { part as f64 / whole as f64 } else { f64::NAN };
    let row = |(tag, [hits, missed, wrong]): (&String, [u64; 3])| TagRow {
        tag: tag.clone(),
        support: hits + missed,
        said: hits + wrong,
        precision: share(hits, hits + wrong),
        recall: share(hits, hits + missed),
        f2: f2_from_counts(hits, missed, wrong),
    };
    names.iter().zip(counts).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_true_classes() {
        let p = Probabilities::new(vec![0.9, 0.1, 0.2, 0.8, 0.6, 0.4], 2);
        let matrix = confusion(&p, &[0, 0, 1], &["cat".into(), "dog".into()]);
        assert_eq!(matrix.counts, [[1, 1], [1, 0]]);
    }

    #[test]
    fn counts_a_tag() {
        let p = Probabilities::new(vec![0.9, 0.0, 0.9, 0.0, 0.1, 0.0, 0.9, 0.0], 2);
        let cells = vec![true, false, false, false, true, false, true, false];
        let table = tag_table(&p, &Truth::Tags { cells, tags: 2 }, 0.2, &["haze".into(), "snow".into()]);
        assert_eq!((table[0].support, table[0].said), (3, 3));
        assert_eq!((table[0].precision, table[0].recall, table[0].f2), (2.0 / 3.0, 2.0 / 3.0, 10.0 / 15.0));
        assert!(table[1].precision.is_nan() && table[1].recall.is_nan() && table[1].f2 == 0.0);
    }
}
