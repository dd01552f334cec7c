//! Counts of what is true and what is predicted, of each class.

use super::{Probabilities, Truth};

/// How often each class is true, predicted, and both, among weighted images.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tally {
    pub(super) hits: Vec<f64>,
    pub(super) truth: Vec<f64>,
    pub(super) said: Vec<f64>,
    /// Images.
    pub(super) images: f64,
}

impl Tally {
    fn empty(classes: usize) -> Self {
        Tally { hits: vec![0.0; classes], truth: vec![0.0; classes], said: vec![0.0; classes], images: 0.0 }
    }

    /// Counts pairs of a true and a predicted class.
    pub(super) fn of_pairs(pairs: &[(u32, u32)], times: &[u32], classes: usize) -> Self {
        let mut tally = Tally::empty(classes);
        for (&(truth, said), &n) in pairs.iter().zip(times) {
            let n = f64::from(n);
            tally.truth[truth as usize] += n;
            tally.said[said as usize] += n;
            if truth == said {
                tally.hits[truth as usize] += n;
            }
            tally.images += n;
        }
        tally
    }

    /// Counts cells `[image, tag]` that are true, and that are predicted.
    pub(super) fn of_cells(truth: &[bool], said: &[bool], times: &[u32], tags: usize) -> Self {
        let mut tally = Tally::empty(tags);
        let rows = truth.chunks_exact(tags.max(1)).zip(said.chunks_exact(tags.max(1)));
        for ((truth, said), &n) in rows.zip(times) {
            let n = f64::from(n);
            for (tag, (&truth, &said)) in truth.iter().zip(said).enumerate() {
                tally.truth[tag] += if truth { n } else { 0.0 };
                tally.said[tag] += if said { n } else { 0.0 };
                tally.hits[tag] += if truth && said { n } else { 0.0 };
            }
            tally.images += n;
        }
        tally
    }
}

/// The true and the most probable class of each image.
pub(super) fn pairs(predicted: &Probabilities, classes: &[u32]) -> Vec<(u32, u32)> {
    classes.iter().enumerate().map(|(image, &class)| (class, predicted.top(image) as u32)).collect()
}

/// Which cells are predicted: those above `threshold`.
pub(super) fn said(predicted: &Probabilities, threshold: f64) -> Vec<bool> {
    predicted.values().iter().map(|&p| f64::from(p) > threshold).collect()
}

/// The number of images that have each class.
pub(super) fn support(truth: &Truth, classes: usize) -> Vec<usize> {
    let mut support = vec![0; classes];
    match truth {
        Truth::Classes(labels) => labels.iter().for_each(|&class| support[class as usize] += 1),
        Truth::Tags { cells, tags } => {
            for row in cells.chunks_exact((*tags).max(1)) {
                row.iter().zip(&mut support).for_each(|(&has, images)| *images += usize::from(has));
            }
        }
        Truth::Values(_) => {}
    }
    support
}
