//! A run that ended early and is about to continue.

use std::path::{Path, PathBuf};

use fastai_dsl::Recipe;

use super::RunOptions;
use super::snapshot::{Snapshot, SnapshotFolder, text_differences};
use crate::RunError;
use crate::report::Summary;

/// An incomplete run, ready to continue.
pub(super) struct Paused {
    pub(super) folder: PathBuf,
    pub(super) snapshots: SnapshotFolder,
    pub(super) snapshot: Snapshot,
}

impl Paused {
    /// Opens the run of `recipe` in `folder`.
    ///
    /// # Errors
    /// If there is no run, it is complete, another process executes it, or recipe, seed or smoke differ from those of the
    /// run.
    pub(super) fn take(recipe: &Recipe, folder: &Path, options: &RunOptions) -> Result<Self, RunError> {
        if !SnapshotFolder::exists(folder) {
            let shown = folder.display();
            let why = match Summary::read(folder) {
                Ok(summary) if summary.status == "complete" => {
                    format!("the run in {shown} is complete: there is nothing left to do")
                }
                _ if folder.is_dir() => {
                    format!("{shown} holds nothing that a run could go on from: name a run folder, or start anew")
                }
                _ => format!("there is no run folder {shown}"),
            };
            return Err(RunError::Resume(why));
        }
        let snapshots = SnapshotFolder::take(folder)?;
        let snapshot = snapshots.read()?;
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
        refuse(folder, &differs)?;
        Ok(Paused { folder: folder.to_path_buf(), snapshots, snapshot })
    }
}

/// Returns an error if anything differs from the run in `folder`.
pub(super) fn refuse(folder: &Path, differs: &[String]) -> Result<(), RunError> {
    if differs.is_empty() {
        return Ok(());
    }
    Err(RunError::Resume(format!(
        "the run in {} cannot go on:\n{}\ngive it what it began with, or start a new run",
        folder.display(),
        differs.join("\n")
    )))
}
