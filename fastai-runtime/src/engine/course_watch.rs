//! What a run says of the course of a fit: at the epoch where it is certain, and at the end of the fit.

use fastai_dsl::BodyState;

use crate::report::course;
use crate::train::{Against, Ending, EpochRow, Judgement, Midway, Verdict, certain};

/// Judges the epochs of a fit while it goes on and when it has ended.
pub(super) struct CourseWatch {
    /// The step, as messages begin: ``step 2 `fit(0.1, 3)` ``.
    step: String,
    body: BodyState,
    /// Whether the body has batch norms.
    batch_norm: bool,
    /// The conditions of the fit, without its first loss; `None` for a fit of which nothing is said.
    against: Option<Against>,
    /// What was warned of while the fit went on.
    warned: Vec<Judgement>,
}

/// A statement about the course of a fit, for the summary and for the terminal.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CourseNote {
    /// The fit warned of it at its epoch.
    Warned(String),
    /// To warn of now.
    Warning(String),
    /// To note now.
    Note(String),
}

/// The epochs of a fit that has ended.
#[derive(Clone, Copy)]
pub(super) struct Ended<'a> {
    pub(super) epochs: &'a [EpochRow],
    /// Loss of each batch.
    pub(super) batch_losses: &'a [f64],
    /// The epoch whose weights were kept.
    pub(super) kept: Option<u64>,
    /// How it ended.
    pub(super) ending: Ending,
}

impl CourseWatch {
    pub(super) fn new(step: String, body: BodyState, batch_norm: bool, against: Option<Against>) -> Self {
        CourseWatch { step, body, batch_norm, against, warned: Vec::new() }
    }

    /// Judges a fit after an epoch; returns what to warn of. A course is warned of once.
    pub(super) fn after_epoch(&mut self, at: &Midway) -> Option<String> {
        let found = certain(&at.epochs, self.against(&at.batch_losses)?)?;
        if self.warned.iter().any(|warned| warned.course == found.course) {
            return None;
        }
        self.warned.push(found);
        Some(self.line(&found))
    }

    /// Judges a fit that has ended: the course that its weights took, and what to say.
    pub(super) fn conclude(&self, fit: Ended<'_>) -> (Option<Judgement>, Vec<CourseNote>) {
        let Some(against) = self.against(fit.batch_losses) else { return (None, Vec::new()) };
        let mut remarks: Vec<CourseNote> = self.warnings().map(CourseNote::Warned).collect();
        // More epochs might have changed what is neither lost nor ruined in a fit that was stopped.
        let counts = |verdict: &Verdict| fit.ending == Ending::Complete || verdict.judgement().course.is_failure();
        let verdict = Verdict::of(fit.epochs, fit.kept, against).filter(counts);
        let failed = verdict.is_some_and(|verdict| verdict.judgement().course.is_failure());
        if let (false, None, Some(last), Some(ruined)) = (failed, fit.kept, fit.epochs.last(), self.warned.last())
            && !against.is_back(last)
        {
            return (Some(*ruined), remarks);
        }
        if !failed && !self.warned.is_empty() {
            remarks
                .push(CourseNote::Note(format!("{}: the losses came back from that by the end of the fit", self.step)));
        }
        let judgement = match verdict {
            None => None,
            Some(Verdict::Holds(found)) => {
                if !self.has_warned_of(&found) {
                    let line = self.line(&found);
                    remarks.push(if failed { CourseNote::Warning(line) } else { CourseNote::Note(line) });
                }
                Some(found)
            }
            Some(Verdict::Escaped { later, kept }) => {
                let said = match self.has_warned_of(&later) {
                    true => format!("{}:", self.step),
                    false => format!("{};", self.line(&later)),
                };
                remarks.push(CourseNote::Note(format!("{said} the best epoch, {kept}, lies before that and was kept")));
                None
            }
        };
        (judgement, remarks)
    }

    /// What the fit warned of, in that order.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> + '_ {
        self.warned.iter().map(|warned| self.line(warned))
    }

    /// Losses that are no numbers do not equal themselves, so the epoch counts.
    fn has_warned_of(&self, found: &Judgement) -> bool {
        self.warned.iter().any(|warned| (warned.course, warned.epoch) == (found.course, found.epoch))
    }

    fn line(&self, found: &Judgement) -> String {
        format!("{}: {}", self.step, course(found, self.body, self.batch_norm))
    }

    fn against(&self, batch_losses: &[f64]) -> Option<Against> {
        self.against.map(|against| against.begun_with(batch_losses))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Course;

    const STEP: &str = "step 2 `fit(10.0, 3)`";

    /// Watches the epochs of `(trn_loss, val_loss)` with two classes; returns the warnings with their epochs, and the end.
    fn watch(losses: &[(f64, f64)], kept: Option<u64>) -> (Vec<(u64, String)>, Option<Judgement>, Vec<CourseNote>) {
        let against = Against { constant: 0.69, ..Against::default() };
        let mut watch = CourseWatch::new(STEP.to_string(), BodyState::Unfrozen, true, Some(against));
        let mut at = Midway { batch_losses: vec![0.8], ..Midway::default() };
        let mut warned = Vec::new();
        for (epoch, &(trn_loss, val_loss)) in (0..).zip(losses) {
            let metrics = vec![("accuracy".to_string(), 0.5)];
            at.epochs.push(EpochRow { epoch, trn_loss, val_loss, metrics, ..EpochRow::default() });
            warned.extend(watch.after_epoch(&at).map(|line| (epoch, line)));
        }
        let ended = Ended { epochs: &at.epochs, batch_losses: &at.batch_losses, kept, ending: Ending::Complete };
        let (judgement, remarks) = watch.conclude(ended);
        (warned, judgement, remarks)
    }

    #[test]
    fn a_course_is_warned_of_once_and_is_in_the_record() {
        let (warned, judgement, remarks) = watch(&[(0.4, 0.3), (8e10, 2.99e18), (8e10, f64::NAN)], None);
        assert_eq!(warned.len(), 1);
        let (epoch, line) = &warned[0];
        assert!(*epoch == 1 && line.starts_with(&format!("{STEP}: diverged in epoch 1 (trn_loss 8.0e10")), "{line}");
        assert_eq!(judgement.map(|found| (found.course, found.epoch)), Some((Course::Diverged, 1)));
        assert_eq!(remarks, [CourseNote::Warned(line.clone())]);
    }

    #[test]
    fn what_is_only_certain_in_the_end_is_said_then() {
        let (warned, judgement, remarks) = watch(&[(0.4, 0.3), (2.0, 3.0)], None);
        assert!(warned.is_empty() && judgement.is_some());
        assert!(
            matches!(&remarks[..], [CourseNote::Warning(line)] if line.contains("diverged in epoch 1")),
            "{remarks:?}"
        );
        let (_, _, remarks) = watch(&[(0.66, 0.6), (0.6, 0.5)], None);
        assert!(matches!(&remarks[..], [CourseNote::Note(line)] if line.contains("underfitting")), "{remarks:?}");
    }

    #[test]
    fn a_best_epoch_before_the_course_is_said_to_be_kept() {
        let (warned, judgement, remarks) = watch(&[(0.4, 0.3), (8e10, 2.99e18)], Some(0));
        assert_eq!((warned.len(), judgement), (1, None));
        let kept = format!("{STEP}: the best epoch, 0, lies before that and was kept");
        assert_eq!(remarks, [CourseNote::Warned(warned[0].1.clone()), CourseNote::Note(kept)]);
        let (warned, judgement, remarks) = watch(&[(0.3, 0.25), (0.2, 0.2), (0.1, 0.25)], Some(1));
        assert!(warned.is_empty() && judgement.is_none());
        let says =
            |line: &str| line.contains("overfitting from epoch 1 on") && line.contains("; the best epoch, 1, lies");
        assert!(matches!(&remarks[..], [CourseNote::Note(line)] if says(line)), "{remarks:?}");
    }

    #[test]
    fn losses_that_come_back_after_all_are_said_to() {
        let (warned, judgement, remarks) = watch(&[(0.4, 0.3), (8e10, 2.99e18), (0.2, 0.2)], None);
        assert_eq!((warned.len(), judgement), (1, None));
        assert!(matches!(&remarks[1..], [CourseNote::Note(line)] if line.contains("came back")), "{remarks:?}");
        // Less than it was, and still far above what a constant answer costs.
        let (warned, judgement, remarks) = watch(&[(0.7, 0.68), (8e10, 2.99e18), (0.6, 10.5)], None);
        assert_eq!((warned.len(), judgement.map(|found| found.course)), (1, Some(Course::Diverged)));
        assert_eq!(remarks, [CourseNote::Warned(warned[0].1.clone())]);
    }
}
