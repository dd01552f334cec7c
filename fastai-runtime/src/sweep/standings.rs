//! The table of a sweep.

use std::cmp::Ordering;

use fastai_dsl::Direction;
use serde::{Deserialize, Serialize};

use super::comparison::{Difference, Runs};
use super::out_of_fold::OutOfFold;
use super::trial::Trial;
use super::{Candidate, Ruin, SweepSpec, TrialKey};
use crate::metrics::{self, Measure, lower_is_better, number_or_nan};
use crate::train::Course;

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
    /// The most folds of a candidate; 1 if none has folds.
    pub folds: usize,
    /// Runs that the sweep has in all.
    pub trials: usize,
    /// Runs that are complete.
    pub complete: usize,
    /// Whether some runs with the same seed and fold were measured on different images, or by different labels, or a candidate has
    /// no run on images of the best: their scores say little about which candidate is the better one, and have no difference.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub different_images: bool,
    /// The candidates, the best first; those of which a run is ruined come after all others that have a complete run.
    pub standings: Vec<Standing>,
}

/// One candidate in the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Its number, from 0, in the order of the grid; the tables number their rows, from 1, the best first.
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
    /// best itself, and where the two were measured on different images.
    pub difference: Option<f64>,
    /// The 95 % interval of that difference: a bootstrap over runs and over validation images, the same for both.
    pub interval: Option<[f64; 2]>,
    /// Epochs of the recipe.
    pub epochs: u64,
    /// Seconds of all its runs together.
    pub seconds: f64,
    /// Runs that it has in all: one for each seed and each of its folds.
    #[serde(default)]
    pub trials: usize,
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
        /// What had ruined a run of it by then, if anything had.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ruin: Option<Ruin>,
    },
    /// A run of it failed.
    Failed {
        /// Why.
        why: String,
        /// Whether each of its runs that began diverged or lost the numbers, as far as it went.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        diverged: bool,
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
    /// What ruined it, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ruin: Option<Ruin>,
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
        let mut standings: Vec<Standing> = spec
            .candidates
            .iter()
            .enumerate()
            .map(|(index, candidate)| {
                let own: Vec<&Trial> = trials.iter().filter(|t| t.key.candidate == index).collect();
                Standing::new(index, candidate, &own, spec.seeds.len(), alive(index))
            })
            .collect();
        standings.sort_by(|a, b| a.rank(b, direction));
        let complete = standings.iter().map(|s| s.runs.len()).sum();
        let runs = Runs::new(trials);
        let mut table = Standings {
            format: 1,
            name: spec.candidates.first().map_or_else(String::new, |c| c.recipe.name().to_string()),
            metric: metric_name(spec),
            direction,
            seeds: spec.seeds.clone(),
            folds: spec.folds(),
            trials: standings.iter().map(|standing| standing.trials).sum(),
            complete,
            different_images: runs.are_measured_differently(),
            standings,
        };
        for standing in &mut table.standings {
            let whole = OutOfFold::of(spec, standing.candidate, trials);
            standing.out_of_fold = whole.and_then(|whole| whole.score(measure(spec)?.as_ref()));
        }
        if let Some(best) = table.best().map(|best| best.candidate) {
            table.different_images |= runs.have_one_apart_from(best);
            let measure = measure(spec);
            for standing in table.standings.iter_mut().filter(|s| s.candidate != best && !s.runs.is_empty()) {
                let Difference { mean, interval } = runs.difference(standing.candidate, best, measure.as_deref());
                (standing.difference, standing.interval) = (mean, interval);
            }
        }
        table
    }

    /// What keeps the scores from telling which candidate is the better one, in words; `None` if nothing does.
    pub fn caveat(&self) -> Option<&'static str> {
        self.different_images.then_some(
            "the scores are of different images or labels: they may differ for that alone, and candidates that do not share \
             the images of the best have no difference to it",
        )
    }

    /// The best candidate: the first with a complete run.
    pub fn best(&self) -> Option<&Standing> {
        self.standings.first().filter(|best| !best.runs.is_empty())
    }

    /// The first of the candidates that were stopped, if none of the others ended sound.
    pub(super) fn stopped_in_vain(&self) -> Option<&Standing> {
        let sound = self.best().is_some_and(|best| !best.is_ruined());
        self.standings.iter().find(|standing| !sound && matches!(standing.fate, Fate::Stopped { .. }))
    }
}

impl Standing {
    fn new(index: usize, candidate: &Candidate, own: &[&Trial], seeds: usize, alive: bool) -> Self {
        let trials = seeds * candidate.folds.len();
        let scored = |trial: &&Trial| {
            let result = trial.result()?;
            let (score, val_loss) = (result.score(), result.evaluation.val_loss);
            Some(Scored { key: trial.key, score, val_loss, seconds: result.seconds, ruin: result.ruin })
        };
        let runs: Vec<Scored> = own.iter().filter_map(scored).collect();
        let scores: Vec<f64> = runs.iter().map(|run| run.score).collect();
        let (mean, deviation) = metrics::mean_and_deviation(&scores);
        let fate = match own.iter().find_map(|trial| trial.failure()) {
            Some(why) => Fate::Failed { why: why.to_string(), diverged: own.iter().all(|trial| trial.has_diverged()) },
            None if runs.len() == trials => Fate::Complete,
            None if !alive => {
                let epoch = own.iter().map(|trial| trial.epochs).max().unwrap_or(0);
                let scores: Vec<f64> = own.iter().filter_map(|trial| trial.rungs.last().copied()).collect();
                let ruin = own.iter().find_map(|trial| trial.ruins.last().copied().flatten());
                Fate::Stopped { epoch, score: scores.iter().sum::<f64>() / scores.len() as f64, ruin }
            }
            None => Fate::Unfinished,
        };
        Standing {
            candidate: index,
            settings: candidate.settings.clone(),
            fate,
            mean,
            deviation,
            out_of_fold: None,
            difference: None,
            interval: None,
            epochs: candidate.epochs(),
            // The sum of none would be -0.
            seconds: runs.iter().fold(0.0, |sum, run| sum + run.seconds),
            trials,
            runs,
        }
    }

    /// Whether it stands before or after another.
    fn rank(&self, other: &Standing, direction: Direction) -> Ordering {
        let gain = |standing: &Standing| direction.gain(0.0, standing.comparable_score());
        self.group().cmp(&other.group()).then_with(|| gain(other).total_cmp(&gain(self)))
    }

    /// The group in which it is sorted: the complete first, those of which a run is ruined after all others with a complete run;
    /// likewise among the stopped.
    fn group(&self) -> (u8, u64) {
        match self.fate {
            Fate::Failed { .. } => (6, 0),
            // Those that came further stand higher.
            Fate::Stopped { epoch, ruin, .. } => (if ruin.is_none() { 3 } else { 4 }, u64::MAX - epoch),
            Fate::Unfinished if self.runs.is_empty() => (5, 0),
            Fate::Complete | Fate::Unfinished if self.is_ruined() => (2, 0),
            Fate::Unfinished => (1, 0),
            Fate::Complete => (0, 0),
        }
    }

    /// Whether a run of it is ruined.
    pub fn is_ruined(&self) -> bool {
        self.runs.iter().any(|run| run.ruin.is_some())
    }

    /// Whether each of its runs diverged or lost the numbers; of one that failed, those that never began do not count.
    pub(super) fn has_diverged(&self) -> bool {
        let diverged = |ruin: Option<Ruin>| ruin.is_some_and(|ruin| ruin.course == Course::Diverged);
        let ended = match &self.fate {
            Fate::Complete => true,
            Fate::Unfinished => false,
            Fate::Stopped { ruin, .. } => diverged(*ruin),
            Fate::Failed { diverged, .. } => *diverged,
        };
        ended && self.runs.iter().all(|run| diverged(run.ruin))
    }

    /// What ruined its runs, in words: `diverged at epoch 1 of step 3`, of several runs the first, and how many are.
    fn ruin_in_words(&self) -> Option<String> {
        let ruins: Vec<Ruin> = self.runs.iter().filter_map(|run| run.ruin).collect();
        let (first, all) = (ruins.first()?, self.runs.len());
        Some(if all == 1 { first.to_string() } else { format!("{first}; {} of {all} runs ruined", ruins.len()) })
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

    /// What became of it, in words: `complete`, `diverged at epoch 1 of step 3`, `stopped after 2 of 8 epochs, at 0.8123`.
    pub fn fate_in_words(&self) -> String {
        match (&self.fate, self.ruin_in_words()) {
            (Fate::Complete, Some(ruin)) => ruin,
            (_, Some(ruin)) => format!("{}; {ruin}", self.end_in_words()),
            (_, None) => self.end_in_words(),
        }
    }

    fn end_in_words(&self) -> String {
        match &self.fate {
            Fate::Complete => "complete".to_string(),
            Fate::Unfinished => format!("{} of {} runs", self.runs.len(), self.trials),
            Fate::Stopped { epoch, score, ruin } => {
                let ruin = ruin.map_or_else(String::new, |ruin| format!("; {ruin}"));
                format!("stopped after {epoch} of {} epochs, at {score:.4}{ruin}", self.epochs)
            }
            Fate::Failed { why, .. } => format!("failed: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::recipe;
    use super::super::trial::TrialEnd;
    use super::*;

    /// A candidate with one run of this score, ruined or not.
    fn standing(candidate: usize, fate: Fate, score: f64, course: Option<Course>) -> Standing {
        let ruin = course.map(|course| Ruin { step: 1, course, epoch: 2 });
        let run = Scored { key: TrialKey { candidate, fold: 0, seed: 1 }, score, val_loss: 0.5, seconds: 1.0, ruin };
        Standing {
            candidate,
            settings: Vec::new(),
            fate,
            mean: score,
            out_of_fold: None,
            deviation: None,
            difference: None,
            interval: None,
            epochs: 4,
            seconds: 1.0,
            trials: 1,
            runs: vec![run],
        }
    }

    fn order(mut all: Vec<Standing>) -> Vec<usize> {
        all.sort_by(|a, b| a.rank(b, Direction::Higher));
        all.iter().map(|standing| standing.candidate).collect()
    }

    #[test]
    fn a_ruined_candidate_is_the_best_only_where_no_other_has_a_run() {
        let ruined = standing(0, Fate::Complete, 0.9, Some(Course::Diverged));
        let unfinished = standing(1, Fate::Unfinished, 0.4, None);
        let sound = standing(2, Fate::Complete, 0.5, None);
        let stopped = |candidate, score, ruin| {
            let fate = Fate::Stopped { epoch: 1, score, ruin };
            Standing { runs: Vec::new(), ..standing(candidate, fate, score, None) }
        };
        let dead = Some(Ruin { step: 0, course: Course::Diverged, epoch: 0 });
        let worse = standing(4, Fate::Complete, 0.7, Some(Course::NothingLearned));
        let fate = Fate::Failed { why: "no".into(), diverged: false };
        let failed = Standing { runs: Vec::new(), ..standing(5, fate, f64::NAN, None) };
        let (stopped, dead) = (stopped(3, 0.6, None), stopped(6, 0.8, dead));
        assert_eq!(dead.fate_in_words(), "stopped after 1 of 4 epochs, at 0.8000; diverged at epoch 0 of step 1");
        let all = vec![failed, dead, worse.clone(), stopped, ruined.clone(), sound, unfinished];
        assert_eq!(order(all), [2, 1, 0, 4, 3, 6, 5]);
        assert_eq!(order(vec![worse, ruined]), [0, 4]);
    }

    #[test]
    fn a_candidate_has_diverged_if_none_of_its_runs_did_not() {
        let of = |fate, course| standing(0, fate, 0.5, course).has_diverged();
        assert!(of(Fate::Complete, Some(Course::Diverged)));
        assert!(!of(Fate::Complete, Some(Course::NothingLearned)) && !of(Fate::Complete, None));
        assert!(!of(Fate::Unfinished, Some(Course::Diverged)), "another seed may do better");
        let failed = |diverged| Fate::Failed { why: "no".into(), diverged };
        assert!(of(failed(true), Some(Course::Diverged)) && !of(failed(true), None));
        assert!(!of(failed(false), Some(Course::Diverged)));
        let stopped = |course| {
            let ruin = Some(Ruin { step: 0, course, epoch: 0 });
            let fate = Fate::Stopped { epoch: 1, score: 0.5, ruin };
            Standing { runs: Vec::new(), ..standing(0, fate, 0.5, None) }.has_diverged()
        };
        assert!(stopped(Course::Diverged) && !stopped(Course::Collapsed));
    }

    #[test]
    fn a_candidate_that_lost_one_seed_has_not_diverged_while_another_is_paused_sound() {
        let recipe = recipe("fit(0.01, 4);");
        let candidate = Candidate { settings: Vec::new(), folds: vec![recipe.clone()], recipe: recipe.clone() };
        let trial = |seed| Trial::new(TrialKey { candidate: 0, fold: 0, seed }, &recipe);
        let of = |own: &[&Trial]| Standing::new(0, &candidate, own, 2, true).has_diverged();
        assert!(Standing::new(0, &candidate, &[], 2, true).seconds.is_sign_positive(), "-0 in sweep.json");
        let lost = |seed| {
            let mut lost = trial(seed);
            lost.end = Some(TrialEnd::LostNumbers("the loss became NaN".into()));
            lost
        };
        let paused = |courses: &[Option<Course>]| {
            let mut paused = trial(2);
            paused.rungs = vec![0.5; courses.len()];
            let ruin = |course: &Option<Course>| course.map(|course| Ruin { step: 0, course, epoch: 0 });
            paused.ruins = courses.iter().map(ruin).collect();
            of(&[&lost(1), &paused])
        };
        assert!(of(&[&lost(1)]) && of(&[&lost(1), &lost(2)]));
        assert!(paused(&[Some(Course::Diverged)]) && paused(&[None, Some(Course::Diverged)]));
        assert!(!paused(&[None]) && !paused(&[Some(Course::Collapsed)]));
        assert!(!paused(&[Some(Course::Diverged), None]), "it has learned anew");
        let mut failed = trial(2);
        failed.end = Some(TrialEnd::Failed("too large".into()));
        assert!(!of(&[&lost(1), &failed]));
    }

    #[test]
    fn what_ruined_a_candidate_is_named() {
        let mut ruined = standing(0, Fate::Complete, 0.5, Some(Course::Diverged));
        assert_eq!(ruined.fate_in_words(), "diverged at epoch 2 of step 2");
        ruined.runs.extend(standing(0, Fate::Complete, 0.9, None).runs);
        assert_eq!(ruined.fate_in_words(), "diverged at epoch 2 of step 2; 1 of 2 runs ruined");
        (ruined.fate, ruined.trials) = (Fate::Unfinished, 3);
        assert_eq!(ruined.fate_in_words(), "2 of 3 runs; diverged at epoch 2 of step 2; 1 of 2 runs ruined");
        let json = serde_json::to_value(&ruined).unwrap();
        let stated = serde_json::json!({ "step": 1, "course": "diverged", "epoch": 2 });
        assert_eq!((&json["runs"][0]["ruin"], json["runs"][1].get("ruin")), (&stated, None));
        assert_eq!(serde_json::from_value::<Standing>(json).unwrap(), ruined);
    }
}
