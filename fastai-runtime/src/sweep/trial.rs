//! One run of a sweep and what is kept of it.

use std::path::Path;

use fastai_dsl::Recipe;
use serde::{Deserialize, Serialize};

use crate::RunError;
use crate::data::{DataError, DataPart, Finding, FindingKind};
use crate::engine::HeldOut;
use crate::error::ResumeError;
use crate::report::{Evaluation, Ruin, Summary};
use crate::sealed::{read_sealed, write_sealed};
use crate::train::Course;

/// The kind of a trial's file.
const KIND: &str = "fastai trial 2";
/// Largest file of a trial, bytes.
const LARGEST: u64 = 4 << 30;

/// Which run of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TrialKey {
    /// The candidate, from 0.
    pub candidate: usize,
    /// The fold, from 0.
    pub fold: usize,
    /// The seed.
    pub seed: u64,
}

impl TrialKey {
    /// The name of its files, in which candidates and folds count from `first`: `004-fold1-seed42`.
    pub(super) fn name(self, first: usize) -> String {
        format!("{:03}-fold{}-seed{}", self.candidate + first, self.fold + first, self.seed)
    }
}

/// What is kept of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Trial {
    pub(super) key: TrialKey,
    /// BLAKE3 of the recipe's text and the seed.
    identity: String,
    /// Epochs trained.
    pub(super) epochs: u64,
    /// The score after each rung at which it paused.
    pub(super) rungs: Vec<f64>,
    /// What had ruined the run by each of these rungs, if anything had; unknown of trials of earlier versions.
    #[serde(default)]
    pub(super) ruins: Vec<Option<Ruin>>,
    /// Digest of the names and labels of its validation images, once it has paused or is complete; unknown of trials of earlier
    /// versions.
    #[serde(default)]
    pub(super) valid: Option<String>,
    pub(super) end: Option<TrialEnd>,
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum TrialEnd {
    /// With this result.
    Complete(Box<TrialResult>),
    /// It failed in a way that belongs to the candidate, but for [`LostNumbers`](Self::LostNumbers).
    Failed(String),
    /// Its training lost the numbers. Earlier versions kept that as [`Failed`](Self::Failed).
    LostNumbers(String),
}

/// The result of a complete trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TrialResult {
    pub(super) evaluation: Evaluation,
    /// Wall time of the run, seconds.
    pub(super) seconds: f64,
    pub(super) held_out: HeldOut,
    /// Class or tag names, in the order of the outputs.
    pub(super) classes: Vec<String>,
    /// What ruined the run, if anything did; unknown of trials of earlier versions.
    #[serde(default)]
    pub(super) ruin: Option<Ruin>,
}

impl Trial {
    /// A trial that has not begun.
    pub(super) fn new(key: TrialKey, recipe: &Recipe) -> Self {
        let identity = blake3::hash(format!("{}\n{recipe}", key.seed).as_bytes()).to_hex().to_string();
        Trial { key, identity, epochs: 0, rungs: Vec::new(), ruins: Vec::new(), valid: None, end: None }
    }

    /// Records on which images the run of this summary is measured.
    pub(super) fn record_images(&mut self, summary: &Summary) {
        self.valid = summary.data.as_ref().map(|data| data.valid.labels.clone());
    }

    /// Reads what the file keeps of it, if there is one. A damaged file counts as none: the trial runs again.
    ///
    /// # Errors
    /// If the file cannot be read, or is of another recipe.
    pub(super) fn read(path: &Path, key: TrialKey, recipe: &Recipe) -> Result<Option<Self>, RunError> {
        if !path.is_file() {
            return Ok(None);
        }
        let Ok(bytes) = read_sealed(path, KIND, LARGEST)? else { return Ok(None) };
        let Ok(trial) = ciborium::from_reader::<Trial, _>(&bytes[..]) else { return Ok(None) };
        if trial.key != key || trial.identity != Trial::new(key, recipe).identity {
            let reason = "it is the trial of another recipe or seed".to_string();
            return Err(ResumeError::Broken { path: path.to_path_buf(), reason }.into());
        }
        let sound = match &trial.end {
            Some(TrialEnd::Complete(result)) => result.held_out.is_sound(),
            _ => true,
        };
        Ok(sound.then_some(trial))
    }

    /// Writes the file.
    pub(super) fn write(&self, path: &Path) -> Result<(), RunError> {
        let mut bytes = Vec::new();
        ciborium::into_writer(self, &mut bytes)
            .map_err(|e| RunError::file("write", path, std::io::Error::other(e.to_string())))?;
        Ok(write_sealed(path, KIND, &bytes)?)
    }

    /// Whether it ended, or is as far as `until`.
    pub(super) fn is_at(&self, until: Option<u64>) -> bool {
        self.end.is_some() || until.is_some_and(|epochs| self.epochs >= epochs)
    }

    /// The result, if it is complete.
    pub(super) fn result(&self) -> Option<&TrialResult> {
        match &self.end {
            Some(TrialEnd::Complete(result)) => Some(result),
            _ => None,
        }
    }

    /// Why it failed, if it did.
    pub(super) fn failure(&self) -> Option<&str> {
        match &self.end {
            Some(TrialEnd::Failed(why) | TrialEnd::LostNumbers(why)) => Some(why),
            _ => None,
        }
    }

    /// Whether its training diverged or lost the numbers, at its end or where it paused last.
    pub(super) fn has_diverged(&self) -> bool {
        let ruin = match &self.end {
            Some(TrialEnd::LostNumbers(_)) => return true,
            Some(TrialEnd::Failed(_)) => return false,
            Some(TrialEnd::Complete(result)) => result.ruin,
            None => self.ruins.last().copied().flatten(),
        };
        ruin.is_some_and(|ruin| ruin.course == Course::Diverged)
    }

    /// The score after rung `rung`, or at the end if that came first; `None` for a trial that failed or is not that far.
    pub(super) fn score_at(&self, rung: usize) -> Option<f64> {
        match (self.rungs.get(rung), self.result()) {
            _ if self.failure().is_some() => None,
            (Some(score), _) => Some(*score),
            (None, Some(result)) => Some(result.score()),
            (None, None) => None,
        }
    }

    /// What ruined it as far as it is, unless that had ruined it by the rung before.
    pub(super) fn new_ruin(&self) -> Option<Ruin> {
        let end = self.result().map(|result| result.ruin);
        let mut known = self.ruins.iter().copied().chain(end).rev();
        let (now, before) = (known.next().flatten(), known.next().flatten());
        now.filter(|_| now != before)
    }

    /// What had ruined it where [`score_at`](Self::score_at) has its score, if anything had.
    pub(super) fn ruin_at(&self, rung: usize) -> Option<Ruin> {
        match self.rungs.get(rung) {
            Some(_) => self.ruins.get(rung).copied().flatten(),
            None => self.result()?.ruin,
        }
    }
}

impl TrialResult {
    /// Takes the result of a complete run.
    ///
    /// # Errors
    /// If the run measured nothing.
    pub(super) fn of(summary: &Summary, held_out: Option<HeldOut>) -> Result<Self, RunError> {
        match (summary.r#final.clone(), held_out) {
            (Some(evaluation), Some(held_out)) => {
                let (classes, seconds) = (summary.classes.clone(), summary.seconds);
                Ok(TrialResult { evaluation, seconds, held_out, classes, ruin: Ruin::of(summary) })
            }
            _ => {
                let text = "candidates are compared on validation images, and there are none";
                Err(DataError::one(Finding::new(FindingKind::TooFew { part: DataPart::Valid }, text)).into())
            }
        }
    }

    /// The first metric, or the validation loss of a recipe without metrics.
    pub(super) fn score(&self) -> f64 {
        self.evaluation.metrics.first().map_or(self.evaluation.val_loss, |metric| metric.value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::{recipe, result};
    use super::*;

    #[test]
    fn what_ruined_a_trial_is_new_at_one_rung_alone() {
        let recipe = recipe("fit(0.01, 4);");
        let mut trial = Trial::new(TrialKey { candidate: 0, fold: 0, seed: 1 }, &recipe);
        let [collapsed, diverged] =
            [Course::Collapsed, Course::Diverged].map(|course| Some(Ruin { step: 0, course, epoch: 1 }));
        let after_rung = |ruin| {
            trial.ruins.push(ruin);
            trial.new_ruin()
        };
        let told = [None, collapsed, collapsed, diverged, None, collapsed].map(after_rung);
        assert_eq!(told, [None, collapsed, None, diverged, None, collapsed]);
        for (ruin, told) in [(collapsed, None), (diverged, diverged), (None, None)] {
            trial.end = Some(TrialEnd::Complete(Box::new(TrialResult { ruin, ..result(&[], &[], 0.0) })));
            assert_eq!(trial.new_ruin(), told);
        }
    }
}
