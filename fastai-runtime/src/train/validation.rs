//! The set that a fit measures.

use super::examples::Examples;
use super::learner::Learner;
use super::loss::Loss;
use crate::RunError;
use crate::data::Traversal;
use crate::metrics::{Measure, Probabilities, Truth};
use crate::models::Network;
use crate::progress::Watch;

/// What epochs are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BestBy {
    /// The validation loss.
    ValLoss,
    /// The metric with this index in the plan's.
    Metric(usize),
}

/// The set measured after each epoch.
#[derive(Clone, Copy)]
pub struct Validation<'a> {
    /// The images.
    pub examples: &'a dyn Examples,
    /// Their loss.
    pub loss: &'a Loss,
}

/// The result of a network on the set.
pub(super) struct ValidationResult {
    pub(super) loss: f64,
    pub(super) metrics: Vec<(String, f64)>,
    pub(super) probabilities: Probabilities,
    /// Whether the predictions for all images are alike.
    pub(super) alike: bool,
}

/// Predictions that differ by less than this share of the range of an answer are alike. Where units died, they differ by
/// rounding; those of any other network, however little it has learned, by more than a hundredth.
const ALIKE: f32 = 1e-3;

impl ValidationResult {
    /// What epochs are compared by; larger is better.
    pub(super) fn score(&self, by: Option<BestBy>, metrics: &[Box<dyn Measure>]) -> f64 {
        match by.unwrap_or(BestBy::ValLoss) {
            BestBy::ValLoss => -self.loss,
            BestBy::Metric(by) => metrics[by].direction().gain(0.0, self.metrics[by].1),
        }
    }
}

/// Measures `network`.
///
/// # Errors
/// Errors of the examples; [`RunError::Stopped`] on a stop request.
pub(super) fn evaluate(
    learner: &Learner,
    network: &Network,
    set: Validation<'_>,
    metrics: &[Box<dyn Measure>],
    watch: Watch<'_>,
) -> Result<ValidationResult, RunError> {
    let logits = learner.logits_of(network, set.examples, &Traversal::Plain, "images, validation", watch)?;
    let (loss, truth) = (set.loss.of_all(&logits), set.loss.truth());
    let probabilities = Probabilities::of_logits(truth.task(), logits, network.classes());
    let metrics = metrics.iter().map(|m| (m.column(), m.value(&probabilities, truth))).collect();
    let alike = are_alike(&probabilities, truth);
    Ok(ValidationResult { loss, metrics, probabilities, alike })
}

/// Whether the predictions for all images are alike.
fn are_alike(probabilities: &Probabilities, truth: &Truth) -> bool {
    let range = match truth {
        Truth::Classes(_) | Truth::Tags { .. } => 1.0,
        // A network that has yet to reach numbers far from zero says small ones, which differ by little beside them.
        Truth::Values(labels) => {
            let least = labels.iter().copied().fold(f32::INFINITY, f32::min);
            let most = labels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            (most - least).min(probabilities.values().first().map_or(0.0, |value| value.abs()))
        }
    };
    probabilities.are_alike(ALIKE * range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_differ_by_rounding_are_alike() {
        let classes = |second: [f32; 2]| {
            let probabilities = Probabilities::new([[0.62, 0.38], second].concat(), 2);
            are_alike(&probabilities, &Truth::Classes(vec![0, 1]))
        };
        assert!(classes([0.620_01, 0.379_99]));
        assert!(!classes([0.63, 0.37]) && !classes([f32::NAN, 0.38]));
        let numbers = |said: [f32; 3]| {
            are_alike(&Probabilities::new(said.to_vec(), 1), &Truth::Values(vec![20_000.0, 500_000.0, 90_000.0]))
        };
        assert!(numbers([60_000.0, 60_000.004, 60_000.0]) && numbers([0.0; 3]));
        assert!(!numbers([1.2, 1.3, 0.9]), "on its way to large numbers");
        assert!(!numbers([60_000.0, 90_000.0, 30_000.0]));
    }

    #[test]
    fn one_answer_is_like_no_other() {
        assert!(!are_alike(&Probabilities::new(vec![0.5, 0.5], 2), &Truth::Classes(vec![0])));
        assert!(!are_alike(&Probabilities::new(vec![], 2), &Truth::Classes(vec![])));
    }
}
