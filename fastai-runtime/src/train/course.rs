//! What the losses of a `fit` say: underfitting, overfitting, divergence.

use serde::{Deserialize, Serialize};

use super::curves::EpochRow;
use super::recorder::turning_point;

/// A loss above the constant answer's by this factor is far from any answer of a network that works; confident mistakes of
/// an overfitted one stay below.
const FAR: f64 = 20.0;
/// Validation and training loss both above the constant answer's by these factors: the weights are lost, too, if training
/// raised the loss to there ..
const BOTH: [f64; 2] = [2.0, 1.5];
/// .. by this factor. A new head begins that high, and after a few batches it still is.
const RAISED: f64 = 1.3;
/// A loss this near to the constant answer's is one of a network that has nothing to say.
const NOTHING: f64 = 0.97;
/// A fit that raises the validation loss by this factor has damaged what was there.
const DAMAGED: f64 = 1.25;
/// Losses above this share of the constant answer's are high.
const HIGH: f64 = 0.5;
/// The training loss is far below the validation loss if it is less than this share of it ..
const FAR_BELOW: f64 = 0.6;
/// .. and if the difference is at least this share of the constant answer's loss.
const LEAST_GAP: f64 = 0.05;
/// A validation loss that rises by less than this share of the constant answer's has not turned.
const LEAST_TURN: f64 = 0.005;

/// A name for the course that a `fit` took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Course {
    /// The loss left the range of any answer.
    Diverged,
    /// The losses fell back to those of a constant answer.
    Collapsed,
    /// Training the body raised the loss from its first epoch on.
    Damaged,
    /// The training loss is far below the validation loss, or the latter rose while the former fell.
    Overfitting,
    /// Training and validation loss are both high.
    Underfitting,
}

/// A course with the epoch in which it began.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The course.
    pub course: Course,
    /// The epoch of the `fit`, from 0: where the course began, or the last one for high losses.
    pub epoch: u64,
    /// Training loss after that epoch.
    pub trn_loss: f64,
    /// Validation loss after that epoch.
    pub val_loss: f64,
}

/// The conditions of a `fit` that its losses are held against.
#[derive(Clone, Copy, Debug, Default)]
pub struct Against {
    /// The mean loss of the best constant answer; positive.
    pub constant: f64,
    /// The loss of the first batch of the `fit`.
    pub first: Option<f64>,
    /// The validation loss after the `fit` before this one.
    pub before: Option<f64>,
    /// Whether the `fit` trains more than the head.
    pub trains_body: bool,
}

/// Names the course of a `fit`; `None` if there is nothing to say.
///
/// A course counts if it lasts to the end of the fit: losses that recover after a restart or a new head's first epoch are
/// none.
pub fn judge(epochs: &[EpochRow], against: Against) -> Option<Judgement> {
    let Against { constant, first, before, trains_body } = against;
    let last = epochs.last()?;
    let found = |course, row: &EpochRow| {
        Some(Judgement { course, epoch: row.epoch, trn_loss: row.trn_loss, val_loss: row.val_loss })
    };
    let validated = !last.metrics.is_empty();
    // The first epoch from which `holds` does to the end.
    let since = |holds: &dyn Fn(&EpochRow) -> bool| epochs.iter().rev().take_while(|row| holds(row)).last();
    let diverged = |row: &EpochRow| {
        let val = if validated { row.val_loss } else { row.trn_loss };
        let raised = first.is_none_or(|first| row.trn_loss > RAISED * first);
        let both = val > BOTH[0] * constant && row.trn_loss > BOTH[1] * constant;
        !val.is_finite() || val > FAR * constant || (both && raised)
    };
    if let Some(row) = since(&diverged) {
        return found(Course::Diverged, row);
    }
    if !validated {
        return None;
    }
    let says_nothing = |row: &EpochRow| row.val_loss >= NOTHING * constant && row.trn_loss >= NOTHING * constant;
    if let Some(row) = since(&says_nothing) {
        let knew = |loss: f64| loss < 0.8 * constant;
        let earlier = epochs.iter().take_while(|e| e.epoch < row.epoch).any(|e| knew(e.val_loss));
        return found(if earlier || before.is_some_and(knew) { Course::Collapsed } else { Course::Underfitting }, row);
    }
    if let Some(before) = before.filter(|_| trains_body)
        && let Some(row) = since(&|row| row.val_loss > DAMAGED * before && row.trn_loss > before)
        && row.epoch == 0
    {
        return found(Course::Damaged, row);
    }
    let rose = |turn: &&EpochRow| last.val_loss - turn.val_loss > LEAST_TURN * constant;
    if let Some(turn) = turning_point(epochs).filter(rose) {
        return found(Course::Overfitting, turn);
    }
    let far_below =
        |row: &EpochRow| row.trn_loss < FAR_BELOW * row.val_loss && row.val_loss - row.trn_loss > LEAST_GAP * constant;
    if let Some(row) = since(&far_below) {
        return found(Course::Overfitting, row);
    }
    let high = last.trn_loss > HIGH * constant && last.val_loss > HIGH * constant;
    if high { found(Course::Underfitting, last) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The course of `(trn_loss, val_loss)` per epoch with two classes, whose constant answer costs 0.69.
    fn course(losses: &[(f64, f64)], before: Option<f64>, trains_body: bool) -> Option<(Course, u64)> {
        let row = |(epoch, &(trn_loss, val_loss)): (usize, &(f64, f64))| EpochRow {
            epoch: epoch as u64,
            trn_loss,
            val_loss,
            metrics: vec![("accuracy".to_string(), 0.5)],
            ..EpochRow::default()
        };
        let rows: Vec<EpochRow> = losses.iter().enumerate().map(row).collect();
        judge(&rows, Against { constant: 0.69, first: Some(0.8), before, trains_body }).map(|j| (j.course, j.epoch))
    }

    #[test]
    fn a_new_head_after_a_few_batches_has_not_diverged() {
        let row = EpochRow {
            trn_loss: 1.82,
            val_loss: 2.95,
            metrics: vec![("accuracy".to_string(), 0.5)],
            ..EpochRow::default()
        };
        let course = |first| {
            judge(std::slice::from_ref(&row), Against { constant: 0.69, first, ..Against::default() }).map(|j| j.course)
        };
        assert_eq!(course(Some(1.9)), Some(Course::Underfitting));
        assert_eq!(course(Some(0.8)), Some(Course::Diverged));
        assert_eq!(course(None), Some(Course::Diverged));
    }

    #[test]
    fn losses_out_of_any_range_have_diverged_where_it_began() {
        assert_eq!(course(&[(0.4, 0.3), (8e10, 3e18), (8e10, 2e18)], None, false), Some((Course::Diverged, 1)));
        assert_eq!(course(&[(0.9, 1.2e8), (0.6, 3e5)], None, true), Some((Course::Diverged, 0)));
        assert_eq!(course(&[(0.4, 0.3), (2.0, 3.0)], None, false), Some((Course::Diverged, 1)));
        assert_eq!(course(&[(0.4, 0.3), (0.4, f64::NAN)], None, false), Some((Course::Diverged, 1)));
        assert_eq!(course(&[(0.4, 0.3), (0.4, f64::INFINITY)], None, false), Some((Course::Diverged, 1)));
    }

    #[test]
    fn what_recovers_has_not_diverged() {
        assert_eq!(course(&[(9.0, 30.0), (0.5, 0.2), (0.2, 0.2)], None, false), None);
        // Confident mistakes: nearly everything right in training, some wrong with certainty in validation.
        assert_eq!(course(&[(0.2, 0.5), (0.01, 1.5)], None, false), Some((Course::Overfitting, 0)));
    }

    #[test]
    fn a_network_that_forgets_has_collapsed() {
        assert_eq!(course(&[(0.3, 0.2), (0.8, 0.7), (0.7, 0.69)], None, false), Some((Course::Collapsed, 1)));
        assert_eq!(course(&[(0.72, 0.7)], Some(0.1), true), Some((Course::Collapsed, 0)));
        assert_eq!(course(&[(0.72, 0.7)], Some(0.68), true), Some((Course::Underfitting, 0)));
    }

    #[test]
    fn a_body_spoilt_by_its_rate_is_damaged() {
        assert_eq!(course(&[(0.4, 0.35), (0.3, 0.28)], Some(0.15), true), Some((Course::Damaged, 0)));
        assert_eq!(course(&[(0.4, 0.35), (0.2, 0.16)], Some(0.15), true), None, "it recovered");
        assert_eq!(course(&[(0.3, 0.28)], Some(0.15), false), None, "only the head trained");
    }

    #[test]
    fn fitting_too_little_and_too_much() {
        assert_eq!(course(&[(0.66, 0.6), (0.6, 0.5)], None, false), Some((Course::Underfitting, 1)));
        assert_eq!(course(&[(0.3, 0.25), (0.2, 0.2), (0.1, 0.25)], None, false), Some((Course::Overfitting, 1)));
        // Dropout holds the training loss above the validation loss, which wavers.
        assert_eq!(course(&[(0.8, 0.604), (0.697, 0.621)], None, false), Some((Course::Underfitting, 1)));
        // Far below without a rise.
        assert_eq!(course(&[(0.2, 0.2), (0.1, 0.19), (0.05, 0.18)], None, false), Some((Course::Overfitting, 1)));
        // The course's own numbers: nothing to say.
        assert_eq!(course(&[(0.041, 0.0158), (0.0367, 0.0166)], None, false), None);
        assert_eq!(course(&[(0.0236, 0.041)], None, false), None, "both are tiny");
        assert_eq!(course(&[], None, false), None);
    }

    #[test]
    fn without_validation_only_the_training_loss_counts() {
        let row = |trn_loss| EpochRow { trn_loss, val_loss: f64::NAN, ..EpochRow::default() };
        let against = Against { constant: 0.69, ..Against::default() };
        assert_eq!(judge(&[row(0.6)], against), None);
        assert_eq!(judge(&[row(1e9)], against).map(|j| j.course), Some(Course::Diverged));
    }
}
