//! The verdict on a run of folds of which some failed in training.

use std::fmt;

use super::ruined::{UNTRUSTED, did, ended_with, numbered};
use super::{LostFold, Ruin, Summary};
use crate::train::Course;

/// The folds of a run whose training failed, and what the run says of them.
pub(crate) struct LostFolds {
    /// `folds 1 and 2 of 5`
    pub which: String,
    /// How the first of them failed, with what helps, and what came of it by the end of the run.
    pub verdict: String,
    /// The steps that did so, by folds, and where the run ended, without what helps.
    pub in_short: String,
}

impl fmt::Display for LostFolds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "training failed in {}: {}", self.which, self.verdict)
    }
}

impl Summary {
    /// The complete folds whose training failed; `None` if there are none, and of a run without folds.
    pub(crate) fn lost_folds(&self) -> Option<LostFolds> {
        let folds = self.folds.as_ref()?;
        let numbered_folds = (1..).zip(&folds.each);
        let lost: Vec<(usize, &LostFold)> =
            numbered_folds.filter_map(|(number, fold)| Some((number, fold.lost.as_ref()?))).collect();
        let (first, LostFold { verdict, .. }) = lost.first()?;
        let mut alike: Vec<(usize, Course, Vec<usize>)> = Vec::new();
        for (number, LostFold { ruin: Ruin { step, course, .. }, .. }) in &lost {
            match alike.iter_mut().find(|(other, led, _)| (other, led) == (step, course)) {
                Some((.., numbers)) => numbers.push(*number),
                None => alike.push((*step, *course, vec![*number])),
            }
        }
        let of_step = |(step, course, numbers): &(usize, Course, Vec<usize>)| {
            format!("step {} {} in {}", step + 1, did(*course), numbered("fold", numbers))
        };
        let steps: Vec<String> = alike.iter().map(of_step).collect();
        let is_whole = folds.each.len() == folds.count;
        let diverged = alike.iter().any(|(_, course, _)| *course == Course::Diverged);
        let untrusted = (is_whole && diverged).then(|| format!("what the ensemble predicts {UNTRUSTED}"));
        let outcome: Vec<String> = self.below_constant().into_iter().chain(untrusted).collect();
        let in_short = std::iter::once(format!("{} of {}", steps.join(", "), folds.count));
        let in_short: Vec<String> =
            in_short.chain(self.r#final.as_ref().map(ended_with)).chain(outcome.iter().cloned()).collect();
        let verdict = std::iter::once(format!("fold {first}: {verdict}"));
        let numbers: Vec<usize> = lost.iter().map(|(number, _)| *number).collect();
        Some(LostFolds {
            which: format!("{} of {}", numbered("fold", &numbers), folds.count),
            verdict: verdict.chain(outcome).collect::<Vec<_>>().join("; "),
            in_short: in_short.join("; "),
        })
    }
}

#[cfg(test)]
mod tests {
    use fastai_dsl::MetricKind;

    use super::super::verdicts::tests::evaluation;
    use super::super::{Baseline, FoldSummary, Folds};
    use super::*;

    fn fold(ruin: Option<(usize, Course)>) -> FoldSummary {
        let lost = |(step, course): (usize, Course)| LostFold {
            ruin: Ruin { step, course, epoch: 0 },
            verdict: format!("step {} `fit(10.0, 1)`: take a tenth of it", step + 1),
        };
        FoldSummary { lost: ruin.map(lost), ..FoldSummary::default() }
    }

    fn summary(count: usize, each: Vec<FoldSummary>) -> Summary {
        let baseline = Baseline::new("dog".into(), MetricKind::Accuracy, 0.5);
        Summary {
            r#final: Some(evaluation("accuracy", 0.4, [0.3, 0.5])),
            baseline: Some(Baseline { reached: Some(0.4), gain: Some([-0.2, 0.0]), ..baseline }),
            folds: Some(Folds { count, each, ..Folds::default() }),
            ..Summary::default()
        }
    }

    #[test]
    fn a_run_of_folds_says_which_of_them_diverged() {
        let diverged = || fold(Some((1, Course::Diverged)));
        let some = summary(3, vec![diverged(), fold(None), diverged()]);
        let worse = "the predictions are no better than always saying `dog` (accuracy 0.5000)";
        let untrusted = "what the ensemble predicts cannot be trusted";
        let short = format!(
            "step 2 diverged in folds 1 and 3 of 3; the run ends with accuracy 0.4000, loss 0.0000; {worse}; {untrusted}"
        );
        assert_eq!(some.lost_in_short(), Some(short));
        let first = "fold 1: step 2 `fit(10.0, 1)`: take a tenth of it";
        let lost = format!("training failed in folds 1 and 3 of 3: {first}; {worse}; {untrusted}");
        assert_eq!(some.lost(), Some(lost));
        assert_eq!(some.unbeaten(), None, "the verdict says it");
        let two = summary(2, vec![fold(Some((3, Course::Collapsed))), diverged()]);
        let short = two.lost_in_short().unwrap();
        assert!(short.starts_with("step 4 collapsed in fold 1, step 2 diverged in fold 2 of 2; "), "{short}");
        let sound = summary(2, vec![fold(None), fold(None)]);
        assert!(sound.lost().is_none() && sound.unbeaten().is_some());
        // There is no ensemble yet.
        let going_on = summary(3, vec![diverged()]).lost().unwrap();
        assert!(
            going_on.starts_with("training failed in fold 1 of 3: ") && !going_on.contains("ensemble"),
            "{going_on}"
        );
    }
}
