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

/// Nor does one that lies above it by this factor after a steady rise: pairs of epochs in which the later one is higher outnumber the
/// others by this many standard deviations of what chance makes of them (the test of Mann and Kendall).
const STEADY_RISE: f64 = 1.2;
const STEADY: f64 = 4.0;

/// The training loss is far below the validation loss if it is less than this share of it.
pub(super) const FAR_BELOW: f64 = 0.6;
/// A training loss below that of an earlier epoch by this factor has fallen, as both are means over many batches.
const LOWER: f64 = 0.9;

/// Returns the epoch with the lowest validation loss if the loss has risen since, by at least 1 % and by more than chance
/// explains, while the training loss fell to below it: by more than chance explains, too
/// ([`Evidence::fell`](super::Evidence::fell)), or to far below the validation loss. From that epoch on, the network overfits.
pub fn turning_point(epochs: &[EpochRow]) -> Option<&EpochRow> {
    let (lowest, last) = (risen_from(epochs)?, epochs.last()?);
    let fell = last.trn_loss < lowest.trn_loss && last.trn_loss < last.val_loss;
    let is_far_below = last.trn_loss < LOWER * lowest.trn_loss && last.trn_loss < FAR_BELOW * last.val_loss;
    (fell && last.evidence.fell.is_some_and(|batches_fell| batches_fell || is_far_below)).then_some(lowest)
}

/// Returns the epoch with the lowest validation loss if the loss has risen by at least 1 % by the last epoch: on the same images by
/// more than chance explains ([`Evidence::rise`](super::Evidence::rise) is below 1 %), to above its lowest value by half for the
/// last three epochs or by three that each raised it, or by a fifth in a steady rise over many epochs.
///
/// A temporary rise after a restart does not count: only the end of the fit matters.
pub(super) fn risen_from(epochs: &[EpochRow]) -> Option<&EpochRow> {
    let last = epochs.last()?;
    let lowest = epochs.iter().filter(|e| e.val_loss.is_finite()).min_by(|a, b| a.val_loss.total_cmp(&b.val_loss))?;
    let rose = last.val_loss - lowest.val_loss >= LEAST_RISE * lowest.val_loss.abs();
    let is_far = |row: &EpochRow| row.epoch > lowest.epoch && row.val_loss > FAR_RISE * lowest.val_loss;
    let stays_far = epochs.len() > FAR_EPOCHS && epochs[epochs.len() - FAR_EPOCHS..].iter().all(is_far);
    let is_shown = || stays_far || last.evidence.has_risen() || rises_steadily(epochs, lowest);
    (lowest.epoch < last.epoch && rose && is_shown()).then_some(lowest)
}

/// Whether the validation loss rises from `lowest` on, so far and so steadily that chance does not explain it.
fn rises_steadily(epochs: &[EpochRow], lowest: &EpochRow) -> bool {
    let losses: Vec<f64> = epochs.iter().filter(|row| row.epoch >= lowest.epoch).map(|row| row.val_loss).collect();
    let last = losses.last().copied().unwrap_or(lowest.val_loss);
    // Said first, as it costs little: a fit may have thousands of epochs.
    if last.is_nan() || last <= STEADY_RISE * lowest.val_loss {
        return false;
    }
    // Pairs in which the later loss is higher, less those in which it is lower.
    let (mut sorted, mut more): (Vec<f64>, f64) = (Vec::with_capacity(losses.len()), 0.0);
    for now in losses.iter().filter(|loss| !loss.is_nan()) {
        let below = sorted.partition_point(|then| then < now);
        let up_to = sorted.partition_point(|then| then <= now);
        more += below as f64 - (sorted.len() - up_to) as f64;
        sorted.insert(up_to, *now);
    }
    let n = losses.len() as f64;
    let is_steady = more > STEADY * (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    let only_rises = losses.len() > FAR_EPOCHS && losses.is_sorted_by(|then, now| then < now);
    is_steady || (only_rises && last > FAR_RISE * lowest.val_loss)
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
    fn a_steady_rise_needs_no_certainty_in_any_single_epoch() {
        // Exchange tests of few images, a few of which have most of the loss, exclude chance in none of these epochs.
        let turned = |losses: &[(f64, f64)]| {
            let evidence = Evidence { rise: Some(0.05), fell: Some(true), ..Evidence::default() };
            let row = |(epoch, &(trn_loss, val_loss))| {
                let shown = EpochRow { evidence, ..EpochRow::default() };
                EpochRow { epoch, trn_loss, val_loss, ..shown }
            };
            let rows: Vec<EpochRow> = (0..).zip(losses).map(row).collect();
            turning_point(&rows).map(|row| row.epoch)
        };
        // 120 photos in training, 80 in validation, without dropout.
        let trn_losses = [
            0.907, 0.582, 0.471, 0.373, 0.332, 0.269, 0.229, 0.193, 0.167, 0.141, 0.140, 0.139, 0.126, 0.108, 0.093,
            0.089, 0.083, 0.073, 0.079, 0.077, 0.080, 0.068, 0.061, 0.055, 0.060, 0.060, 0.067, 0.073, 0.064, 0.054,
        ];
        let val_losses = [
            0.713, 0.607, 0.605, 0.574, 0.571, 0.651, 0.686, 0.646, 0.681, 0.651, 0.679, 0.681, 0.712, 0.719, 0.716,
            0.721, 0.723, 0.748, 0.762, 0.724, 0.667, 0.729, 0.759, 0.773, 0.760, 0.752, 0.779, 0.843, 0.861, 0.843,
        ];
        let known: Vec<(f64, f64)> = trn_losses.into_iter().zip(val_losses).collect();
        assert_eq!(turned(&known), Some(4));
        assert_eq!(turned(&known[..12]), None, "up and down since epoch 4");
        // Shuffled labels, and a regression that knows its images better with each epoch.
        let shuffled = [(1.358, 1.214), (1.279, 1.277), (1.141, 1.490), (1.036, 1.798), (0.913, 2.524)];
        assert_eq!((turned(&shuffled), turned(&shuffled[..4])), (Some(0), None), "by half");
        let values = [1.272, 1.126, 1.131, 1.236, 1.370, 1.665, 1.977, 2.460];
        let falling = [1.349, 1.244, 1.119, 0.999, 0.936, 0.869, 0.821, 0.781];
        assert_eq!(turned(&falling.into_iter().zip(values).collect::<Vec<_>>()), Some(1));
        // A plateau, and losses that jump to where they have been before.
        let jumps = [0.64, 0.6, 0.75, 0.62, 0.71, 0.66, 0.77, 0.63, 0.72, 0.69, 0.78, 0.61, 0.74];
        let row = |(epoch, val): (i32, f64)| (0.5 * 0.8f64.powi(epoch), val);
        assert_eq!(turned(&(0..).zip(jumps).map(row).collect::<Vec<_>>()), None);
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
