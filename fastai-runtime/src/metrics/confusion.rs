//! What was taken for what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::probabilities::Probabilities;

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

/// How often each true class (row) was called each class (column): the most probable one of each image.
pub fn confusion(probabilities: &Probabilities, truth: &[u32], names: &[String]) -> Confusion {
    let mut counts: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    for (image, &class) in truth.iter().enumerate() {
        *counts.entry((class, probabilities.top(image) as u32)).or_default() += 1;
    }
    let cells = counts.into_iter().map(|((truth, said), n)| (truth, said, n)).collect();
    Confusion { classes: names.to_vec(), cells }
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
}
