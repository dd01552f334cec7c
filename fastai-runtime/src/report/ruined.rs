//! The `fit` that left a run with nothing learned, or without what it had learned, and what is said of it.

use std::fmt;

use fastai_dsl::{BodyState, StepKind};

use super::lineage::{failure, fit_before, up_to_fit};
use super::numbers::metric;
use super::verdicts::{Change, course};
use super::{Baseline, Evaluation, FitSetting, Ruin, StageSummary, Summary};
use crate::data::figures::figure;
use crate::error::FailedStep;
use crate::train::{Course, Judgement};

impl StageSummary {
    /// The step, as errors name it.
    pub(crate) fn named(&self) -> FailedStep {
        FailedStep { number: self.step + 1, call: self.text.clone() }
    }

    /// The course of a `fit` that did harm, or nothing at all.
    pub(crate) fn failure(&self) -> Option<Judgement> {
        self.judgement.filter(|judgement| judgement.course.is_failure())
    }
}

/// A `fit` that lost what the network knew, or taught it nothing, and what the run says of it.
pub(crate) struct Ruined {
    /// Its step and course.
    pub ruin: Ruin,
    /// Its course and what helps, as its note has them.
    pub verdict: String,
    /// What came of it by the end of the run.
    outcome: Vec<String>,
    /// The steps that did so, and where the run ended, without what helps.
    pub in_short: String,
}

impl fmt::Display for Ruined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.verdict)?;
        self.outcome.iter().try_for_each(|outcome| write!(f, "; {outcome}"))
    }
}

impl Ruin {
    /// What ruined the run of this summary, which may have stopped.
    pub(crate) fn of(summary: &Summary) -> Option<Self> {
        summary.ruined_by().map(Ruin::by)
    }

    fn by((stage, judgement): (&StageSummary, Judgement)) -> Self {
        Ruin { step: stage.step, course: judgement.course, epoch: judgement.epoch }
    }
}

impl Summary {
    /// Returns the verdict on a run of which the last `fit` left weights that say less than those before it, or nothing, whatever
    /// the metrics are, or a `fit` damaged the body and the final measurement is still worse than the one before it: from which
    /// epoch on, where the loss went, what helps, and what came of it.
    ///
    /// Of a run of folds, which of them ended so, and how the first one did.
    pub fn lost(&self) -> Option<String> {
        match self.lost_folds() {
            Some(folds) => Some(folds.to_string()),
            None => self.ruined().map(|ruined| ruined.to_string()),
        }
    }

    /// Returns [`lost`](Self::lost) in short, for a run that has told of each fit when it happened: which steps failed so, where
    /// the run ended, and what came of it.
    pub fn lost_in_short(&self) -> Option<String> {
        match self.lost_folds() {
            Some(folds) => Some(folds.in_short),
            None => self.ruined().map(|ruined| ruined.in_short),
        }
    }

    /// Returns a warning if the run ended no better than its baseline, or is [not shown to be](Baseline::unbeaten), and is not
    /// [lost](Self::lost), which says it then.
    pub fn unbeaten(&self) -> Option<String> {
        let baseline = self.baseline.as_ref().filter(|_| self.lost_in_short().is_none());
        baseline.and_then(Baseline::unbeaten)
    }

    /// The `fit` of [`lost`](Self::lost).
    pub(crate) fn ruined(&self) -> Option<Ruined> {
        let (stage, judgement) = self.ruined_by().filter(|_| !self.smoke)?;
        let is_last = self.up_to_last_fit().and_then(<[StageSummary]>::last).is_none_or(|last| last.step == stage.step);
        let ends = if judgement.course == Course::Damaged {
            let (.., change) = lasting_damage(&self.stages, self.r#final.as_ref()?)?;
            let [old, new] = change.fall()?;
            Some(format!("the run ends with {} {new}, which was {old} before", change.name))
        } else {
            None
        };
        let came = match judgement.course {
            Course::Damaged => ends.clone(),
            _ if !is_last => Some("no later fit mended that".to_string()),
            Course::Diverged | Course::UnfitNorms => Some(format!("what the network predicts {UNTRUSTED}")),
            _ => None,
        };
        let said = course(&judgement, &self.setting(stage.step));
        let verdict = format!("step {} `{}`: {said}", stage.step + 1, stage.text);
        let outcome: Vec<String> = self.below_constant().into_iter().chain(came).collect();
        let ended = if ends.is_none() { self.r#final.as_ref().map(ended_with) } else { None };
        let in_short = std::iter::once(self.failed_so(stage, judgement.course));
        let in_short: Vec<String> = in_short.chain(ended).chain(outcome.iter().cloned()).collect();
        let ruin = Ruin::by((stage, judgement));
        Some(Ruined { ruin, verdict, outcome, in_short: in_short.join("; ") })
    }

    /// The steps from `first` on that failed by this course: `steps 2 and 4 diverged`.
    fn failed_so(&self, first: &StageSummary, course: Course) -> String {
        let so = |stage: &&StageSummary| {
            stage.step >= first.step && stage.judgement.is_some_and(|judgement| judgement.course == course)
        };
        let steps: Vec<usize> = self.stages.iter().filter(so).map(|stage| stage.step + 1).collect();
        format!("{} {}", numbered("step", &steps), did(course))
    }

    /// That a constant answer is as good as the final predictions, where that is certain.
    pub(super) fn below_constant(&self) -> Option<String> {
        let constant = self.baseline.as_ref()?;
        let (is, name, value) = (constant.shortfall()?.words(), constant.metric.word(), metric(constant.value));
        Some(format!("the predictions are {is} always saying `{}` ({name} {value})", constant.says))
    }

    /// The `fit` that left the run with nothing learned or without what it had learned, and its course: the last `fit`, or the
    /// one whose weights a `load` after it put back, or an earlier one that [explains](Course::explains) what that one ended in,
    /// or the first one that damaged the body, the last `fit` included, if the final measurement is worse than the one before it.
    pub fn ruined_by(&self) -> Option<(&StageSummary, Judgement)> {
        let failed = self.up_to_last_fit().and_then(failure);
        failed.filter(|(_, judgement)| judgement.course != Course::Damaged).or_else(|| {
            let (stage, judgement, _) = lasting_damage(&self.stages, self.r#final.as_ref()?)?;
            Some((stage, judgement))
        })
    }

    /// The stages up to the `fit` whose weights the run ends with.
    fn up_to_last_fit(&self) -> Option<&[StageSummary]> {
        let last_fit = || self.stages.iter().rposition(|stage| stage.kind == StepKind::Fit);
        // Weights of which it is not known how they were trained may have those of the last fit in them.
        up_to_fit(&self.stages).or_else(|| Some(&self.stages[..=last_fit()?]))
    }

    /// What the advice on the fit of this step depends on; what holds for most, for a recipe that is no longer read.
    fn setting(&self, step: usize) -> FitSetting {
        // What is said of a failure does not depend on the layers that train.
        self.read_recipe().map_or_else(FitSetting::default, |recipe| FitSetting::of(&recipe, step, BodyState::Unfrozen))
    }
}

/// `step 2`, `steps 2, 3 and 5`
pub(super) fn numbered(what: &str, numbers: &[usize]) -> String {
    let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
    match numbers.as_slice() {
        [all @ .., last] if !all.is_empty() => format!("{what}s {} and {last}", all.join(", ")),
        _ => format!("{what} {}", numbers.concat()),
    }
}

/// What is said of predictions by weights that diverged, or with batch norms that do not fit.
pub(super) const UNTRUSTED: &str = "cannot be trusted";

/// What a fit of this course did, in the past tense.
pub(super) fn did(course: Course) -> &'static str {
    match course {
        Course::Diverged => "diverged",
        Course::SameAnswer => "left the same answer for every image",
        Course::Collapsed => "collapsed",
        Course::UnfitNorms => "left batch norms that do not fit new images",
        Course::Damaged => "damaged the body",
        Course::NothingLearned => "learned nothing",
        Course::FarOff => "ended far above a constant answer",
        Course::Worsened => "got worse",
        Course::Overfitting => "overfitted",
        Course::Stalled => "stood still",
        Course::Underfitting => "underfitted",
    }
}

/// `the run ends with accuracy 0.5263, loss 1.8e22`
pub(super) fn ended_with(end: &Evaluation) -> String {
    let first = end.metrics.first().map(|first| format!("{} {}, ", first.name, metric(first.value)));
    format!("the run ends with {}loss {}", first.unwrap_or_default(), figure(end.val_loss, 4))
}

/// The first fit that damaged the body, its course, and the change from what it began with to `end`, which is worse; `None` if it
/// is not, or if the body is whole.
fn lasting_damage<'a>(
    stages: &'a [StageSummary],
    end: &'a Evaluation,
) -> Option<(&'a StageSummary, Judgement, Change<'a>)> {
    stages.iter().enumerate().find_map(|(index, stage)| {
        let judgement = stage.judgement.filter(|judgement| judgement.course == Course::Damaged)?;
        let change = Change::between(fit_before(&stages[..index])?.evaluation.as_ref()?, end)?;
        change.fall().map(|_| (stage, judgement, change))
    })
}

#[cfg(test)]
mod tests {
    use fastai_dsl::MetricKind;

    use super::super::verdicts::tests::{evaluation, fit, judged, stage};
    use super::*;

    #[test]
    fn a_verdict_says_where_the_loss_went_and_stands_for_what_follows_from_it() {
        let constant = Baseline {
            says: "dog".into(),
            metric: MetricKind::Accuracy,
            value: 0.5,
            reached: Some(0.4),
            gain: Some([-0.2, 0.0]),
        };
        let of = |course: Option<Course>| {
            let led = |course| Judgement { before: Some(0.15), end: Some(2e18), ..judged(course, 1) };
            let fit = StageSummary {
                step: 2,
                text: "fit(10.0, 3)".into(),
                evaluation: Some(evaluation("accuracy", 0.4, [0.3, 0.5])),
                judgement: course.map(led),
                ..stage(true)
            };
            let (stages, baseline) = (vec![fit], Some(constant.clone()));
            let summary = Summary {
                stages,
                r#final: Some(evaluation("accuracy", 0.4, [0.3, 0.5])),
                baseline,
                ..Summary::default()
            };
            (summary.lost(), summary.unbeaten())
        };
        let (lost, unbeaten) = of(Some(Course::Diverged));
        let diverged = "step 3 `fit(10.0, 3)`: diverged from epoch 1 on (trn_loss 0.2100, val_loss 0.1500 -> 0.2600 -> 2.0e18): \
                        the learning rate is too high";
        let end = "the predictions are no better than always saying `dog` (accuracy 0.5000); what the network predicts cannot \
                   be trusted";
        assert!(lost.as_ref().is_some_and(|lost| lost.starts_with(diverged) && lost.ends_with(end)), "{lost:?}");
        assert_eq!(unbeaten, None, "the verdict says it");
        for (course, begins) in [
            (Course::SameAnswer, "the same answer for every image from epoch 1 on ("),
            (Course::Collapsed, "collapsed from epoch 1 on ("),
            (Course::NothingLearned, "nothing learned from epoch 1 on ("),
        ] {
            let (lost, unbeaten) = of(Some(course));
            assert!(
                lost.is_some_and(|lost| lost.starts_with(&format!("step 3 `fit(10.0, 3)`: {begins}"))),
                "{course:?}"
            );
            assert_eq!(unbeaten, None, "{course:?}");
        }
        for course in [None, Some(Course::Underfitting)] {
            let (lost, unbeaten) = of(course);
            assert!(lost.is_none() && unbeaten.is_some(), "{course:?}");
        }
    }

    #[test]
    fn the_step_that_lost_the_weights_is_named_whatever_the_fits_after_it_show() {
        let stays = |step| StageSummary { stays_lost: true, ..fit(step, None) };
        let end = Evaluation { val_loss: 1.76e22, ..evaluation("accuracy", 0.4737, [0.3, 0.7]) };
        let of = |stages: &[StageSummary]| Summary {
            stages: stages.to_vec(),
            r#final: Some(end.clone()),
            ..Summary::default()
        };
        let diverged = fit(1, Some(Course::Diverged));
        for stages in [&[diverged.clone(), stays(3)][..], &[diverged.clone(), stays(3), stays(5)]] {
            let summary = of(stages);
            assert!(summary.lost().unwrap().starts_with("step 2 `fit(1, 1)`: diverged in epoch 0 ("));
            let short = "step 2 diverged; the run ends with accuracy 0.4737, loss 1.8e22; no later fit mended that";
            assert_eq!(summary.lost_in_short().as_deref(), Some(short));
        }
        let both = of(&[diverged.clone(), fit(3, Some(Course::Diverged)), stays(5)]);
        let short = both.lost_in_short().unwrap();
        assert!(short.starts_with("steps 2 and 4 diverged; the run ends with ") && !short.contains("rate"), "{short}");
        assert_eq!(of(&[diverged, fit(3, None)]).lost(), None, "it learned anew");
        assert_eq!(of(&[stays(3)]).lost(), None, "nothing was lost before");
    }

    #[test]
    fn a_run_is_ruined_by_its_last_fit_or_by_damage_that_lasts() {
        let fit = |step, value, course: Option<Course>| StageSummary {
            step,
            evaluation: Some(evaluation("f2", value, [0.0, 1.0])),
            judgement: course.map(|course| judged(course, 1)),
            ..stage(false)
        };
        let ruined = |end: f64, stages: &[StageSummary]| {
            let r#final = Some(evaluation("f2", end, [0.0, 1.0]));
            let summary = Summary { stages: stages.to_vec(), r#final, ..Summary::default() };
            summary.ruined_by().map(|(stage, judgement)| (stage.step, judgement.course))
        };
        let diverged = fit(3, 0.5, Some(Course::Diverged));
        assert_eq!(ruined(0.5, &[fit(1, 0.9, None), diverged.clone()]), Some((3, Course::Diverged)));
        let dies = fit(4, 0.5, Some(Course::SameAnswer));
        assert_eq!(ruined(0.5, &[diverged.clone(), dies.clone()]), Some((3, Course::Diverged)), "it follows from that");
        assert_eq!(ruined(0.5, &[dies.clone(), diverged.clone()]), Some((3, Course::Diverged)), "and that does not");
        let loads = StageSummary { kind: StepKind::Load, step: 4, ..StageSummary::default() };
        assert_eq!(ruined(0.5, &[diverged.clone(), loads, dies]), Some((4, Course::SameAnswer)), "other weights");
        assert_eq!(ruined(0.8, &[diverged, fit(4, 0.8, None)]), None, "a later fit learned");
        let damaged = [fit(1, 0.9, None), fit(3, 0.6, Some(Course::Damaged)), fit(4, 0.7, None)];
        assert_eq!((ruined(0.7, &damaged), ruined(0.91, &damaged)), (Some((3, Course::Damaged)), None));
        let damaged = &damaged[..2];
        assert_eq!((ruined(0.6, damaged), ruined(0.91, damaged)), (Some((3, Course::Damaged)), None));
        let stopped = Summary { stages: damaged.to_vec(), ..Summary::default() };
        assert_eq!((Ruin::of(&stopped), stopped.lost()), (None, None), "nothing is measured yet");
        assert_eq!(ruined(0.9, &[fit(1, 0.9, Some(Course::Overfitting))]), None);
        assert_eq!(ruined(0.5, &[fit(1, 0.5, Some(Course::NothingLearned))]), Some((1, Course::NothingLearned)));
        assert_eq!(ruined(0.9, &[]), None);
    }

    #[test]
    fn a_damaged_body_counts_while_the_run_ends_below_it() {
        let fit = |step, value, course: Option<Course>| StageSummary {
            step,
            text: "fit([0.0222, 0.0667, 0.2], 1)".into(),
            evaluation: Some(evaluation("f2", value, [0.0, 1.0])),
            judgement: course.map(|course| judged(course, 0)),
            ..stage(true)
        };
        let ends_with = |value, stages: &[StageSummary]| {
            let r#final = Some(evaluation("f2", value, [0.0, 1.0]));
            Summary { stages: stages.to_vec(), r#final, ..Summary::default() }.lost()
        };
        let spoilt = [fit(1, 0.9185, None), fit(3, 0.67, Some(Course::Damaged))];
        let said = ends_with(0.67, &spoilt).unwrap();
        let step = "step 4 `fit([0.0222, 0.0667, 0.2], 1)`: ";
        let course = format!("{step}damaged the body from epoch 0 on (trn_loss 0.2100, val_loss 0.2600)");
        assert!(said.starts_with(&course), "{said}");
        assert!(
            said.contains("take a tenth of them, or write `bn_freeze(on);` before it; the run ends with"),
            "{said}"
        );
        assert!(said.ends_with("ends with f2 0.6700, which was 0.9185 before"), "{said}");
        let without_norms = FitSetting { batch_norm: false, ..FitSetting::default() };
        let said = super::course(&judged(Course::Damaged, 0), &without_norms);
        assert!(said.ends_with("take a tenth of them"), "{said}");
        assert_eq!(ends_with(0.92, &spoilt), None, "what came after it mended it");
        // Another fit does not hide it.
        let mended = [spoilt[0].clone(), spoilt[1].clone(), fit(4, 0.78, None)];
        assert!(ends_with(0.78, &mended).unwrap().contains("step 4 `"));
        assert_eq!(ends_with(0.67, &[fit(1, 0.9185, None), fit(3, 0.67, Some(Course::Overfitting))]), None);
        assert_eq!(ends_with(0.67, &spoilt[1..]), None, "nothing was before it");
    }
}
