//! Log loss.

use fastai_dsl::Metric;

use super::interval::bootstrap;
use super::{Measure, Probabilities, Truth, mean};

/// Probabilities are kept this far from 0 and 1 before their logarithm is taken, as scikit-learn does.
const CLIP: f64 = 1e-15;

/// Mean negative log-probability of the label, or mean binary cross-entropy, with a bootstrap interval.
#[derive(Clone, Copy, Debug)]
pub struct LogLoss;

impl Measure for LogLoss {
    language_metric!(self => Metric::LogLoss);

    fn value(&self, predicted: &Probabilities, truth: &Truth) -> f64 {
        log_loss(predicted, truth)
    }

    fn interval(&self, predicted: &Probabilities, truth: &Truth, draw: &mut dyn FnMut() -> u64) -> Option<[f64; 2]> {
        bootstrap(&log_loss_of_images(predicted, truth), draw)
    }
}

/// Log loss of each image: `-ln p[true class]` of the renormalised row, or the mean binary cross-entropy over its tags.
pub fn log_loss_of_images(probabilities: &Probabilities, truth: &Truth) -> Vec<f64> {
    let logarithm = |p: f64| p.clamp(CLIP, 1.0 - CLIP).ln();
    match truth {
        Truth::Classes(classes) => probabilities
            .rows()
            .zip(classes)
            .map(|(row, &class)| {
                let sum: f64 = row.iter().copied().map(f64::from).sum();
                -logarithm(f64::from(row[class as usize]) / sum)
            })
            .collect(),
        Truth::Tags { tags, .. } => probabilities
            .rows()
            .enumerate()
            .map(|(image, row)| {
                let cells = row.iter().zip(truth.tags_of(image));
                let sum: f64 = cells
                    .map(|(&p, &tag)| {
                        let p = f64::from(p);
                        logarithm(if tag { p } else { 1.0 - p })
                    })
                    .sum();
                -sum / *tags as f64
            })
            .collect(),
        // A number has no probability.
        Truth::Values(values) => vec![f64::NAN; values.len()],
    }
}

/// Mean of [`log_loss_of_images`]; 0 for an empty set.
pub fn log_loss(probabilities: &Probabilities, truth: &Truth) -> f64 {
    mean(&log_loss_of_images(probabilities, truth))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_loss_renormalises_rows_and_survives_zero() {
        let p = Probabilities::new(vec![0.5, 0.3, 1.0, 0.0], 2);
        let loss = log_loss(&p, &Truth::Classes(vec![0, 1]));
        let first = -(0.5f64 / (0.5 + f64::from(0.3f32))).ln();
        assert!((loss - (first + 34.538_776_394_910_68) / 2.0).abs() < 1e-9, "{loss}");
    }

    #[test]
    fn multi_label_log_loss_is_the_mean_over_all_cells() {
        let p = Probabilities::new(vec![0.8, 0.25], 2);
        let truth = Truth::Tags { cells: vec![true, false], tags: 2 };
        let expected = -((f64::from(0.8f32)).ln() + 0.75f64.ln()) / 2.0;
        assert!((log_loss(&p, &truth) - expected).abs() < 1e-12);
    }
}
