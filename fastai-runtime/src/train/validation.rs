//! The set that a fit measures.

use super::answers::{are_alike, follow_labels};
use super::examples::Examples;
use super::learner::Learner;
use super::loss::Loss;
use crate::RunError;
use crate::data::Traversal;
use crate::metrics::{Measure, Probabilities};
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
    /// The loss of each by the weights that the fit begins with, where it is known.
    pub before: Option<&'a [f64]>,
}

/// The result of a network on the set.
pub(super) struct ValidationResult {
    pub(super) loss: f64,
    /// What the loss would be if no input of the head were far off, where that is a number.
    pub(super) bounded_loss: Option<f64>,
    /// The loss of each image.
    pub(super) losses: Vec<f64>,
    pub(super) metrics: Vec<(String, f64)>,
    pub(super) probabilities: Probabilities,
    /// Whether the predictions for all images are alike.
    pub(super) alike: bool,
    /// Whether the predictions follow the labels beyond chance.
    pub(super) follows_labels: bool,
}

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
/// Errors of the examples; [`RunError::Stopped`] on a stop request; [`RunError::Supplied`] if the criterion does not give each
/// image a number.
pub(super) fn evaluate(
    learner: &Learner,
    network: &Network,
    set: Validation<'_>,
    metrics: &[Box<dyn Measure>],
    watch: Watch<'_>,
) -> Result<ValidationResult, RunError> {
    let (head, what) = (Network::logits_and_bounded, "images, validation");
    let outputs = learner.outputs_of(network, head, set.examples, &Traversal::Plain, what, watch)?;
    let classes = network.classes();
    let columns = |from: usize| -> Vec<f32> {
        outputs.chunks_exact(2 * classes).flat_map(|row| &row[from..from + classes]).copied().collect()
    };
    let [logits, bounded] = [columns(0), columns(classes)];
    let losses = set.loss.of_each(&logits)?;
    let (loss, truth) = (set.loss.of_set(&losses)?, set.loss.truth());
    let bounded_loss = set.loss.of_all(&bounded).ok().filter(|loss| loss.is_finite());
    let probabilities = Probabilities::of_logits(truth.task(), logits, classes);
    let metrics = metrics.iter().map(|m| (m.column(), m.value(&probabilities, truth))).collect();
    let (alike, follows_labels) = (are_alike(&probabilities, truth), follow_labels(&probabilities, truth));
    Ok(ValidationResult { loss, bounded_loss, losses, metrics, probabilities, alike, follows_labels })
}
