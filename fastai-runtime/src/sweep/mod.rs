//! Sweeps: many runs of one recipe with some of its keys changed, compared on the same images.
//!
//! A *candidate* is a recipe of the sweep, with the values of the changed keys. It runs once for each seed and each fold;
//! such a run is a *trial*. Every trial is a run like any other, in a folder of its own, so one that is stopped or killed
//! continues from its last batch, and one that was finished is not run again. Trials share the survey of the data and the
//! caches of activations.

mod all_diverged;
mod comparison;
#[cfg(test)]
mod examples;
mod folder;
mod halving;
mod memory;
mod obstacle;
mod origin;
mod out_of_fold;
mod page;
mod pool;
mod ready;
mod remark;
mod sources;
mod standings;
mod trial;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fastai_dsl::{Facts, Plan, Recipe};
use serde::{Deserialize, Serialize};

pub use all_diverged::AllDiverged;
pub use folder::SweepFolder;
pub use obstacle::Obstacle;
pub use origin::SweepOrigin;
pub use ready::check;
pub use standings::{Fate, Scored, Standing, Standings};
pub use trial::TrialKey;

use crate::RunError;
use crate::engine::RunOptions;
use crate::progress::Progress;
pub use crate::report::Ruin;
use halving::Halving;
use pool::{TrialPool, TrialTask};

/// One recipe of a sweep.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The changed keys with their values, as text.
    pub settings: Vec<(String, String)>,
    /// The recipe.
    pub recipe: Recipe,
    /// The recipes that run, one for each fold; without folds, the recipe itself.
    pub folds: Vec<Recipe>,
}

/// Part `index` of `count` of the trials, `index` from 1: what one of several machines runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which part, from 1.
    pub index: u32,
    /// Parts in all.
    pub count: u32,
}

impl Shard {
    /// Whether the `number`-th trial, from 0, belongs to this part.
    fn has(self, number: usize) -> bool {
        number % self.count.max(1) as usize + 1 == self.index as usize
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl std::str::FromStr for Shard {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.trim().parse().ok()?, n.trim().parse().ok()?)));
        match parts {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Shard { index, count }),
            _ => Err(format!("`{text}` is no part: write `1/4` to `4/4` for four parts")),
        }
    }
}

/// Whether candidates that fall behind are stopped early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopping {
    /// Every candidate runs to its end.
    #[default]
    Never,
    /// After a quarter and after half of its epochs, a candidate in the worse half stops. It goes on if none of the others ends
    /// sound. None stops if they are measured on different images or by different labels.
    Halving,
}

/// What a sweep runs.
#[derive(Clone, Debug)]
pub struct SweepSpec {
    /// The candidates, at least one.
    pub candidates: Vec<Candidate>,
    /// The seeds of each.
    pub seeds: Vec<u64>,
    /// Whether candidates that fall behind are stopped.
    pub stopping: Stopping,
    /// What this process runs of it; everything unless given.
    pub shard: Option<Shard>,
    /// What asked for the sweep, from which it can be built again.
    pub origin: SweepOrigin,
}

/// Options of a sweep that do not change its results.
#[derive(Clone, Debug, Default)]
pub struct SweepOptions {
    /// Trials that run at the same time; default: one for each CPU core if all candidates train on cached activations only,
    /// otherwise one.
    pub jobs: Option<usize>,
    /// Time after which no trial begins and those that run stop; they continue when the sweep is resumed.
    pub budget: Option<Duration>,
    /// Whether the saved models of the trials are kept.
    pub keep_models: bool,
    /// Options of every trial: device, threads (of all trials together), memory, cache, stop. The others are ignored.
    pub run: RunOptions,
}

/// The end of a sweep, or of what was reached of it.
#[derive(Clone, Debug)]
pub struct Swept {
    /// The table.
    pub standings: Standings,
    /// The folder with everything.
    pub folder: PathBuf,
    /// Why trials are missing, if any are: the budget, or a stop request.
    pub ended_early: Option<EndedEarly>,
    /// That every candidate diverged, if they did; there is no best recipe then.
    pub diverged: Option<AllDiverged>,
}

/// Why a sweep ended before its last trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedEarly {
    /// Its time was used up.
    Budget,
    /// A stop was requested.
    Stopped,
}

/// Runs what `folder` lacks of the sweep, then writes its table, its plots, its report and, unless all diverged, the best recipe.
///
/// Equal sweeps yield equal scores, whatever the number of jobs, shards and interruptions.
///
/// # Errors
/// Candidates that are not measured by the same metric on validation images; those of the trials that would fail for every
/// candidate. A trial whose loss diverges, or whose images or memory do not suffice, is listed as failed.
pub fn run(
    spec: &SweepSpec,
    folder: &mut SweepFolder,
    options: &SweepOptions,
    progress: &mut dyn Progress,
) -> Result<Swept, RunError> {
    ready::comparable(spec)?;
    folder.prepare()?;
    if let Some(warning) = folder.warning() {
        progress.warn(warning);
    }
    let mine = spec.own_trials();
    let deadline = options.budget.map(|budget| Instant::now() + budget);
    let mut pool = TrialPool::new(spec, options, deadline, &*folder, progress);
    let mut halving = Halving::new(spec);
    let tasks = |halving: &Halving, rung: usize| -> Vec<TrialTask> {
        let alive = mine.iter().filter(|key| halving.is_alive(key.candidate));
        alive.map(|key| TrialTask { key: *key, until: halving.epoch(key.candidate, rung) }).collect()
    };
    let mut ended_early = None;
    for rung in 0..=halving.rungs() {
        ended_early = pool.work(&tasks(&halving, rung))?;
        if ended_early.is_some() || rung >= halving.rungs() {
            break;
        }
        for line in halving.decide(rung, pool.trials()) {
            pool.note(&line);
        }
    }
    loop {
        let trials = folder.trials(spec, &spec.trials())?;
        let standings = Standings::new(spec, &trials, &|candidate| halving.is_alive(candidate));
        if let Some(stopped) = standings.stopped_in_vain().filter(|_| ended_early.is_none()) {
            pool.note(&format!("{}: goes on, as none of those that went further ended sound", stopped.describe()));
            halving.revive(stopped.candidate);
            ended_early = pool.work(&tasks(&halving, halving.rungs()))?;
            continue;
        }
        let diverged = AllDiverged::of(spec, &standings).filter(|_| ended_early.is_none());
        folder.write_results(spec, &standings, &trials, diverged.as_ref())?;
        return Ok(Swept { standings, folder: folder.path().to_path_buf(), ended_early, diverged });
    }
}

impl SweepSpec {
    /// All trials, in the order in which they run: every candidate with the first seed before any with the second.
    pub fn trials(&self) -> Vec<TrialKey> {
        let mut keys = Vec::new();
        for &seed in &self.seeds {
            for fold in 0..self.folds() {
                let has_it = |candidate: &usize| fold < self.candidates[*candidate].folds.len();
                let candidates = (0..self.candidates.len()).filter(has_it);
                keys.extend(candidates.map(|candidate| TrialKey { candidate, fold, seed }));
            }
        }
        keys
    }

    /// The trials that this process runs.
    fn own_trials(&self) -> Vec<TrialKey> {
        let all = self.trials().into_iter().enumerate();
        all.filter(|(n, _)| self.shard.is_none_or(|shard| shard.has(*n))).map(|(_, key)| key).collect()
    }

    /// The most folds of a candidate; one if none has folds.
    pub fn folds(&self) -> usize {
        self.candidates.iter().map(|candidate| candidate.folds.len()).max().unwrap_or(1)
    }

    /// `lr=0.01, seed 42, fold 1`
    fn describe(&self, key: TrialKey) -> String {
        let candidate = &self.candidates[key.candidate];
        let fold = if candidate.is_folded() { format!(", fold {}", key.fold + 1) } else { String::new() };
        format!("{}, seed {}{fold}", candidate.describe(), key.seed)
    }

    /// With `--folds`, that a run of a candidate's recipe holds out other images than those by which the candidate is scored.
    #[doc(hidden)]
    pub fn other_split(&self, candidate: usize) -> Option<String> {
        let (folds, valid) = (self.origin.folds?, &self.candidates[candidate].recipe.data().valid);
        Some(format!(
            "the score is the mean over {folds} folds; a run of this recipe holds out `{}` instead, and has a score of its own",
            valid.in_short()
        ))
    }

    /// The recipe of a trial.
    fn recipe(&self, key: TrialKey) -> &Recipe {
        &self.candidates[key.candidate].folds[key.fold]
    }
}

impl Candidate {
    /// `lr=0.01 model.dropout=0.25`
    pub fn describe(&self) -> String {
        describe(&self.settings)
    }

    /// Whether it holds out several folds in turn.
    fn is_folded(&self) -> bool {
        self.folds.len() > 1
    }

    /// Epochs of all fits.
    fn epochs(&self) -> u64 {
        Plan::new(&self.recipe, &Facts::default()).epochs()
    }
}

fn describe(settings: &[(String, String)]) -> String {
    let parts: Vec<String> = settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if parts.is_empty() { "the recipe as it is".to_string() } else { parts.join(" ") }
}
