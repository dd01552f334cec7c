//! Test-time augmentation: the mean over plain and augmented predictions.

use crate::RunError;
use crate::data::Traversal;
use crate::metrics::Probabilities;

/// The weights of plain and augmented predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TtaWeights {
    /// Copies of the plain prediction: a quarter of the augmented ones, rounded up.
    pub plain: u32,
    /// Augmented passes, each counted once.
    pub augmented: u32,
}

impl TtaWeights {
    /// The weights of `tta(n_aug)`.
    ///
    /// ```
    /// use fastai_runtime::predict::TtaWeights;
    /// assert_eq!(TtaWeights::new(4), TtaWeights { plain: 1, augmented: 4 });
    /// assert_eq!(TtaWeights::new(8).plain, 2);
    /// ```
    pub fn new(n_aug: u32) -> Self {
        TtaWeights { plain: n_aug.div_ceil(4), augmented: n_aug }
    }

    /// In words, `tta: 1 plain + 4 augmented`.
    pub fn describe(self) -> String {
        format!("tta: {} plain + {} augmented", self.plain, self.augmented)
    }
}

/// Averages probabilities, not their logarithms, so rows that sum to 1 still do.
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

/// Averages `plain` and `n_aug` augmented predictions of the same images. `predict` computes each augmented one from the
/// pass and its title; `stage` is the index of the `tta` step.
pub(crate) fn augmented(
    plain: &Probabilities,
    n_aug: u32,
    stage: usize,
    mut predict: impl FnMut(&Traversal, &str) -> Result<Probabilities, RunError>,
) -> Result<Probabilities, RunError> {
    let mut passes = Vec::with_capacity(n_aug as usize);
    for pass in 0..u64::from(n_aug) {
        let what = format!("images, augmented prediction {} of {n_aug}", pass + 1);
        passes.push(predict(&Traversal::Augmented { stage: stage as u64, pass }, &what)?);
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
}
