//! What a run keeps on disk from its beginning on.

use std::path::Path;

use super::paused::{Paused, refuse};
use super::snapshot::Snapshot;
use super::snapshot_folder::SnapshotFolder;
use crate::RunError;
use crate::report::RunFolder;

/// The folder of a run, and the state from which the run begins or goes on.
pub(super) struct KeptRun {
    pub(super) folder: RunFolder,
    pub(super) snapshots: SnapshotFolder,
    pub(super) snapshot: Snapshot,
    /// Damaged snapshots that are newer than this one.
    pub(super) warnings: Vec<String>,
}

impl KeptRun {
    /// Creates the folder `out` of a run, unless given one named after the recipe and the time, and keeps `begin` in it.
    ///
    /// # Errors
    /// If the folder cannot be written or has a run.
    pub(super) fn create(out: Option<&Path>, recipe_name: &str, begin: Snapshot) -> Result<Self, RunError> {
        let folder = RunFolder::create(out, recipe_name)?;
        let mut snapshots = SnapshotFolder::take(folder.path())?;
        // Before anything else, so that a run that is killed here can be resumed too.
        snapshots.write(&begin)?;
        folder.write_recipe(&begin.recipe, begin.seed)?;
        Ok(KeptRun { folder, snapshots, snapshot: begin, warnings: Vec::new() })
    }

    /// Reopens the folder of a run that goes on, in so many `parts`. `recipe` is the text of its recipe to keep, `body` the digest
    /// of the body that the recipe names.
    ///
    /// # Errors
    /// If the run began with another body, or the folder cannot be written.
    pub(super) fn reopen(paused: Paused, recipe: &str, body: &str, parts: Vec<usize>) -> Result<Self, RunError> {
        let Paused { folder, snapshots, snapshot, warnings } = paused;
        if snapshot.weights.is_none() && snapshot.body != body {
            let differs = "the weights that the recipe names are not those that the run began with".to_string();
            refuse(&folder, vec![differs])?;
        }
        let folder = RunFolder::reopen(&folder, snapshot.history.clone())?;
        folder.write_recipe(recipe, snapshot.seed)?;
        Ok(KeptRun { folder, snapshots, snapshot: Snapshot { parts, ..snapshot }, warnings })
    }
}
