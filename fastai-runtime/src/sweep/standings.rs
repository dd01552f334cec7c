//! The table of a sweep.

use fastai_dsl::Direction;
use serde::{Deserialize, Serialize};

use super::comparison::{Difference, Runs};
use super::out_of_fold::OutOfFold;
use super::trial::Trial;
use super::{Candidate, SweepSpec, TrialKey};
use crate::metrics::{self, Measure, lower_is_better, number_or_nan};

/// The content of `sweep.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standings {
    /// Version of this layout.
    pub format: u32,
    /// The recipe's name.
    pub name: String,
    /// What the candidates are compared by: their first metric, or `val_loss`.
    pub metric: String,
    /// Which values are the better ones.
    #[serde(rename = "lower_is_better", with = "lower_is_better")]
    pub direction: Direction,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// The folds; 1 without folds.
    pub folds: usize,
    /// Runs that the sweep has in all.
    pub trials: usize,
    /// Runs that are complete.
    pub complete: usize,
    /// The candidates, the best first.
    pub standings: Vec<Standing>,
}

/// One candidate in the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Its number, from 0, in the order of the grid.
    pub candidate: usize,
    /// The changed keys with their values.
    pub settings: Vec<(String, String)>,
    /// What became of it.
    pub fate: Fate,
    /// Mean score of its complete runs; NaN without one.
    #[serde(deserialize_with = "number_or_nan")]
    pub mean: f64,
    /// With folds: the score of all out-of-fold predictions together, the mean over the seeds with which every fold is
    /// complete.
    #[serde(default)]
    pub out_of_fold: Option<f64>,
    /// Standard deviation of their scores (with n - 1), of two and more.
    pub deviation: Option<f64>,
    /// The mean difference to the best candidate over the runs that both completed, with the same seed and fold; `None` for the
    /// best itself.
    pub difference: Option<f64>,
    /// The 95 % interval of that difference: a bootstrap over runs and over validation images, the same for both.
    pub interval: Option<[f64; 2]>,
    /// Epochs of the recipe.
    pub epochs: u64,
    /// Seconds of all its runs together.
    pub seconds: f64,
    /// Its complete runs.
    pub runs: Vec<Scored>,
}

/// What became of a candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// All of its runs are complete.
    Complete,
    /// Some of them are not; the sweep may be resumed.
    Unfinished,
    /// It fell behind and was stopped.
    Stopped {
        /// Epochs after which it was stopped.
        epoch: u64,
        /// Its mean score there; NaN if it is unknown.
        #[serde(deserialize_with = "number_or_nan")]
        score: f64,
    },
    /// A run of it failed.
    Failed {
        /// Why.
        why: String,
    },
}

/// One complete run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Seed and fold.
    pub key: TrialKey,
    /// The score.
    #[serde(deserialize_with = "number_or_nan")]
    pub score: f64,
    /// Mean loss over the validation images.
    #[serde(deserialize_with = "number_or_nan")]
    pub val_loss: f64,
    /// Wall time, seconds.
    pub seconds: f64,
}

/// The direction of what compares the candidates.
pub(super) fn direction(spec: &SweepSpec) -> Direction {
    measure(spec).map_or(Direction::Lower, |measure| measure.direction())
}

/// The name of what compares the candidates.
pub(super) fn metric_name(spec: &SweepSpec) -> String {
    measure(spec).map_or_else(|| "val_loss".to_string(), |measure| measure.column())
}

fn measure(spec: &SweepSpec) -> Option<Box<dyn Measure>> {
    spec.candidates.first()?.recipe.metrics().first().map(metrics::of)
}

impl Standings {
    /// Computes the table from what is known of the trials. Of a stopped candidate, no trial is complete unless the sweep ran
    /// without stopping before.
    pub(super) fn new(spec: &SweepSpec, trials: &[Trial], alive: &dyn Fn(usize) -> bool) -> Self {
        let direction = direction(spec);
        let per_candidate = spec.seeds.len() * spec.folds();
        let mut standings: Vec<Standing> = spec
            .candidates
            .iter()
            .enumerate()
            .map(|(index, candidate)| {
                let own: Vec<&Trial> = trials.iter().filter(|t| t.key.candidate == index).collect();
                Standing::new(index, candidate, &own, per_candidate, alive(index))
            })
            .collect();
        standings.sort_by(|a, b| {
            let gain = |s: &Standing| direction.gain(0.0, s.comparable_score());
            a.fate.order(a.runs.len()).cmp(&b.fate.order(b.runs.len())).then(gain(b).total_cmp(&gain(a)))
        });
        let complete = standings.iter().map(|s| s.runs.len()).sum();
        let mut table = Standings {
            format: 1,
            name: spec.candidates.first().map_or_else(String::new, |c| c.recipe.name().to_string()),
            metric: metric_name(spec),
            direction,
            seeds: spec.seeds.clone(),
            folds: spec.folds(),
            trials: spec.candidates.len() * per_candidate,
            complete,
            standings,
        };
        for standing in table.standings.iter_mut().filter(|_| spec.folds() > 1) {
            let whole = OutOfFold::of(spec, standing.candidate, trials);
            standing.out_of_fold = whole.and_then(|whole| whole.score(measure(spec)?.as_ref()));
        }
        if let Some(best) = table.best().map(|best| best.candidate) {
            let (runs, measure) = (Runs::new(trials), measure(spec));
            for standing in table.standings.iter_mut().filter(|s| s.candidate != best && !s.runs.is_empty()) {
                let Difference { mean, interval } = runs.difference(standing.candidate, best, measure.as_deref());
                (standing.difference, standing.interval) = (mean, interval);
            }
        }
        table
    }

    /// The best candidate: the first with a complete run.
    pub fn best(&self) -> Option<&Standing> {
        self.standings.first().filter(|best| !best.runs.is_empty())
    }
}

impl Standing {
    fn new(index: usize, candidate: &Candidate, own: &[&Trial], wanted: usize, alive: bool) -> Self {
        let scored = |trial: &&Trial| {
            let result = trial.result()?;
            let (score, val_loss) = (result.score(), result.evaluation.val_loss);
            Some(Scored { key: trial.key, score, val_loss, seconds: result.seconds })
        };
        let runs: Vec<Scored> = own.iter().filter_map(scored).collect();
        let n = runs.len() as f64;
        let mean = runs.iter().map(|run| run.score).sum::<f64>() / n;
        let squares: f64 = runs.iter().map(|run| (run.score - mean).powi(2)).sum();
        let fate = match own.iter().find_map(|trial| trial.failure()) {
            Some(why) => Fate::Failed { why: why.to_string() },
            None if runs.len() == wanted => Fate::Complete,
            None if !alive => {
                let epoch = own.iter().map(|trial| trial.epochs).max().unwrap_or(0);
                let scores: Vec<f64> = own.iter().filter_map(|trial| trial.rungs.last().copied()).collect();
                Fate::Stopped { epoch, score: scores.iter().sum::<f64>() / scores.len() as f64 }
            }
            None => Fate::Unfinished,
        };
        Standing {
            candidate: index,
            settings: candidate.settings.clone(),
            fate,
            mean,
            deviation: (runs.len() > 1).then(|| (squares / (n - 1.0)).sqrt()),
            out_of_fold: None,
            difference: None,
            interval: None,
            epochs: candidate.epochs(),
            seconds: runs.iter().map(|run| run.seconds).sum(),
            runs,
        }
    }

    /// What it is sorted by.
    fn comparable_score(&self) -> f64 {
        match self.fate {
            Fate::Stopped { score, .. } => score,
            _ => self.mean,
        }
    }

    /// `lr=0.01 model.dropout=0.25`
    pub fn describe(&self) -> String {
        super::describe(&self.settings)
    }

    /// What became of it, in words: `complete`, `stopped after 2 of 8 epochs, at 0.8123`.
    pub fn fate_in_words(&self, wanted: usize) -> String {
        match &self.fate {
            Fate::Complete => "complete".to_string(),
            Fate::Unfinished => format!("{} of {wanted} runs", self.runs.len()),
            Fate::Stopped { epoch, score } => format!("stopped after {epoch} of {} epochs, at {score:.4}", self.epochs),
            Fate::Failed { why } => format!("failed: {why}"),
        }
    }
}

impl Fate {
    /// The group in which it is sorted: the complete first.
    fn order(&self, runs: usize) -> (u8, u64) {
        match self {
            Fate::Complete => (0, 0),
            Fate::Unfinished if runs > 0 => (1, 0),
            // Those that came further stand higher.
            Fate::Stopped { epoch, .. } => (2, u64::MAX - epoch),
            Fate::Unfinished => (3, 0),
            Fate::Failed { .. } => (4, 0),
        }
    }
}
