//! The name of the course that a fit took, and where it began.

use serde::{Deserialize, Serialize};

use super::curves::EpochRow;
use crate::metrics::number_or_nan;

/// A name for the course that a `fit` took, the worst first. Which explains which says [`explains`](Self::explains).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Course {
    /// The loss left the range of any answer.
    Diverged,
    /// The network answers the same for every image, and badly: units of it died.
    SameAnswer,
    /// The losses fell back to those of a constant answer.
    Collapsed,
    /// Only the head trained, and the validation loss is above twice a constant answer's and 2.5 times what it would be if no
    /// input of the head were more than ten standard deviations away from its running mean, and the answers do not follow the
    /// labels: the running statistics of the head's first batch norm do not fit the validation images.
    UnfitNorms,
    /// Training the body raised the loss from its first epoch on, on the same images by more than chance explains.
    Damaged,
    /// The losses are those of a constant answer and do not fall.
    NothingLearned,
    /// Training and validation loss are both far above a constant answer's, as an earlier fit left them, or the training
    /// loss is so far above that of the first batch, too, that the rate led it there.
    FarOff,
    /// Since its lowest epoch the validation loss rose as in [`Overfitting`](Self::Overfitting), and the losses of the batches fell by
    /// no more than chance explains and the training loss by less than a fifth, or the training loss is still not below a constant
    /// answer's, or the validation loss is 2.5 times what it would be with bounded inputs, as in [`UnfitNorms`](Self::UnfitNorms).
    Worsened,
    /// Since its lowest epoch the validation loss rose, on the same images by more than chance explains (p < 0.01 in an exchange
    /// test), by half for three epochs or in three that each raised it, or by a fifth in a steady rise, while the training loss fell
    /// by more than chance explains, to below it; or it is above a constant answer's by more than two standard errors, and the
    /// training loss is far below it and below a constant answer's.
    Overfitting,
    /// Training and validation loss are not below a constant answer's, or the training loss is far above both, and the losses of
    /// twenty batches or more fell by no more than chance explains.
    #[serde(alias = "too_slow")]
    Stalled,
    /// Training and validation loss are both high, the losses of the batches fall beyond doubt, and the validation loss does not
    /// rise.
    Underfitting,
}

impl Course {
    /// Whether the fit did harm or nothing at all, rather than too little or too much.
    pub fn is_failure(self) -> bool {
        !matches!(
            self,
            Course::FarOff | Course::Worsened | Course::Overfitting | Course::Stalled | Course::Underfitting
        )
    }

    /// Whether it leaves a network that knows nothing of new images.
    pub fn loses_weights(self) -> bool {
        matches!(self, Course::Diverged | Course::SameAnswer | Course::Collapsed | Course::UnfitNorms)
    }

    /// Whether it leaves weights of which the course `later` tells nothing else.
    pub fn explains(self, later: Course) -> bool {
        // Training uses the statistics of its batches, so that nothing else follows from norms that do not fit new images.
        let may_lead_to = self != Course::UnfitNorms || later == Course::UnfitNorms;
        self.loses_weights() && self <= later && later.is_failure() && later != Course::Damaged && may_lead_to
    }
}

/// A course with the epoch in which it began.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The course.
    pub course: Course,
    /// The epoch of the `fit`, from 0: where the course began, or the last one for losses that are high.
    pub epoch: u64,
    /// Training loss after that epoch.
    #[serde(deserialize_with = "number_or_nan")]
    pub trn_loss: f64,
    /// Validation loss after that epoch.
    #[serde(deserialize_with = "number_or_nan")]
    pub val_loss: f64,
    /// Validation loss of the epoch before, or of the `fit` before: what the course led away from; of losses that are high, the
    /// lowest of the `fit` if it rose. `None` where there is no such number, and in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<f64>,
    /// Validation loss after the last epoch that was judged: where the course led to; `None` if that is `epoch`, where it is no
    /// number, and in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<f64>,
    /// What the last validation loss would be if no input of the head were more than ten standard deviations away from its running
    /// mean, if it is above that by a factor of 2.5; `None` in records of earlier versions.
    #[serde(default)]
    pub bounded: Option<f64>,
}

impl Judgement {
    /// Whether the training loss is so far above the validation loss that only what is done to training images, such as dropout,
    /// holds it there.
    pub fn is_held_up(&self) -> bool {
        is_held_up(self.trn_loss, self.val_loss)
    }

    /// The same course, judged after the epoch `last`.
    pub fn up_to(self, last: &EpochRow) -> Self {
        let end = (last.epoch > self.epoch && last.val_loss.is_finite()).then_some(last.val_loss);
        Judgement { end, ..self }
    }
}

/// Whether a training loss is far above the validation loss.
pub(super) fn is_held_up(trn_loss: f64, val_loss: f64) -> bool {
    /// Epochs of noise do not reach this factor.
    const FAR_ABOVE: f64 = 2.0;
    trn_loss > FAR_ABOVE * val_loss
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_network_explains_what_is_found_in_it_later() {
        let explained = |course: Course| {
            let all = [
                Course::Diverged,
                Course::SameAnswer,
                Course::Collapsed,
                Course::UnfitNorms,
                Course::Damaged,
                Course::NothingLearned,
            ];
            let rest = [Course::FarOff, Course::Worsened, Course::Overfitting, Course::Stalled, Course::Underfitting];
            all.into_iter().chain(rest).filter(|later| course.explains(*later)).collect::<Vec<_>>()
        };
        let after_collapse = [Course::Collapsed, Course::UnfitNorms, Course::NothingLearned];
        assert_eq!(explained(Course::Collapsed), after_collapse);
        assert_eq!(explained(Course::Diverged)[..2], [Course::Diverged, Course::SameAnswer]);
        assert_eq!(explained(Course::Diverged)[2..], after_collapse);
        assert_eq!(explained(Course::UnfitNorms), [Course::UnfitNorms]);
        // Each fit damages by its own rates, and the next one may learn.
        assert!(explained(Course::Damaged).is_empty() && explained(Course::NothingLearned).is_empty());
    }
}
