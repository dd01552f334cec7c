//! The combinations of a sweep, as recipes that are checked.

use std::collections::{BTreeSet, HashMap};

use fastai_dsl::grid::{self, Axis};
use fastai_dsl::overrides::Override;
use fastai_dsl::source::RecipeText;
use fastai_dsl::{LARGEST_SEED, Recipe};
use fastai_runtime::random::{Stream, unit};
use fastai_runtime::sweep::{Candidate, SweepOrigin, SweepSpec};

use super::failure::{Exit, Failure};
use super::numbers::counted;
use super::output;

/// Builds the sweep: the recipe of every combination, checked.
///
/// # Errors
/// All findings about the combinations, each once.
pub fn specified(origin: &SweepOrigin) -> Result<SweepSpec, Failure> {
    let invalid = Failure::Invalid;
    let axes: Vec<Axis> = origin.over.iter().map(|text| text.parse()).collect::<Result<_, _>>().map_err(invalid)?;
    let set: Vec<Override> = origin.set.iter().map(|text| text.parse()).collect::<Result<_, _>>().map_err(invalid)?;
    if let Some(both) = axes.iter().find(|axis| set.iter().any(|o| o.key == axis.key)) {
        return Err(Failure::Invalid(format!("`{}` is in `--set` and in `--over`: give it once", both.key)));
    }
    if let (Some(folds), Some(axis)) = (origin.folds, axes.iter().find(|axis| axis.key == "data.valid")) {
        return Err(Failure::Invalid(format!(
            "`--folds {folds}` and `--over {}` both say which images are held out: leave one out",
            axis.key
        )));
    }
    let plain = super::source::said(RecipeText::new(&origin.file, &origin.text, &set))?.recipe;
    let seed = origin.seed.unwrap_or(plain.seed());
    let combinations = match origin.random {
        None => grid::grid(&axes),
        Some(count) => {
            let mut rng = Stream::new(seed, "sweep sample").at(&[]);
            grid::sample(&axes, count as usize, &mut || unit(&mut rng))
        }
    };
    let combinations = combinations.map_err(invalid)?;
    let mut found = BTreeSet::new();
    let mut candidates: Vec<Candidate> = Vec::new();
    for combination in &combinations {
        let overrides: Vec<Override> = set.iter().chain(combination).cloned().collect();
        let read = RecipeText::new(&origin.file, &origin.text, &overrides);
        match read.result {
            Ok(checked) => candidates.push(Candidate {
                settings: combination.iter().filter_map(|o| Some((o.key.clone(), o.value.clone()?))).collect(),
                folds: folds_of(origin, &checked.recipe, &overrides)?,
                recipe: checked.recipe,
            }),
            // The warnings are those of the recipe, and have been said.
            Err(_) => found.extend(read.render_each().into_iter().filter(|finding| finding.starts_with("error"))),
        }
    }
    if !found.is_empty() {
        let all: Vec<String> = found.into_iter().collect();
        output::complain_styled(&format!("{}\n\n", all.join("\n\n")));
        let errors = counted(all.len() as u64, "error", "errors");
        eprintln!("{}: {errors} in {}", origin.file, counted(combinations.len() as u64, "combination", "combinations"));
        return Err(Failure::Reported(Exit::Invalid));
    }
    keeps_seed(&candidates, &plain)?;
    has_effect(&candidates)?;
    let seeds = u64::from(origin.seeds.max(1));
    if seed > LARGEST_SEED - (seeds - 1) {
        let last = LARGEST_SEED - (seeds - 1);
        return Err(Failure::Invalid(format!(
            "`--seeds {seeds}` takes seeds beyond {LARGEST_SEED}: name a first seed of at most {last}"
        )));
    }
    Ok(SweepSpec {
        candidates,
        seeds: (seed..seed + seeds).collect(),
        stopping: origin.stopping,
        shard: origin.shard,
        origin: origin.clone(),
    })
}

/// The recipes of the folds: those of `--folds`, or of the recipe's own split; without folds, the recipe itself.
///
/// # Errors
/// If the recipe's split holds out no share.
fn folds_of(origin: &SweepOrigin, recipe: &Recipe, overrides: &[Override]) -> Result<Vec<Recipe>, Failure> {
    let Some(folds) = origin.folds else {
        let own = recipe.folds();
        return Ok(if own.is_empty() { vec![recipe.clone()] } else { own });
    };
    let of = |fold: u32| {
        let valid = recipe.data().valid.fold_of(folds, fold).ok_or_else(|| {
            Failure::Invalid(format!(
                "`--folds {folds}` deals the images out by share, and the recipe says `valid: {}`: add `--set \
                 'data.valid=stratified(0.2)'`, or `random`, `blocks`, `grouped` or `folds` likewise",
                recipe.data().valid
            ))
        })?;
        let held = Override { key: "data.valid".to_string(), value: Some(valid.to_string()), option: "--set" };
        let overrides: Vec<Override> = overrides.iter().cloned().chain([held]).collect();
        let read = RecipeText::new(&origin.file, &origin.text, &overrides);
        // The findings of the recipe itself have been reported.
        read.result.map(|checked| checked.recipe).map_err(|found| {
            let first = found.iter().next().map_or_else(String::new, |finding| finding.message.to_string());
            Failure::Invalid(format!("fold {} of {folds}: {first}", fold + 1))
        })
    };
    (0..folds).map(of).collect()
}

/// # Errors
/// If a combination changes the seed: the seeds of the runs are those of the sweep, so all combinations would be the same run,
/// and the best recipe another one than was measured.
fn keeps_seed(candidates: &[Candidate], plain: &Recipe) -> Result<(), Failure> {
    if candidates.iter().all(|candidate| candidate.recipe.seed() == plain.seed()) {
        return Ok(());
    }
    Err(Failure::Invalid(
        "`--over seed` varies nothing, as a sweep gives its runs their seeds: `--seeds N` runs each combination with N seeds, from \
         that of `--seed` on"
            .to_string(),
    ))
}

/// # Errors
/// If two combinations are the same recipe: a key that the recipe does not use, or two spellings of a value.
fn has_effect(candidates: &[Candidate]) -> Result<(), Failure> {
    let mut texts = HashMap::new();
    for candidate in candidates {
        // What runs: `--folds` replaces the splits of the recipes.
        let text: Vec<String> = candidate.folds.iter().map(Recipe::to_string).collect();
        let Some(before) = texts.insert(text, candidate) else { continue };
        let pairs = before.settings.iter().zip(&candidate.settings);
        let differing: Vec<String> =
            pairs.filter(|(a, b)| a != b).map(|((key, a), (_, b))| format!("`{key}={a}` and `{key}={b}`")).collect();
        return Err(Failure::Invalid(format!(
            "{} give the same recipe: no step uses the key, or the values are equal. Use the name in a step, `fit(lr, 3)`, or \
             leave it out of `--over`",
            differing.join(", ")
        )));
    }
    Ok(())
}
