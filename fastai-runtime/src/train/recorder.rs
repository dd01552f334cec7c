//! fastai's smoothed training loss, and the turning point of a `fit`.

use serde::{Deserialize, Serialize};

use super::curves::EpochRow;

/// Share of the past in the moving average.
const MOMENTUM: f64 = 0.98;

/// Debiased exponential moving average of the batch losses: the first value equals the first loss.
///
/// ```
/// use fastai_runtime::train::SmoothedLoss;
/// let mut loss = SmoothedLoss::default();
/// assert_eq!(loss.add(1.0), 1.0);
/// assert!((loss.add(0.5) - 0.747475).abs() < 1e-6);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SmoothedLoss {
    average: f64,
    batches: u32,
}

impl SmoothedLoss {
    /// Adds a batch's loss and returns the smoothed value: `a <- 0.98 a + 0.02 loss`, shown as `a / (1 - 0.98^k)`.
    pub fn add(&mut self, loss: f64) -> f64 {
        self.average = MOMENTUM * self.average + (1.0 - MOMENTUM) * loss;
        self.batches += 1;
        self.value()
    }

    /// The smoothed value; NaN before the first batch.
    pub fn value(&self) -> f64 {
        self.average / (1.0 - MOMENTUM.powi(self.batches as i32))
    }
}

/// Smallest rise of the validation loss, relative to its lowest value, that counts.
const LEAST_RISE: f64 = 0.01;

/// A validation loss above its lowest value by this factor, for as many epochs as [`FAR_EPOCHS`], does not come from chance, however
/// few images have most of it.
const FAR_RISE: f64 = 1.5;
const FAR_EPOCHS: usize = 3;

/// Returns the epoch with the lowest validation loss if the loss has risen since, by at least 1 % and by more than chance explains,
/// while the training loss fell to below it, by more than chance explains, too ([`Evidence::fell`](super::Evidence::fell)). From that
/// epoch on, the network overfits.
pub fn turning_point(epochs: &[EpochRow]) -> Option<&EpochRow> {
    let (lowest, last) = (risen_from(epochs)?, epochs.last()?);
    let fell = last.trn_loss < lowest.trn_loss && last.trn_loss < last.val_loss;
    (fell && last.evidence.fell == Some(true)).then_some(lowest)
}

/// Returns the epoch with the lowest validation loss if the loss has risen by at least 1 % by the last epoch: on the same images by
/// more than chance explains ([`Evidence::rise`](super::Evidence::rise) is below 1 %), or to above its lowest value by half for the
/// last three epochs.
///
/// A temporary rise after a restart does not count: only the end of the fit matters.
pub(super) fn risen_from(epochs: &[EpochRow]) -> Option<&EpochRow> {
    let last = epochs.last()?;
    let lowest = epochs.iter().filter(|e| e.val_loss.is_finite()).min_by(|a, b| a.val_loss.total_cmp(&b.val_loss))?;
    let rose = last.val_loss - lowest.val_loss >= LEAST_RISE * lowest.val_loss.abs();
    let is_far = |row: &EpochRow| row.epoch > lowest.epoch && row.val_loss > FAR_RISE * lowest.val_loss;
    let stays_far = epochs.len() > FAR_EPOCHS && epochs[epochs.len() - FAR_EPOCHS..].iter().all(is_far);
    (lowest.epoch < last.epoch && rose && (stays_far || last.evidence.has_risen())).then_some(lowest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Evidence;

    fn turned(losses: &[(f64, f64)]) -> Option<u64> {
        let row = |(epoch, &(trn_loss, val_loss)): (usize, &(f64, f64))| EpochRow {
            epoch: epoch as u64,
            trn_loss,
            val_loss,
            evidence: Evidence { fell: Some(true), ..Evidence::default() },
            ..EpochRow::default()
        };
        let rows: Vec<EpochRow> = losses.iter().enumerate().map(row).collect();
        turning_point(&rows).map(|row| row.epoch)
    }

    #[test]
    fn the_turn_is_where_validation_was_lowest() {
        assert_eq!(turned(&[(0.5, 0.4), (0.4, 0.3), (0.3, 0.32), (0.2, 0.35)]), Some(1));
        assert_eq!(turned(&[(0.5, 0.3), (0.2, 0.31)]), Some(0));
        assert_eq!(
            turned(&[(0.5, 0.3), (0.4, 0.31)]),
            None,
            "trained with dropout, the network does not know its images better"
        );
    }

    #[test]
    fn nothing_turned() {
        for losses in [
            &[][..],
            &[(0.5, 0.4)],
            &[(0.5, 0.4), (0.4, 0.3), (0.3, 0.2)],
            // A restart: worse in between, better in the end.
            &[(0.5, 0.4), (0.6, 0.7), (0.3, 0.3)],
            // Both rise: the rate is too high, nothing is learnt by heart.
            &[(0.5, 0.4), (0.6, 0.5)],
            // Within the noise.
            &[(0.5, 0.4), (0.4, 0.402)],
            // No validation set.
            &[(0.5, f64::NAN), (0.4, f64::NAN)],
        ] {
            assert_eq!(turned(losses), None, "{losses:?}");
        }
    }

    #[test]
    fn debiased_vector() {
        let mut loss = SmoothedLoss::default();
        for (given, shown) in [(1.0, 1.0), (0.5, 0.747_475), (0.25, 0.578_289), (2.0, 0.944_559)] {
            let got = loss.add(given);
            assert!((got - shown).abs() < 1e-6, "{got} for {shown}");
        }
    }
}
