//! What a run of folds began with, from which it goes on.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::RunError;
use crate::engine::RunOptions;
use crate::engine::paused::Beginning;
use crate::engine::snapshot_folder::FOLDS;
use crate::engine::supplied;
use crate::error::ResumeError;
use crate::report::refuse_link;
use crate::sealed::{read_sealed, write_sealed};

/// The kind of the file.
const KIND: &str = "fastai folds 1";
/// Largest file, bytes.
const LARGEST: u64 = 16 << 20;

/// The content of `resume/folds.state`, which exists while the run is incomplete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FoldsState {
    /// The kept text of the recipe.
    pub(super) recipe: String,
    pub(super) seed: u64,
    pub(super) smoke: bool,
    /// The names of the program's metrics.
    own_metrics: Vec<String>,
}

impl FoldsState {
    pub(super) fn new(recipe: String, seed: u64, options: &RunOptions) -> Self {
        FoldsState { recipe, seed, smoke: options.smoke, own_metrics: supplied::names(&options.metrics) }
    }

    /// Where it is in the folder of a run.
    pub(super) fn path(run: &Path) -> PathBuf {
        run.join(crate::summary_file::RESUME).join(FOLDS)
    }

    pub(super) fn write(&self, run: &Path) -> Result<(), RunError> {
        let path = Self::path(run);
        let bytes = serde_json::to_vec(self).map_err(|e| RunError::file("write", &path, e.into()))?;
        Ok(write_sealed(&path, KIND, &bytes)?)
    }

    /// # Errors
    /// If it cannot be read, or is damaged.
    pub(super) fn read(run: &Path) -> Result<Self, RunError> {
        let path = Self::path(run);
        refuse_link(&path)?;
        let broken = |reason: String| RunError::from(ResumeError::Broken { path: path.clone(), reason });
        let bytes = read_sealed(&path, KIND, LARGEST)?.map_err(broken)?;
        serde_json::from_slice(&bytes).map_err(|e| broken(e.to_string()))
    }

    /// Describes how what a run would go on with, the canonical text of a recipe and options, differs from what it began with.
    pub(super) fn differences(&self, recipe: &str, options: &RunOptions) -> Vec<String> {
        let began = Beginning { recipe: &self.recipe, seed: self.seed, smoke: self.smoke };
        let mut differs = began.differences(Some(recipe), options);
        differs.extend(supplied::differences(&self.own_metrics, &options.metrics));
        differs
    }
}
