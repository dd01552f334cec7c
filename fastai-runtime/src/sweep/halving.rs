//! Successive halving: candidates that fall behind stop.

use std::cmp::Ordering;
use std::collections::HashMap;

use fastai_dsl::Direction;

use super::comparison::differ;
use super::trial::{Trial, TrialKey};
use super::{Stopping, SweepSpec};

/// The shares of its epochs after which a candidate is compared with the others.
const RUNGS: [f64; 2] = [0.25, 0.5];
/// Fewest candidates that are halved.
const FEWEST: usize = 4;

/// What a candidate is compared by at a rung.
#[derive(Clone, Copy)]
struct RungScore {
    /// Whether none of its runs failed or is ruined.
    is_sound: bool,
    /// Its mean score; larger is better.
    gain: f64,
}

impl RungScore {
    /// A score of ruined runs is worth less than any of sound ones: a constant answer may beat a network that still learns.
    fn compare(&self, other: &RungScore) -> Ordering {
        self.is_sound.cmp(&other.is_sound).then(self.gain.total_cmp(&other.gain))
    }
}

/// The state of the halving.
pub(super) struct Halving {
    alive: Vec<bool>,
    /// The epochs of each candidate; none if nothing stops early.
    epochs: Vec<u64>,
    rungs: usize,
    direction: Direction,
    names: Vec<String>,
}

impl Halving {
    pub(super) fn new(spec: &SweepSpec) -> Self {
        let epochs: Vec<u64> = spec.candidates.iter().map(super::Candidate::epochs).collect();
        let halves = spec.stopping == Stopping::Halving && spec.candidates.len() >= FEWEST && spec.shard.is_none();
        Halving {
            alive: vec![true; epochs.len()],
            rungs: if halves { RUNGS.len() } else { 0 },
            epochs,
            direction: super::standings::direction(spec),
            names: spec.candidates.iter().map(super::Candidate::describe).collect(),
        }
    }

    /// Comparisons before the end.
    pub(super) fn rungs(&self) -> usize {
        self.rungs
    }

    pub(super) fn is_alive(&self, candidate: usize) -> bool {
        self.alive[candidate]
    }

    /// Lets a candidate that was stopped run to its end.
    pub(super) fn revive(&mut self, candidate: usize) {
        self.alive[candidate] = true;
    }

    /// The epochs after which a candidate pauses for comparison `rung`; `None` if it runs to its end.
    pub(super) fn epoch(&self, candidate: usize, rung: usize) -> Option<u64> {
        let total = self.epochs[candidate];
        let share = RUNGS.get(rung).filter(|_| rung < self.rungs)?;
        let epoch = ((total as f64 * share).floor() as u64).max(1);
        (epoch < total).then_some(epoch)
    }

    /// Stops the worse half of the candidates by their mean scores after `rung`, in which those of which a run is ruined come
    /// behind all others; of those that are equal, none. Scores of different images do not compare: there are no further
    /// comparisons then. Returns lines that say so.
    pub(super) fn decide(&mut self, rung: usize, trials: &HashMap<TrialKey, Trial>) -> Vec<String> {
        let measured = trials.values().filter_map(|trial| Some((trial.key, trial.valid.as_deref()?)));
        if differ(measured, |a, b| a == b) {
            (self.rungs, self.alive) = (0, vec![true; self.alive.len()]);
            return vec![
                "no combination stops early: they are measured on different images or by different labels".into(),
            ];
        }
        let mut scores: Vec<(usize, RungScore)> = Vec::new();
        for candidate in (0..self.alive.len()).filter(|c| self.alive[*c]) {
            let own: Vec<&Trial> = trials.values().filter(|t| t.key.candidate == candidate).collect();
            let found: Option<Vec<f64>> = own.iter().map(|t| t.score_at(rung)).collect();
            // A candidate of which a trial failed is out; larger is better here.
            let score = found.filter(|f| !f.is_empty()).map_or(f64::NEG_INFINITY, |mut found| {
                // The order of a map is not the same in every process, and sums depend on it.
                found.sort_by(f64::total_cmp);
                self.direction.gain(0.0, found.iter().sum::<f64>() / found.len() as f64)
            });
            let is_sound = score.is_finite() && own.iter().all(|trial| trial.ruin_at(rung).is_none());
            let gain = if score.is_nan() { f64::NEG_INFINITY } else { score };
            scores.push((candidate, RungScore { is_sound, gain }));
        }
        if scores.len() < FEWEST {
            return Vec::new();
        }
        let mut ordered: Vec<RungScore> = scores.iter().map(|(_, score)| *score).collect();
        ordered.sort_by(|a, b| b.compare(a));
        let bar = ordered[ordered.len().div_ceil(2) - 1];
        let mut lines = Vec::new();
        for (candidate, score) in scores {
            if score.compare(&bar).is_lt() {
                self.alive[candidate] = false;
                let at = self.epoch(candidate, rung).unwrap_or(self.epochs[candidate]);
                lines.push(format!("{}: stops after {at} of {} epochs", self.names[candidate], self.epochs[candidate]));
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::super::Ruin;
    use super::super::examples::recipe;
    use super::*;
    use crate::train::Course;

    /// Halves four candidates, each with its score after the first rung, what ruined it, and its validation images; returns the
    /// lines that say so.
    fn halved(found: [(f64, Option<Ruin>, &str); 4]) -> (Halving, Vec<String>) {
        let recipe = recipe("fit(0.01, 4);");
        let trials = found.into_iter().enumerate().map(|(candidate, (score, ruin, valid))| {
            let key = TrialKey { candidate, fold: 0, seed: 1 };
            let mut trial = Trial::new(key, &recipe);
            trial.rungs.push(score);
            trial.ruins.push(ruin);
            trial.valid = Some(valid.to_string());
            (key, trial)
        });
        let mut halving = Halving {
            alive: vec![true; 4],
            epochs: vec![4; 4],
            rungs: RUNGS.len(),
            direction: Direction::Higher,
            names: (0..4).map(|candidate| format!("lr={candidate}")).collect(),
        };
        let said = halving.decide(0, &trials.collect());
        (halving, said)
    }

    #[test]
    fn a_ruined_candidate_stops_before_a_sound_one_with_a_lower_score() {
        let ruin = Some(Ruin { step: 0, course: Course::Diverged, epoch: 0 });
        let (halving, said) = halved([(0.9, ruin, "a"), (0.5, None, "a"), (0.8, ruin, "a"), (0.6, None, "a")]);
        assert_eq!(halving.alive, [false, true, false, true]);
        assert_eq!(said, ["lr=0: stops after 1 of 4 epochs", "lr=2: stops after 1 of 4 epochs"]);
        assert_eq!((halving.rungs(), halving.epoch(1, 1)), (2, Some(2)));
    }

    #[test]
    fn candidates_that_are_measured_on_different_images_all_run_to_their_end() {
        let (halving, said) = halved([(0.9, None, "a"), (0.5, None, "b"), (0.8, None, "a"), (0.6, None, "b")]);
        assert_eq!(said, ["no combination stops early: they are measured on different images or by different labels"]);
        assert_eq!(halving.alive, [true; 4]);
        assert_eq!((halving.rungs(), halving.epoch(1, 1)), (0, None));
    }
}
