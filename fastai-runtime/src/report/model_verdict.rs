//! What the verdict on a run says of one of its models.

use fastai_dsl::source::RecipeText;
use fastai_dsl::{Recipe, Step, in_todays_words};

use super::Summary;
use super::lineage::inherited;
use super::ruined::{UNTRUSTED, did};
use crate::train::Course;

/// The step of `recipe`, from 0, that is `save("NAME")`.
pub(crate) fn saving_step(recipe: &Recipe, name: &str) -> Option<usize> {
    recipe.steps().iter().position(|step| matches!(step, Step::Save { name: saved } if saved == name))
}

impl Summary {
    /// Returns what those who use a model of this run need to know of it: [`lost_in_short`](Self::lost_in_short) of its last
    /// one, and of the one that `save("NAME")` wrote, for `model = Some("NAME")`, the step that had lost its weights by then.
    /// `None` if there is nothing to say, and of the model of a `fit`'s cycle.
    pub fn verdict_on(&self, model: Option<&str>) -> Option<String> {
        let name = match model {
            Some(name) if self.folds.is_none() && !["final", "interrupted"].contains(&name) => name,
            _ => return self.lost_in_short(),
        };
        let step = saving_step(&self.read_recipe()?, name)?;
        let saved = self.stages.partition_point(|stage| stage.step < step);
        let (stage, judgement) = inherited(&self.stages[..saved]).filter(|_| !self.smoke)?;
        let so = match judgement.course {
            Course::Diverged | Course::UnfitNorms => format!("; what it predicts {UNTRUSTED}"),
            _ => String::new(),
        };
        Some(format!("step {} {} before the model was saved{so}", stage.step + 1, did(judgement.course)))
    }

    /// The recipe of the run; `None` of one that this version does not understand.
    pub(super) fn read_recipe(&self) -> Option<Recipe> {
        let read = RecipeText::new("summary.recipe", &in_todays_words(&self.recipe), &[]);
        read.result.ok().map(|checked| checked.recipe)
    }
}

#[cfg(test)]
mod tests {
    use fastai_dsl::StepKind;

    use super::super::verdicts::tests::{evaluation, fit};
    use super::*;
    use crate::report::StageSummary;

    #[test]
    fn a_model_is_distrusted_if_its_weights_had_diverged_when_it_was_saved() {
        let recipe = "A { task: single_label, data: folders { root: \"a\" }, transforms: side_on { size: 64 },
             model: squeezenet1_1, metrics: [accuracy],
             train: { fit(0.01, 1); save(\"good\"); fit(10, 1); save(\"bad\"); } }";
        let save = |step| StageSummary { step, kind: StepKind::Save, ..StageSummary::default() };
        let stages = vec![fit(0, None), save(1), fit(2, Some(Course::Diverged)), save(3)];
        let r#final = Some(evaluation("accuracy", 0.5, [0.3, 0.7]));
        let summary = Summary { recipe: recipe.to_string(), stages, r#final, ..Summary::default() };
        let short = summary.lost_in_short();
        assert!(
            short.as_ref().is_some_and(|short| short.starts_with("step 3 diverged; the run ends with ")),
            "{short:?}"
        );
        for last in [None, Some("final"), Some("interrupted")] {
            assert_eq!(summary.verdict_on(last), short);
        }
        assert_eq!((summary.verdict_on(Some("good")), summary.verdict_on(Some("other"))), (None, None));
        let said = "step 3 diverged before the model was saved; what it predicts cannot be trusted";
        assert_eq!(summary.verdict_on(Some("bad")).as_deref(), Some(said));
        let sound = Summary { stages: vec![fit(0, None)], ..summary };
        assert_eq!(sound.verdict_on(None), None);
    }
}
