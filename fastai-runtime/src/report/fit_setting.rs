//! What the advice on the course of a `fit` depends on.

use fastai_dsl::{BodyState, Fit, FitCourse, Recipe, Step};

/// What the advice on the course of a `fit` depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct FitSetting {
    /// What the body does while the `fit` trains.
    pub body: BodyState,
    /// Whether the body has batch norms.
    pub batch_norm: bool,
    /// Whether the weight decay may by itself pull the weights to 0.
    pub strong_decay: bool,
    /// Where a finder stands.
    pub finder: Finder,
    /// The same call with more epochs; `None` where the recipe is not known.
    pub longer: Option<String>,
}

/// How a `fit` stands to the recipe's `lr_find`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finder {
    /// It suggested the rates of the `fit`.
    OfItsRates,
    /// The recipe has one, and the `fit` has other rates.
    OfOthers,
    /// There is none.
    Absent,
}

/// That of a `fit` of which nothing is known: what holds for most.
impl Default for FitSetting {
    fn default() -> Self {
        FitSetting {
            body: BodyState::Unfrozen,
            batch_norm: true,
            strong_decay: false,
            finder: Finder::Absent,
            longer: None,
        }
    }
}

impl FitSetting {
    /// The setting of step `index` of `recipe`, counted from 0, which trains with the body in that state.
    pub fn of(recipe: &Recipe, index: usize, body: BodyState) -> Self {
        /// Usual weight decays lie between 1e-5 and 1e-2.
        const STRONG: f64 = 0.1;
        let batch_norm = recipe.model().facts().has_batch_norm();
        let Some(Step::Fit(fit)) = recipe.steps().get(index) else {
            return FitSetting { body, batch_norm, ..FitSetting::default() };
        };
        let has_finder = recipe.steps().iter().any(|step| matches!(step, Step::LrFind(_)));
        let finder = if fit.lrs.iter().any(|rate| rate.fixed().is_none()) {
            Finder::OfItsRates
        } else if has_finder {
            Finder::OfOthers
        } else {
            Finder::Absent
        };
        let strong_decay = fit.wds.iter().any(|wd| *wd >= STRONG);
        FitSetting { body, batch_norm, strong_decay, finder, longer: Some(recipe.shown(&Step::Fit(longer(fit)))) }
    }
}

/// The same training, at least twice as long.
fn longer(fit: &Fit) -> Fit {
    /// Cycles from which on longer ones say more than more of them.
    const SEVERAL: u32 = 3;
    let mut longer = fit.clone();
    let grows = fit.cycle_len.is_some() && matches!(fit.course, FitCourse::Cycles);
    if !grows || (fit.cycles >= SEVERAL && fit.cycle_mult == 1) {
        longer.cycles = fit.cycles.saturating_mul(2);
    } else {
        longer.cycles = fit.cycles.saturating_add(1).max(SEVERAL);
        longer.cycle_mult = fit.cycle_mult.max(2);
    }
    longer
}

#[cfg(test)]
mod tests {
    use fastai_dsl::source::RecipeText;

    use super::*;

    /// The setting of the last step of a recipe with these steps.
    fn setting(steps: &str) -> FitSetting {
        let text = format!(
            "A {{ task: single_label, data: folders {{ root: \"a\" }}, transforms: side_on {{ size: 64 }},
             model: squeezenet1_1, metrics: [accuracy], train: {{ {steps} }} }}"
        );
        let Ok(checked) = RecipeText::new("test.recipe", &text, &[]).result else { panic!("{text}") };
        let recipe = checked.recipe;
        FitSetting::of(&recipe, recipe.steps().len() - 1, BodyState::Frozen)
    }

    #[test]
    fn longer_calls_are_legal_and_longer() {
        for (call, longer) in [
            ("fit(0.01, 2);", "fit(0.01, 4)"),
            ("fit(0.01, 1, cycle_len = 1);", "fit(0.01, 3, cycle_len = 1, cycle_mult = 2)"),
            ("fit(0.01, 2, cycle_len = 1);", "fit(0.01, 3, cycle_len = 1, cycle_mult = 2)"),
            ("fit(0.01, 3, cycle_len = 1);", "fit(0.01, 6, cycle_len = 1)"),
            ("fit(0.01, 3, cycle_len = 1, cycle_mult = 2);", "fit(0.01, 4, cycle_len = 1, cycle_mult = 2)"),
        ] {
            let said = setting(call).longer.unwrap();
            assert_eq!(said, longer, "{call}");
            assert!(setting(&format!("{said};")).longer.is_some(), "{said}");
        }
    }

    #[test]
    fn a_weight_decay_is_strong_from_a_tenth_on() {
        let calls = [
            "fit(0.01, 4, wds = 1);",
            "fit(0.01, 4, wds = [0, 0.01, 0.1]);",
            "fit(0.01, 4, wds = 0.01);",
            "fit(0.01, 4);",
        ];
        assert_eq!(calls.map(|call| setting(call).strong_decay), [true, true, false, false]);
    }

    #[test]
    fn a_finder_is_one_of_the_fits_rates_or_of_others() {
        let finder = |steps: &str| setting(steps).finder;
        assert_eq!(finder("fit(0.01, 1);"), Finder::Absent);
        assert_eq!(finder("let lr = lr_find(or = 1e-2); fit([lr / 100, lr / 10, lr], 1);"), Finder::OfItsRates);
        assert_eq!(finder("let lr = lr_find(or = 1e-2); fit(lr, 1); fit(0.01, 1);"), Finder::OfOthers);
    }
}
