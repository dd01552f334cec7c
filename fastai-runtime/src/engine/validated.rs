//! What measuring a saved model yields.

use crate::predict::Predictions;
use crate::report::Evaluation;

/// Predictions of labelled images with their evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured<T = ()> {
    /// The predictions, with the labels.
    pub predictions: Predictions<T>,
    /// The recipe's metrics.
    pub evaluation: Evaluation,
}

/// The evaluation of a saved model on a validation set.
#[derive(Clone, Debug, PartialEq)]
pub struct Validated<T = ()> {
    /// With one plain prediction per image.
    pub plain: Measured<T>,
    /// With test-time augmentation, if the recipe has a `tta` step.
    pub tta: Option<Measured<T>>,
}

impl<T> Measured<T> {
    fn of_task<U>(self) -> Measured<U> {
        Measured { predictions: self.predictions.into_task(), evaluation: self.evaluation }
    }
}

impl Validated {
    pub(super) fn of_task<T>(self) -> Validated<T> {
        Validated { plain: self.plain.of_task(), tta: self.tta.map(Measured::of_task) }
    }
}
