//! Test-time augmentation: the mean over plain and augmented predictions.

use crate::RunError;
use crate::data::Traversal;
use crate::metrics::Probabilities;

/// The weights of plain and augmented predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TtaWeights {
    /// Copies of the plain prediction: a quarter of the augmented ones, rounded up; at least 1.
    pub plain: u32,
    /// Augmented passes, each counted once.
    pub augmented: u32,
}

impl TtaWeights {
    /// The weights of `tta(n_aug)`. Without augmented passes, the mean is the plain prediction.
    ///
    /// ```
    /// use fastai_runtime::predict::TtaWeights;
    /// assert_eq!(TtaWeights::new(4), TtaWeights { plain: 1, augmented: 4 });
    /// assert_eq!(TtaWeights::new(8).plain, 2);
    /// assert_eq!(TtaWeights::new(0), TtaWeights { plain: 1, augmented: 0 });
    /// ```
    pub fn new(n_aug: u32) -> Self {
        TtaWeights { plain: n_aug.div_ceil(4).max(1), augmented: n_aug }
    }

    /// In words, `tta: 1 plain + 4 augmented`.
    pub fn describe(self) -> String {
        format!("tta: {} plain + {} augmented", self.plain, self.augmented)
    }
}

/// Averages probabilities, not their logarithms, so rows that sum to 1 still do.
///
/// Without `augmented` predictions, `copies` must be at least 1: the mean of none is NaN.
///
/// # Panics
/// If the passes differ in images or classes.
pub fn average(plain: &Probabilities, copies: u32, augmented: &[Probabilities]) -> Probabilities {
    let mut sums: Vec<f64> = plain.values().iter().map(|p| f64::from(*p) * f64::from(copies)).collect();
    for pass in augmented {
        assert_eq!(pass.values().len(), sums.len(), "passes over the same images");
        for (sum, p) in sums.iter_mut().zip(pass.values()) {
            *sum += f64::from(*p);
        }
    }
    let count = f64::from(copies) + augmented.len() as f64;
    Probabilities::new(sums.iter().map(|s| (s / count) as f32).collect(), plain.classes())
}

/// Augmented inputs of an image that are computed together, from one decoding; more would take memory.
const VIEWS: u32 = 16;

/// Averages `plain` and `n_aug` augmented predictions of the same images. `predict` computes some of the augmented ones, those
/// of an image together, from the pass and its title.
pub(crate) fn augmented(
    plain: &Probabilities,
    n_aug: u32,
    mut predict: impl FnMut(&Traversal, &str) -> Result<Probabilities, RunError>,
) -> Result<Probabilities, RunError> {
    let classes = plain.classes();
    let mut passes = Vec::with_capacity(n_aug as usize);
    for first in (0..n_aug).step_by(VIEWS as usize) {
        let views = VIEWS.min(n_aug - first);
        let what = match views {
            1 => format!("images, augmented prediction {} of {n_aug}", first + 1),
            _ => format!("images, augmented predictions {} to {} of {n_aug}", first + 1, first + views),
        };
        let all = predict(&Traversal::Views { first, views }, &what)?;
        let rows = all.values().chunks_exact(classes);
        let of = |view: usize| rows.clone().skip(view).step_by(views as usize).flatten().copied().collect();
        passes.extend((0..views as usize).map(|view| Probabilities::new(of(view), classes)));
    }
    Ok(average(plain, TtaWeights::new(n_aug).plain, &passes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_prediction_counts_by_its_copies() {
        let plain = Probabilities::new(vec![1.0, 0.0], 2);
        let other = Probabilities::new(vec![0.0, 1.0], 2);
        let mean = average(&plain, 2, &[other.clone(), other]);
        assert_eq!(mean.values(), [0.5, 0.5]);
    }

    #[test]
    fn without_augmented_predictions_the_mean_is_the_plain_one() {
        let plain = Probabilities::new(vec![0.3, 0.7], 2);
        assert_eq!(average(&plain, TtaWeights::new(0).plain, &[]), plain);
    }

    #[test]
    fn the_views_of_an_image_lie_together() {
        let plain = Probabilities::new(vec![1.0, 0.0, 0.5, 0.5], 2);
        let mean = augmented(&plain, 2, |pass, _| {
            assert_eq!(*pass, Traversal::Views { first: 0, views: 2 });
            Ok(Probabilities::new(vec![0.75, 0.25, 0.5, 0.5, 0.0, 1.0, 0.25, 0.75], 2))
        });
        assert_eq!(mean.unwrap().values(), [0.75, 0.25, 0.25, 0.75]);
    }
}
