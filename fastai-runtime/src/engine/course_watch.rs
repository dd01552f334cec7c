//! What a run says of the course of a fit: at the epoch where it is certain, and at the end of the fit.

use crate::report::{FitSetting, course};
use crate::train::{Against, Course, Ending, EpochRow, Judgement, Midway, Verdict, certain};

/// Judges the epochs of a fit while it goes on and when it has ended.
pub(super) struct CourseWatch {
    /// The step, as messages begin: ``step 2 `fit(0.1, 3)` ``.
    step: String,
    /// What the advice depends on.
    setting: FitSetting,
    /// The conditions of the fit, without its first loss; `None` for a fit of which nothing is said.
    against: Option<Against>,
    /// The course that ruined the weights with which the fit begins, which has been told.
    inherited: Option<Course>,
    /// What was certain while the fit went on, of each course the first.
    found: Vec<Judgement>,
    /// The course that the fit warned of.
    warned: Option<Course>,
}

/// The statement about the course of a fit that has ended: one line for the summary, and for the terminal unless that has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CourseNote {
    /// The fit warned of it while it went on.
    Warned(String),
    /// To warn of now.
    Warning(String),
    /// To note now.
    Note(String),
}

/// What there is to say of a fit that has ended.
#[derive(Debug, Default)]
pub(super) struct Conclusion {
    /// The course that its weights took.
    pub(super) judgement: Option<Judgement>,
    /// Whether it began with weights that an earlier fit had lost, and has not brought them back, though its own course is no
    /// failure: more epochs, or fewer, are no remedy.
    pub(super) stays_lost: bool,
    /// The statement, if one is due.
    pub(super) note: Option<CourseNote>,
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

impl<'a> Ended<'a> {
    /// The epoch whose weights the fit ends with.
    fn last(&self) -> Option<&'a EpochRow> {
        let kept = self.kept.and_then(|kept| self.epochs.get(kept as usize));
        kept.or(self.epochs.last())
    }
}

impl CourseWatch {
    pub(super) fn new(step: String, setting: FitSetting, against: Option<Against>, inherited: Option<Course>) -> Self {
        CourseWatch { step, setting, against, inherited, found: Vec::new(), warned: None }
    }

    /// Judges a fit after an epoch; returns what to warn of. A fit warns once: what it is found in later follows from what it was
    /// found in first, and is told when the fit has ended.
    pub(super) fn after_epoch(&mut self, at: &Midway) -> Option<String> {
        let found = certain(&at.epochs, self.against(&at.batch_losses)?)?;
        if self.found.iter().all(|earlier| earlier.course != found.course) {
            self.found.push(found);
        }
        if self.warned.is_some() || self.is_inherited(&found) {
            return None;
        }
        self.warned = Some(found.course);
        Some(self.line(&found))
    }

    /// Judges a fit that has ended.
    pub(super) fn conclude(&self, fit: Ended<'_>) -> Conclusion {
        let Some((against, last)) = self.against(fit.batch_losses).zip(fit.epochs.last()) else {
            return Conclusion::default();
        };
        let verdict = Verdict::of(fit.epochs, fit.kept, against);
        if self.stays_lost(fit, against, verdict) {
            return Conclusion { stays_lost: true, ..Conclusion::default() };
        }
        let (judgement, note) = self.judged(fit, against, last, verdict);
        Conclusion { judgement, stays_lost: false, note }
    }

    /// What [`Conclusion::stays_lost`] says. A fit that warned of a course of its own has that to tell.
    fn stays_lost(&self, fit: Ended<'_>, against: Against, verdict: Option<Verdict>) -> bool {
        let begins_lost = self.warned.is_none() && self.inherited.is_some_and(Course::loses_weights);
        let has_failed = verdict.is_some_and(|verdict| verdict.judgement().course.is_failure());
        // Where only the batch norms did not fit, the network may be sound before it has learned much.
        let is_back = |row: &EpochRow| match self.inherited {
            Some(Course::UnfitNorms) => !against.has_unfit_norms(row),
            _ => against.has_learned(row),
        };
        begins_lost && fit.ending == Ending::Complete && !has_failed && !fit.last().is_none_or(is_back)
    }

    /// The course that the weights of a fit took, and what to say of it.
    fn judged(
        &self,
        fit: Ended<'_>,
        against: Against,
        last: &EpochRow,
        verdict: Option<Verdict>,
    ) -> (Option<Judgement>, Option<CourseNote>) {
        // More epochs might have changed what is neither lost nor ruined in a fit that was stopped.
        let counts = |verdict: &Verdict| fit.ending == Ending::Complete || verdict.judgement().course.is_failure();
        let verdict = verdict.filter(counts);
        let note = |line: String| Some(CourseNote::Note(line));
        let was_kept = |kept: u64, since: u64| {
            let before = if kept < since { "lies before that and " } else { "" };
            format!("the best epoch, {kept}, {before}was kept")
        };
        match verdict.filter(|verdict| verdict.judgement().course.is_failure()) {
            Some(Verdict::Holds(found)) => {
                let found = self.merged(found, fit.last().unwrap_or(last));
                return (Some(found), self.told(&found));
            }
            Some(Verdict::Escaped { later, kept }) => {
                let found = self.merged(later, last);
                return (None, note(format!("{}; {}", self.line(&found), was_kept(kept, found.epoch))));
            }
            None => {}
        }
        let held = verdict.and_then(|verdict| match verdict {
            Verdict::Holds(found) => Some(found),
            Verdict::Escaped { .. } => None,
        });
        if let Some(strongest) = self.strongest() {
            let found = strongest.up_to(last);
            let so = match fit.kept {
                Some(kept) if kept < found.epoch => was_kept(kept, found.epoch),
                None if !against.is_back(last) => return (Some(found), self.told(&found)),
                _ => "the losses came back from that by the end of the fit".to_string(),
            };
            return (held, note(format!("{}; {so}", self.line(&found))));
        }
        let line = match verdict {
            None => return (None, None),
            Some(Verdict::Holds(found)) => self.line(&found),
            Some(Verdict::Escaped { later, kept }) => {
                format!("{}; {}", self.line(&later), was_kept(kept, later.epoch))
            }
        };
        (held, note(line))
    }

    /// What the fit warned of, if it did.
    pub(super) fn warning(&self) -> Option<String> {
        self.warned.and_then(|_| self.strongest()).map(|found| self.line(&found))
    }

    /// The strongest course that was certain while the fit went on.
    fn strongest(&self) -> Option<Judgement> {
        self.found.iter().min_by_key(|found| found.course).copied()
    }

    /// The course that a fit ended in after the epoch `last`, or a stronger one that it was found in before and that led there.
    fn merged(&self, ended: Judgement, last: &EpochRow) -> Judgement {
        let led_there = |found: &Judgement| {
            found.course < ended.course && found.course.explains(ended.course) && found.epoch <= ended.epoch
        };
        self.strongest().filter(led_there).map_or(ended, |stronger| stronger.up_to(last))
    }

    /// The statement about a fit that ended in this course, unless one about an earlier fit says it.
    fn told(&self, found: &Judgement) -> Option<CourseNote> {
        if self.is_inherited(found) {
            return None;
        }
        let line = self.line(found);
        Some(match self.warned {
            Some(course) if course == found.course => CourseNote::Warned(line),
            _ => CourseNote::Warning(line),
        })
    }

    fn is_inherited(&self, found: &Judgement) -> bool {
        self.inherited.is_some_and(|earlier| earlier.explains(found.course))
    }

    fn line(&self, found: &Judgement) -> String {
        format!("{}: {}", self.step, course(found, &self.setting))
    }

    fn against(&self, batch_losses: &[f64]) -> Option<Against> {
        self.against.map(|against| against.begun_with(batch_losses))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Evidence;

    const STEP: &str = "step 2 `fit(10.0, 3)`";

    /// Two classes, of which a constant answer costs 0.69.
    const CLASSES: Against = Against {
        constant: 0.69,
        began: None,
        first: None,
        before: None,
        trains_body: false,
        followed: false,
        few: false,
        falls: None,
    };

    /// Losses of batches that fall beyond doubt.
    const FALLING: [f64; 6] = [0.8, 0.79, 0.78, 0.77, 0.76, 0.75];

    /// Watches the epochs of `(trn_loss, val_loss)`; returns the watch, the warnings with their epochs, and the end.
    fn watched(
        against: Against,
        inherited: Option<Course>,
        losses: &[(f64, f64)],
        kept: Option<u64>,
    ) -> (CourseWatch, Vec<(u64, String)>, Conclusion) {
        let mut watch = CourseWatch::new(STEP.to_string(), FitSetting::default(), Some(against), inherited);
        let mut at = Midway { batch_losses: FALLING.to_vec(), ..Midway::default() };
        let mut warned = Vec::new();
        for (epoch, &(trn_loss, val_loss)) in (0..).zip(losses) {
            let metrics = vec![("accuracy".to_string(), 0.5)];
            let evidence = Evidence { fell: Some(true), ..Evidence::default() };
            at.epochs.push(EpochRow { epoch, trn_loss, val_loss, metrics, evidence, ..EpochRow::default() });
            warned.extend(watch.after_epoch(&at).map(|line| (epoch, line)));
        }
        let ended = Ended { epochs: &at.epochs, batch_losses: &at.batch_losses, kept, ending: Ending::Complete };
        let conclusion = watch.conclude(ended);
        (watch, warned, conclusion)
    }

    /// The warnings with their epochs, the judgement and the statement.
    fn watch_against(
        against: Against,
        inherited: Option<Course>,
        losses: &[(f64, f64)],
        kept: Option<u64>,
    ) -> (Vec<(u64, String)>, Option<Judgement>, Option<CourseNote>) {
        let (_, warned, conclusion) = watched(against, inherited, losses, kept);
        (warned, conclusion.judgement, conclusion.note)
    }

    fn watch(losses: &[(f64, f64)], kept: Option<u64>) -> (Vec<(u64, String)>, Option<Judgement>, Option<CourseNote>) {
        watch_against(CLASSES, None, losses, kept)
    }

    fn line_of(remark: Option<CourseNote>) -> String {
        match remark.expect("a remark") {
            CourseNote::Warned(line) | CourseNote::Warning(line) | CourseNote::Note(line) => line,
        }
    }

    #[test]
    fn a_course_is_warned_of_once_and_is_in_the_record() {
        let (warned, judgement, remark) = watch(&[(0.4, 0.3), (8e10, 2.99e18), (8e10, 2e18)], None);
        let at_once = format!("{STEP}: diverged in epoch 1 (trn_loss 8.0e10, val_loss 0.3000 -> 3.0e18): ");
        assert!(warned.len() == 1 && warned[0].0 == 1 && warned[0].1.starts_with(&at_once), "{warned:?}");
        assert_eq!(judgement.map(|found| (found.course, found.epoch)), Some((Course::Diverged, 1)));
        let Some(CourseNote::Warned(line)) = remark else { panic!("{remark:?}") };
        let led = format!("{STEP}: diverged from epoch 1 on (trn_loss 8.0e10, val_loss 0.3000 -> 3.0e18 -> 2.0e18): ");
        assert!(line.starts_with(&led), "{line}");
        // Where it ends in no number.
        let (warned, _, remark) = watch(&[(0.4, 0.3), (8e10, 2.99e18), (8e10, f64::NAN)], None);
        assert_eq!(remark, Some(CourseNote::Warned(warned[0].1.clone())));
    }

    #[test]
    fn every_failure_is_one_line_at_its_epoch_and_one_in_the_end() {
        // With the validation loss before, the epoch after which it is warned of, and how the lines go on.
        for (losses, before, epoch, begins) in [
            (&[(0.9, 1.2e8), (0.6, 3e5)][..], None, 0, "diverged from epoch 0 on"),
            (&[(0.4, 0.3), (2.0, 3.0), (2.0, 3.0)][..], None, 2, "diverged from epoch 1 on"),
            (&[(0.3, 0.2), (0.8, 0.7), (0.7, 0.69)][..], None, 2, "collapsed from epoch 1 on"),
            (&[(1.2, 0.75), (1.3, 0.8)][..], None, 1, "nothing learned from epoch 0 on"),
            (&[(0.4, 0.5), (0.4, 0.45)][..], Some(0.15), 1, "damaged the body from epoch 0 on"),
            // The network that is left has one answer: that follows from the divergence.
            (&[(0.4, 0.3), (8e10, 3e18), (0.72, 0.7), (0.71, 0.7)][..], None, 1, "diverged from epoch 1 on"),
        ] {
            let against = Against { before, trains_body: before.is_some(), ..CLASSES };
            let (warned, _, remark) = watch_against(against, None, losses, None);
            assert!(warned.len() == 1 && warned[0].0 == epoch, "{losses:?}: {warned:?}");
            assert!(matches!(remark, Some(CourseNote::Warned(_))), "{losses:?}: {remark:?}");
            let line = line_of(remark);
            assert!(line.starts_with(&format!("{STEP}: {begins} (trn_loss ")), "{losses:?}: {line}");
        }
        let (warned, judgement, remark) = watch(&[(0.4, f64::NAN), (0.4, 0.3)], None);
        assert!(warned.len() == 1 && warned[0].0 == 0 && judgement.is_none(), "{warned:?}");
        assert!(
            matches!(&remark, Some(CourseNote::Note(line)) if line.ends_with("came back from that by the end of the fit"))
        );
    }

    #[test]
    fn what_an_earlier_fit_lost_is_not_told_again() {
        let against = Against { before: Some(1e5), ..CLASSES };
        let watch = |inherited, losses: &[(f64, f64)]| {
            let (warned, judgement, remark) = watch_against(against, inherited, losses, None);
            (warned.len(), judgement.map(|found| found.course), remark.is_some())
        };
        let grows = [(8e10, 3e18), (8e10, 3e19)];
        assert_eq!(watch(None, &grows), (1, Some(Course::Diverged), true));
        assert_eq!(watch(Some(Course::Diverged), &grows), (0, Some(Course::Diverged), false));
        assert_eq!(watch(Some(Course::SameAnswer), &grows), (1, Some(Course::Diverged), true), "that is worse");
        let nothing = [(1.2, 0.75), (1.2, 0.75)];
        assert_eq!(watch(None, &nothing), (1, Some(Course::NothingLearned), true));
        assert_eq!(watch(Some(Course::Diverged), &nothing), (0, Some(Course::NothingLearned), false));
    }

    #[test]
    fn weights_that_an_earlier_fit_lost_are_no_want_of_epochs() {
        let stays_lost = |inherited, losses: &[(f64, f64)]| {
            let against = Against { before: Some(1e5), ..CLASSES };
            let (_, warned, found) = watched(against, inherited, losses, None);
            assert!(warned.is_empty(), "{warned:?}");
            (found.stays_lost, found.judgement.map(|found| found.course), found.note.is_some())
        };
        let (high, by_heart) = ([(0.66, 0.6), (0.6, 0.5)], [(0.05, 0.9)]);
        assert_eq!(stays_lost(Some(Course::Diverged), &high), (true, None, false));
        assert_eq!(stays_lost(Some(Course::SameAnswer), &by_heart), (true, None, false));
        for inherited in [None, Some(Course::Damaged), Some(Course::NothingLearned)] {
            assert_eq!(stays_lost(inherited, &high), (false, Some(Course::Underfitting), true), "{inherited:?}");
            assert_eq!(stays_lost(inherited, &by_heart), (false, Some(Course::Overfitting), true), "{inherited:?}");
        }
        assert_eq!(stays_lost(Some(Course::Diverged), &[(0.3, 0.2)]), (false, None, false), "it has learned anew");
        // Norms that did not fit do so again, though the network has learned little.
        assert!(!stays_lost(Some(Course::UnfitNorms), &high).0);
    }

    #[test]
    fn norms_stay_unfit_while_they_magnify_the_loss() {
        let against = Against { before: Some(188.4), trains_body: true, ..CLASSES };
        let stays_lost = |val_loss, bounded| {
            let row = EpochRow { trn_loss: 1.3, val_loss, bounded_loss: Some(bounded), ..EpochRow::default() };
            let epochs = [EpochRow { metrics: vec![("accuracy".to_string(), 0.5)], ..row }];
            let watch =
                CourseWatch::new(STEP.to_string(), FitSetting::default(), Some(against), Some(Course::UnfitNorms));
            let batch_losses = &[1.3; 20][..];
            watch.conclude(Ended { epochs: &epochs, batch_losses, kept: None, ending: Ending::Complete }).stays_lost
        };
        assert_eq!([stays_lost(162.7, 1.4), stays_lost(1.17, 1.0), stays_lost(1.17, 0.4)], [true, false, false]);
    }

    #[test]
    fn what_a_fit_did_itself_is_told_whatever_it_began_with() {
        let (_, warned, found) = watched(CLASSES, Some(Course::Collapsed), &[(8e10, 3e18), (0.66, 0.6)], None);
        assert!(warned.len() == 1 && !found.stays_lost, "{warned:?}, {found:?}");
        assert!(
            matches!(&found.note, Some(CourseNote::Note(line)) if line.contains("came back from that")),
            "{found:?}"
        );
        // And what it was not warned of for being an earlier one's is not told when it breaks off either.
        let warning = |inherited| watched(CLASSES, inherited, &[(8e10, 3e18), (8e10, 3e19)], None).0.warning();
        assert!(warning(None).is_some() && warning(Some(Course::Diverged)).is_none());
    }

    #[test]
    fn a_course_that_becomes_worse_is_told_as_the_worst() {
        let against = Against { before: Some(0.15), trains_body: true, ..CLASSES };
        let (warned, judgement, remark) = watch_against(against, None, &[(0.4, 0.5), (0.4, 0.45), (8e10, 3e18)], None);
        assert!(warned.len() == 1 && warned[0].1.contains("`: damaged the body from epoch 0 on"), "{warned:?}");
        assert_eq!(judgement.map(|found| (found.course, found.epoch)), Some((Course::Diverged, 2)));
        assert!(
            matches!(&remark, Some(CourseNote::Warning(line)) if line.contains("`: diverged in epoch 2 (")),
            "{remark:?}"
        );
    }

    #[test]
    fn what_is_only_certain_in_the_end_is_said_then() {
        let (warned, judgement, remark) = watch(&[(0.4, 0.3), (2.0, 3.0)], None);
        assert!(warned.is_empty() && judgement.is_some());
        assert!(
            matches!(&remark, Some(CourseNote::Warning(line)) if line.contains("diverged in epoch 1")),
            "{remark:?}"
        );
        let (_, _, remark) = watch(&[(0.66, 0.6), (0.6, 0.5)], None);
        assert!(matches!(&remark, Some(CourseNote::Note(line)) if line.contains("underfitting")), "{remark:?}");
    }

    #[test]
    fn a_best_epoch_that_was_kept_is_said_to_lie_before_the_course_where_it_does() {
        let (warned, judgement, remark) = watch(&[(0.4, 0.3), (8e10, 2.99e18)], Some(0));
        assert_eq!((warned.len(), judgement), (1, None));
        let kept = format!("{}; the best epoch, 0, lies before that and was kept", warned[0].1);
        assert_eq!(remark, Some(CourseNote::Note(kept)));
        let (warned, judgement, remark) = watch(&[(0.3, 0.25), (0.2, 0.2), (0.1, 0.25)], Some(1));
        assert!(warned.is_empty() && judgement.is_none());
        let line = line_of(remark);
        assert!(line.contains("overfitting from epoch 1 on"), "{line}");
        assert!(line.ends_with("; the best epoch, 1, was kept"), "{line}");
    }

    #[test]
    fn losses_that_come_back_after_all_are_said_to() {
        let (warned, judgement, remark) = watch(&[(0.4, 0.3), (8e10, 2.99e18), (0.2, 0.2)], None);
        assert_eq!((warned.len(), judgement), (1, None));
        let back = |line: &str| {
            line.contains("-> 3.0e18 -> 0.2000)") && line.ends_with("came back from that by the end of the fit")
        };
        assert!(matches!(&remark, Some(CourseNote::Note(line)) if back(line)), "{remark:?}");
        // Less than it was, and still far above what a constant answer costs.
        let (warned, judgement, remark) = watch(&[(0.7, 0.68), (8e10, 2.99e18), (0.6, 10.5)], None);
        assert_eq!((warned.len(), judgement.map(|found| found.course)), (1, Some(Course::Diverged)));
        assert!(matches!(remark, Some(CourseNote::Warned(_))), "{remark:?}");
    }
}
