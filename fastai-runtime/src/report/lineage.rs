//! Which `fit` the weights of a network come from, and by which one they are lost.

use fastai_dsl::StepKind;

use super::StageSummary;
use crate::train::{Course, Judgement};

/// The `fit` whose weights the step after these stages begins with, itself or in a model that a `load` put back; `None` if there
/// is none, or if another step has put weights in place since.
pub fn fit_before(stages: &[StageSummary]) -> Option<&StageSummary> {
    up_to_fit(stages).and_then(<[StageSummary]>::last)
}

/// The stages up to [`fit_before`], none where no `fit` has trained; `None` if another step has put weights in place of which it is
/// not known how they were trained.
pub(super) fn up_to_fit(stages: &[StageSummary]) -> Option<&[StageSummary]> {
    let Some(last) = stages.iter().rposition(|stage| stage.kind.changes_weights()) else { return Some(&[]) };
    match stages[last].kind {
        StepKind::Fit => Some(&stages[..=last]),
        StepKind::Load => {
            let saved_by = stages[last].saved_by?;
            let before = stages[..last].partition_point(|stage| stage.step < saved_by);
            up_to_fit(&stages[..before])
        }
        _ => None,
    }
}

/// The failure that left the weights that the step after these stages begins with, and the `fit` that it was of.
pub fn inherited(stages: &[StageSummary]) -> Option<(&StageSummary, Judgement)> {
    up_to_fit(stages).and_then(failure)
}

/// The `fit` by which the last one of these stages, a `fit`, failed: itself, or the first of those before it that explain its
/// course.
pub(super) fn failure(stages: &[StageSummary]) -> Option<(&StageSummary, Judgement)> {
    let (last, earlier) = stages.split_last()?;
    let before = inherited(earlier);
    if last.stays_lost {
        return before;
    }
    let found = last.failure()?;
    before.filter(|(_, earlier)| earlier.course.explains(found.course)).or(Some((last, found)))
}

/// The `fit` that lost the network with which the step after these stages begins, if the loss of that step is no number in its
/// batch `batch`, from 0; `None` if the step may have lost it itself.
pub fn lost_before(stages: &[StageSummary], batch: u64) -> Option<&StageSummary> {
    let explained = inherited(stages).filter(|(_, judgement)| judgement.course.explains(Course::Diverged));
    // The loss of the first batch comes before any step of the optimizer.
    explained.map(|(stage, _)| stage).or_else(|| fit_before(stages).filter(|_| batch == 0))
}

#[cfg(test)]
mod tests {
    use super::super::Summary;
    use super::super::verdicts::tests::fit;
    use super::*;

    #[test]
    fn a_model_that_is_put_back_has_the_weights_of_the_fit_before_its_save() {
        let other = |step, kind| StageSummary { step, kind, ..StageSummary::default() };
        let load = |step, saved_by| StageSummary { saved_by, ..other(step, StepKind::Load) };
        let (good, bad) = (fit(0, None), fit(2, Some(Course::Diverged)));
        let begins =
            [good.clone(), other(1, StepKind::Save), bad.clone(), other(3, StepKind::Save), fit(4, None)].to_vec();
        let with = |rest: &[StageSummary]| [begins.clone(), rest.to_vec()].concat();
        let inherits = |stages: &[StageSummary]| inherited(stages).map(|(stage, found)| (stage.step, found.course));
        assert_eq!(inherits(&begins), None, "the last fit learned anew");
        assert_eq!(inherits(&with(&[load(5, Some(3))])), Some((2, Course::Diverged)));
        assert_eq!(inherits(&with(&[load(5, Some(1))])), None);
        assert_eq!(inherits(&with(&[load(5, None)])), None, "of a cycle");
        assert_eq!(fit_before(&with(&[load(5, Some(3))])), Some(&bad));
        assert_eq!(fit_before(&with(&[load(5, Some(3)), load(6, Some(1))])), Some(&good));
        // A fit on them is no failure of its own, nor is the run's end with them one of its last fit.
        let ruined = |stages: Vec<StageSummary>| {
            let summary = Summary { stages, ..Summary::default() };
            summary.ruined_by().map(|(stage, _)| stage.step)
        };
        assert_eq!(ruined(with(&[load(5, Some(3)), fit(6, Some(Course::Diverged))])), Some(2));
        assert_eq!(ruined(with(&[load(5, Some(1)), fit(6, Some(Course::Diverged))])), Some(6));
        assert_eq!(ruined(with(&[load(5, Some(3))])), Some(2));
        let ends_lost = Summary { stages: with(&[load(5, Some(3))]), ..Summary::default() };
        let short = "step 3 diverged; what the network predicts cannot be trusted";
        assert_eq!(ends_lost.lost_in_short().as_deref(), Some(short), "no fit came after it");
        assert_eq!(ruined([&begins[..4], &[load(5, Some(1))][..]].concat()), None, "it was put right");
        assert_eq!(ruined(vec![other(1, StepKind::Save), bad.clone(), load(3, Some(1))]), None, "as it was at first");
        assert_eq!(ruined([&begins[..4], &[other(5, StepKind::Average)][..]].concat()), Some(2));
    }

    #[test]
    fn a_network_that_is_lost_before_its_first_batch_is_lost_by_an_earlier_fit() {
        let by = |stages: &[StageSummary], batch| lost_before(stages, batch).map(|stage| stage.step);
        let diverged = [fit(1, Some(Course::Diverged)), StageSummary { stays_lost: true, ..fit(2, None) }];
        assert_eq!((by(&diverged, 0), by(&diverged, 9)), (Some(1), Some(1)));
        // Its last step, of which no epoch tells: but for the first batch, the step's own rate may have done it.
        let unknown = [fit(1, None)];
        assert_eq!((by(&unknown, 0), by(&unknown, 1), by(&[], 0)), (Some(1), None, None));
        assert_eq!(by(&[fit(1, Some(Course::Collapsed))], 3), None, "that does not lead beyond all numbers");
        let loads = StageSummary { kind: StepKind::Load, step: 2, ..StageSummary::default() };
        assert_eq!(by(&[fit(1, None), loads], 0), None, "of weights that are not known");
    }
}
