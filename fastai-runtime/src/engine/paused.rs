//! A run that ended early and is about to continue.

use std::path::{Path, PathBuf};

use fastai_dsl::source::RecipeText;
use fastai_dsl::{Recipe, canonical_text, in_todays_words, seeded_text};

use super::snapshot::Snapshot;
use super::snapshot_folder::SnapshotFolder;
use super::text_differences::text_differences;
use super::{RunOptions, completed};
use crate::RunError;
use crate::error::ResumeError;
use crate::predict::saved_models;
use crate::report::Summary;

/// An incomplete run, ready to continue.
pub(super) struct Paused {
    pub(super) folder: PathBuf,
    pub(super) snapshots: SnapshotFolder,
    pub(super) snapshot: Snapshot,
    /// Damaged snapshots that are newer than this one.
    pub(super) warnings: Vec<String>,
}

impl Paused {
    /// Opens the run of `recipe` in `folder`.
    ///
    /// # Errors
    /// If there is no run, it is complete, another process executes it, or recipe, seed or smoke differ from those of the
    /// run.
    pub(super) fn take(recipe: &Recipe, folder: &Path, options: &RunOptions) -> Result<Self, RunError> {
        if !SnapshotFolder::exists(folder) {
            let run = folder.to_path_buf();
            let why = match completed(folder) {
                Ok(Some(summary)) => ended(folder, &summary, Some(recipe), options),
                _ if folder.is_dir() => failed(folder).unwrap_or(ResumeError::NoSnapshot(run)),
                _ => ResumeError::NoFolder(run),
            };
            return Err(why.into());
        }
        let mut snapshots = SnapshotFolder::take(folder)?;
        let (snapshot, warnings) = snapshots.read()?;
        let began = Beginning { recipe: &snapshot.recipe, seed: snapshot.seed, smoke: snapshot.smoke };
        refuse(folder, began.differences(Some(&recipe.to_string()), options))?;
        Ok(Paused { folder: folder.to_path_buf(), snapshots, snapshot, warnings })
    }
}

/// What a run begins with and keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning<'a> {
    /// The kept text of the recipe.
    pub(super) recipe: &'a str,
    pub(super) seed: u64,
    pub(super) smoke: bool,
}

impl Beginning<'_> {
    /// Describes how what the run would go on with differs: the canonical text of a recipe, without which it is the run's own,
    /// and options.
    pub(super) fn differences(&self, recipe: Option<&str>, options: &RunOptions) -> Vec<String> {
        let mut differs = Vec::new();
        let began = canonical_text(self.recipe);
        // The recipe in the run's folder states the seed, also one that was given beside the recipe.
        let seeded = || canonical_text(&seeded_text(self.recipe, self.seed));
        if let Some(now) = recipe.filter(|now| *now != began && *now != seeded()) {
            differs.push("the recipe differs (- when the run began, + now):".to_string());
            differs.extend(text_differences(&began, now));
        }
        if let Some(now) = options.seed.filter(|now| *now != self.seed) {
            differs.push(format!("the seed differs: {} when the run began, {now} now", self.seed));
        }
        if options.smoke && !self.smoke {
            differs.push("the run did not begin as a smoke run".to_string());
        }
        differs
    }
}

/// The recipe with which a run goes on that began with the kept text `began`: `recipe`, without a seed that it states and the other
/// did not, or the models of the run would not all state one text.
pub(super) fn as_begun(began: &str, recipe: &Recipe) -> Recipe {
    let same = canonical_text(began) == recipe.to_string();
    let read = (!same).then(|| RecipeText::new("kept.recipe", &in_todays_words(began), &[]).result.ok()).flatten();
    read.map_or_else(|| recipe.clone(), |read| read.recipe)
}

/// Why the complete run in `folder` does not go on: there is nothing left to do, or it is another run than the one asked for.
pub(super) fn ended(folder: &Path, run: &Summary, recipe: Option<&Recipe>, options: &RunOptions) -> ResumeError {
    let began = Beginning { recipe: &run.recipe, seed: run.seed, smoke: run.smoke };
    let differences = began.differences(recipe.map(ToString::to_string).as_deref(), options);
    let folder = folder.to_path_buf();
    if differences.is_empty() {
        ResumeError::Complete(folder)
    } else {
        ResumeError::CompleteOther { folder, differences }
    }
}

/// Why a run in `folder` that keeps no state does not go on, if its training lost the numbers, as it would again.
fn failed(folder: &Path) -> Option<ResumeError> {
    let failure = Summary::read(folder).ok()?.failure?;
    let error = failure.lost_numbers().map(|_| failure.error)?;
    Some(ResumeError::Failed { folder: folder.to_path_buf(), error, models: saved_models(folder) })
}

/// Returns an error if anything differs from the run in `folder`.
pub(super) fn refuse(folder: &Path, differences: Vec<String>) -> Result<(), ResumeError> {
    if differences.is_empty() {
        return Ok(());
    }
    Err(ResumeError::Differs { folder: folder.to_path_buf(), differences })
}
