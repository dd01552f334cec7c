//! How certain the validation loss of an epoch is, and whether chance explains how far it lies above earlier ones, or how far the
//! losses of the batches have fallen.

use serde::{Deserialize, Serialize};

use super::validation::ValidationResult;
use crate::metrics::{by_chance, mean, mean_and_deviation};

/// A difference of two losses whose probability by chance is not below this says nothing. The epoch with the lowest loss is
/// chosen among all, which makes the rise above it look less probable than it is, so this is stricter than the 5 % of intervals.
const LEAST_PROBABLE: f64 = 0.01;

/// Chance explains what differs by no more than so many standard deviations, or standard errors of a mean.
pub(super) const BY_CHANCE: f64 = 2.0;

/// What differs by more standard errors than these is beyond doubt, and advice may rest on it.
const BEYOND_DOUBT: f64 = 3.0;

/// Fewest batches among which a fall at a rate that fits would show.
const ENOUGH_TO_FALL: usize = 20;

/// What the losses of single validation images, and those of the batches, tell of an epoch's losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Standard error of the loss over the images, each of which counts the same; `None` for fewer than two, where one is not
    /// finite, and in records of earlier versions.
    #[serde(default)]
    pub error: Option<f64>,
    /// The probability that chance raises the loss so far above the lowest one of the earlier epochs of the fit, by an
    /// [exchange test](by_chance) of the two losses of each image; 1 where it is not above, `None` where it is not known.
    #[serde(default)]
    pub rise: Option<f64>,
    /// The same, against the losses before the fit.
    #[serde(default)]
    pub harm: Option<f64>,
    /// Whether the losses of the batches fell by more than chance explains since the earlier epoch with the lowest validation
    /// loss began, or since its middle if it is the first one; `None` in the first epoch, for too few batches, and in records of
    /// earlier versions.
    #[serde(default)]
    pub fell: Option<bool>,
}

/// The losses of the validation images in the epoch with the lowest mean so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LowestLosses {
    /// The validation loss of the epoch.
    pub val_loss: f64,
    /// The loss of each image.
    pub of_images: Vec<f64>,
    /// Number of batches of the fit before the epoch, or up to its middle if it is the first: the first batches of a fit may lie
    /// far above all others, and a single one may be an epoch. `None` in records of earlier versions.
    #[serde(default)]
    pub since: Option<usize>,
}

impl Evidence {
    /// Weighs the losses of an epoch against the lowest ones of the epochs before it, among which they take their place, and
    /// against those `before` the fit. `batches` has the losses of the fit's batches and how many of them came before the epoch.
    /// `draw` returns independent, uniform 64-bit numbers.
    pub(super) fn weigh(
        measured: &ValidationResult,
        (batches, began): (&[f64], usize),
        before: Option<&[f64]>,
        lowest: &mut Option<LowestLosses>,
        draw: &mut dyn FnMut() -> u64,
    ) -> Self {
        let losses = &measured.losses;
        let rise = lowest.as_ref().and_then(|lowest| raised_by_chance(&lowest.of_images, losses, draw));
        let harm = before.and_then(|before| raised_by_chance(before, losses, draw));
        let fell = lowest.as_ref().and_then(|lowest| have_fallen(batches.get(lowest.since?..)?));
        let is_lowest = lowest.as_ref().is_none_or(|lowest| measured.loss < lowest.val_loss);
        if is_lowest && measured.loss.is_finite() {
            let since = if began == 0 { batches.len() / 2 } else { began };
            *lowest = Some(LowestLosses { val_loss: measured.loss, of_images: losses.clone(), since: Some(since) });
        }
        Evidence { error: standard_error(losses), rise, harm, fell }
    }

    /// Whether the loss lies above the lowest one of earlier epochs by more than chance explains; true where that is not known.
    pub(super) fn has_risen(self) -> bool {
        self.rise.is_none_or(|p| p < LEAST_PROBABLE)
    }

    /// Whether the loss lies above that before the fit by more than chance explains; true where that is not known.
    pub(super) fn has_harmed(self) -> bool {
        self.harm.is_none_or(|p| p < LEAST_PROBABLE)
    }
}

fn raised_by_chance(then: &[f64], now: &[f64], draw: &mut dyn FnMut() -> u64) -> Option<f64> {
    if then.len() != now.len() {
        return None;
    }
    let differences: Vec<f64> = now.iter().zip(then).map(|(now, then)| now - then).collect();
    let raised: f64 = differences.iter().sum();
    // Most epochs lower the loss, and need no test.
    if differences.len() > 1 && raised.is_finite() && raised <= 0.0 {
        return Some(1.0);
    }
    by_chance(&differences, draw)
}

/// Whether the second half of the losses of batches lies below the first by more than chance explains. `None` for fewer than six
/// losses.
pub(super) fn have_fallen(losses: &[f64]) -> Option<bool> {
    fell_by(losses, BY_CHANCE)
}

/// Whether the losses of a fit's batches fall: beyond doubt, or not though there are enough batches to see it. `None` where neither
/// is known.
pub(super) fn falls(losses: &[f64]) -> Option<bool> {
    fell_by(losses, BEYOND_DOUBT).filter(|fell| *fell || losses.len() >= ENOUGH_TO_FALL)
}

/// Whether the second half of the losses lies below the first by more than so many standard errors of the difference between the
/// means of their logarithms.
fn fell_by(losses: &[f64], errors: f64) -> Option<bool> {
    /// Fewer losses in a half do not say how they scatter.
    const FEWEST: usize = 3;
    /// A loss that is 0 in 32 bits counts as this.
    const LEAST: f64 = 1e-12;
    let positive = losses.iter().filter(|loss| **loss >= 0.0);
    let logs: Vec<f64> = positive.map(|loss| loss.max(LEAST).ln()).filter(|log| log.is_finite()).collect();
    let (early, late) = logs.split_at(logs.len() / 2);
    let error = |half: &[f64]| standard_error(half).unwrap_or(0.0);
    (early.len() >= FEWEST).then(|| mean(early) - mean(late) > errors * error(early).hypot(error(late)))
}

/// Standard error of a mean; `None` for fewer than two numbers, or where one is not finite.
fn standard_error(numbers: &[f64]) -> Option<f64> {
    let (_, deviation) = mean_and_deviation(numbers);
    deviation.map(|deviation| deviation / (numbers.len() as f64).sqrt()).filter(|error| error.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Probabilities;
    use crate::random::{Stream, bits, normal};
    use crate::train::{EpochRow, turning_point};

    /// The epochs of a fit whose training loss falls. The loss of an image is `exp(x)`, `x` normal, so that a few images have most
    /// of the loss; in each epoch it is multiplied by `exp(0.2 y)`, and by `growth` for each epoch since the third.
    fn epochs(images: usize, count: usize, growth: f64, seed: u64) -> Vec<EpochRow> {
        let mut rng = Stream::new(seed, "losses").at(&[]);
        let base: Vec<f64> = normal(&mut rng, images, 1.0).iter().map(|x| 0.2 * f64::from(*x).exp()).collect();
        let mut lowest = None;
        let mut batches: Vec<f64> = Vec::new();
        let mut row = |epoch: usize| {
            let (trn_loss, began) = (0.3 * 0.8f64.powi(epoch as i32), batches.len());
            batches.extend([trn_loss; 6]);
            let factor = growth.powi(epoch.saturating_sub(2) as i32);
            let wander = normal(&mut rng, images, 0.2);
            let losses: Vec<f64> = base.iter().zip(wander).map(|(b, y)| b * factor * f64::from(y).exp()).collect();
            let loss = losses.iter().sum::<f64>() / images as f64;
            let probabilities = Probabilities::default();
            let measured = ValidationResult {
                loss,
                bounded_loss: None,
                losses,
                metrics: Vec::new(),
                probabilities,
                alike: false,
                follows_labels: true,
            };
            let batches = (&batches[..], began);
            let evidence = Evidence::weigh(&measured, batches, None, &mut lowest, &mut || bits(&mut rng));
            EpochRow { epoch: epoch as u64, trn_loss, val_loss: loss, evidence, ..EpochRow::default() }
        };
        (0..count).map(&mut row).collect()
    }

    #[test]
    fn a_plateau_seldom_turns_and_a_rise_does() {
        let turned =
            |growth: f64| (0..200).filter(|seed| turning_point(&epochs(300, 10, growth, *seed)).is_some()).count();
        let (plateau, rise) = (turned(1.0), turned(1.05));
        assert!(plateau <= 12, "{plateau} of 200 plateaus");
        assert!(rise >= 190, "{rise} of 200 rises by two fifths");
        // Without the losses of the images, the same plateaus look like rises.
        let numbers_alone = (0..200).filter(|seed| {
            let mut rows = epochs(300, 10, 1.0, *seed);
            rows.iter_mut().for_each(|row| row.evidence.rise = None);
            turning_point(&rows).is_some()
        });
        assert!(numbers_alone.count() > 60);
    }

    #[test]
    fn batches_fall_beyond_how_they_scatter() {
        let around = |factor: f64| -> Vec<f64> {
            let scattered = [2.4, 1.9, 2.2, 2.6, 2.0, 2.3, 1.8, 2.5];
            (0..).zip(scattered).map(|(batch, loss)| loss * factor.powi(batch)).collect()
        };
        assert_eq!([0.8, 1.0, 1.2].map(|factor| have_fallen(&around(factor)).unwrap()), [true, false, false]);
        assert_eq!((have_fallen(&[2.0; 5]), have_fallen(&[2.0; 6])), (None, Some(false)));
    }

    #[test]
    fn a_fall_that_few_batches_do_not_show_is_not_known() {
        // An untrained head, in batches of eight: one epoch of 48 images, and what the next ones add.
        let begun = [3.1, 1.75, 0.72, 1.18, 0.99, 2.06];
        assert_eq!((have_fallen(&begun), falls(&begun), falls(&begun.repeat(4))), (Some(false), None, Some(false)));
        // At a rate of 1e-7, 60 batches differ by 2.05 standard errors: no fall to rest advice on.
        let halves =
            |by: f64| [[1.2, 1.0, 1.4, 1.1, 1.3].repeat(6), [1.2, 1.0, 1.4, 1.1, 1.3].map(|x| x * by).repeat(6)];
        let (slight, clear) = (halves(0.93).concat(), halves(0.8).concat());
        assert_eq!((have_fallen(&slight), falls(&slight), falls(&clear)), (Some(true), Some(false), Some(true)));
    }

    #[test]
    fn batches_count_from_the_epoch_that_was_lowest() {
        let validated = |loss: f64| ValidationResult {
            loss,
            bounded_loss: None,
            losses: vec![loss; 4],
            metrics: Vec::new(),
            probabilities: Probabilities::default(),
            alike: false,
            follows_labels: true,
        };
        let (mut lowest, mut batches) = (None, Vec::new());
        let mut since = |val_loss: f64| {
            let began = batches.len();
            batches.extend([1.0; 14]);
            Evidence::weigh(&validated(val_loss), (&batches[..], began), None, &mut lowest, &mut || 1);
            lowest.as_ref().unwrap().since.unwrap()
        };
        assert_eq!([1.33, 1.13, 1.4].map(&mut since), [7, 14, 14], "the first batches of a fit are left out");
    }

    #[test]
    fn few_images_tell_nothing() {
        assert_eq!((standard_error(&[1.0]), standard_error(&[1.0, f64::NAN])), (None, None));
        assert!((standard_error(&[1.0, 2.0, 3.0]).unwrap() - (1.0f64 / 3.0).sqrt()).abs() < 1e-12);
        let mut draw = || 0x5555_5555_5555_5555_u64;
        assert_eq!(raised_by_chance(&[0.5], &[0.9], &mut draw), None);
        assert_eq!(raised_by_chance(&[0.5, 0.6], &[0.4, 0.5], &mut draw), Some(1.0), "it fell");
        assert_eq!(raised_by_chance(&[0.5, 0.6], &[0.4], &mut draw), None, "other images");
    }
}
