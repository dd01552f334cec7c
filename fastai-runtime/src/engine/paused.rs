//! A run that ended early and is about to continue.

use std::path::{Path, PathBuf};

use fastai_dsl::Recipe;

use super::snapshot::{Snapshot, SnapshotFolder, text_differences};
use super::{RunOptions, completed};
use crate::RunError;
use crate::error::ResumeError;

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
                Ok(Some(_)) => ResumeError::Complete(run),
                _ if folder.is_dir() => ResumeError::NoSnapshot(run),
                _ => ResumeError::NoFolder(run),
            };
            return Err(why.into());
        }
        let mut snapshots = SnapshotFolder::take(folder)?;
        let (snapshot, warnings) = snapshots.read()?;
        let text = recipe.to_string();
        let mut differs = Vec::new();
        if text != snapshot.recipe {
            differs.push("the recipe differs (- when the run began, + now):".to_string());
            differs.extend(text_differences(&snapshot.recipe, &text));
        }
        if options.seed.is_some_and(|seed| seed != snapshot.seed) {
            let seed = options.seed.unwrap_or_default();
            differs.push(format!("the seed differs: {} when the run began, {seed} now", snapshot.seed));
        }
        if options.smoke && !snapshot.smoke {
            differs.push("the run did not begin as a smoke run".to_string());
        }
        refuse(folder, differs)?;
        Ok(Paused { folder: folder.to_path_buf(), snapshots, snapshot, warnings })
    }
}

/// Returns an error if anything differs from the run in `folder`.
pub(super) fn refuse(folder: &Path, differences: Vec<String>) -> Result<(), ResumeError> {
    if differences.is_empty() {
        return Ok(());
    }
    Err(ResumeError::Differs { folder: folder.to_path_buf(), differences })
}
