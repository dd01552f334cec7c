//! A sweep of which every candidate diverged.

use std::fmt;

use fastai_dsl::{Recipe, Step};

use super::{Standings, SweepSpec};
use crate::data::figures::short;

/// That every candidate of a sweep diverged, and which rates to try.
#[derive(Clone, Debug, PartialEq)]
pub struct AllDiverged {
    /// The lowest of the candidates' highest learning rates; `None` where `lr_find` suggests their rates.
    rate: Option<f64>,
    /// The key of the sweep that gives those rates.
    key: Option<String>,
}

impl AllDiverged {
    /// `None` if a candidate has a run that did not diverge, or that has not ended; of one part of a sweep, the other parts have
    /// some.
    pub(super) fn of(spec: &SweepSpec, table: &Standings) -> Option<Self> {
        let all_diverged = table.standings.iter().all(|standing| standing.has_diverged());
        if spec.shard.is_some() || table.standings.is_empty() || !all_diverged {
            return None;
        }
        let rates: Vec<Option<f64>> = spec.candidates.iter().map(|candidate| highest_rate(&candidate.recipe)).collect();
        let mut keys = spec.candidates[0].settings.iter().map(|(key, _)| key);
        // What is compared are numbers as the recipe has them, read from the same text.
        let gives_rates = |key: &&String| {
            spec.candidates.iter().zip(&rates).all(|(candidate, rate)| {
                let value = candidate.settings.iter().find(|(other, _)| other == *key).map(|(_, value)| value);
                rate.is_some() && value.and_then(|value| value.parse::<f64>().ok()) == *rate
            })
        };
        Some(AllDiverged {
            rate: rates.iter().flatten().copied().min_by(f64::total_cmp),
            key: keys.find(gives_rates).cloned(),
        })
    }
}

/// The highest fixed learning rate of a recipe's fits.
fn highest_rate(recipe: &Recipe) -> Option<f64> {
    let fits = recipe.steps().iter().filter_map(|step| if let Step::Fit(fit) = step { Some(fit) } else { None });
    fits.flat_map(|fit| &fit.lrs).filter_map(|rate| rate.fixed()).max_by(f64::total_cmp)
}

impl fmt::Display for AllDiverged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "every combination diverged, so none is the best: the table says where each did; ")?;
        let lower = |by: f64| self.rate.map(|rate| short(rate / by));
        match (lower(100.0), lower(10.0), &self.key) {
            (Some(least), Some(most), Some(key)) => {
                write!(f, "try lower rates, `--over {key}={least},{most}`, or that of `let lr = lr_find(or = 1e-3);`")
            }
            (Some(least), Some(most), None) => {
                write!(f, "try rates of {least} and {most}, or that of `let lr = lr_find(or = 1e-3);`")
            }
            _ => write!(f, "try a tenth of the rates that `lr_find` suggests, as in `fit(lr / 10, 1);`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Candidate;
    use super::super::examples::{recipe, spec};
    use super::super::trial::{Trial, TrialEnd, TrialKey};
    use super::*;

    fn candidate(key: &str, value: &str, steps: &str) -> Candidate {
        let recipe = recipe(steps);
        Candidate { settings: vec![(key.into(), value.into())], folds: vec![recipe.clone()], recipe }
    }

    /// What is said of a sweep of these candidates, whose runs ended so.
    fn said(candidates: Vec<Candidate>, end: impl Fn(usize) -> TrialEnd) -> Option<String> {
        let spec = spec(candidates);
        let trial = |key: TrialKey| {
            let mut trial = Trial::new(key, &spec.candidates[key.candidate].recipe);
            trial.end = Some(end(key.candidate));
            trial
        };
        let trials: Vec<Trial> = spec.trials().into_iter().map(trial).collect();
        let table = Standings::new(&spec, &trials, &|_| true);
        AllDiverged::of(&spec, &table).map(|diverged| diverged.to_string())
    }

    #[test]
    fn rates_below_all_that_diverged_are_proposed() {
        let lost = |_| TrialEnd::LostNumbers("the loss became NaN".into());
        let rates = || vec![candidate("lr", "10", "fit(10, 1);"), candidate("lr", "2e0", "fit(2e0, 1);")];
        let by_key = said(rates(), lost).unwrap();
        assert!(
            by_key.starts_with("every combination diverged") && by_key.contains("`--over lr=0.02,0.2`"),
            "{by_key}"
        );
        let others = ["1.0", "2.0"].map(|clip| candidate("clip", clip, "unfreeze(); fit([0.1, 1, 5], 1);")).to_vec();
        let by_rate = said(others, lost).unwrap();
        assert!(by_rate.contains("try rates of 0.05 and 0.5,"), "{by_rate}");
        let found = vec![candidate("clip", "1.0", "let lr = lr_find(or = 1e-2); fit(lr, 1);")];
        assert!(said(found, lost).unwrap().contains("`fit(lr / 10, 1);`"));
        // One that failed for another reason says nothing of the rates.
        let other = |candidate| match candidate {
            0 => TrialEnd::Failed("too large".into()),
            _ => TrialEnd::LostNumbers("the loss became NaN".into()),
        };
        assert_eq!(said(rates(), other), None);
    }
}
