//! The run that a model comes from, as far as predictions need it.

use std::path::Path;

use fastai_dsl::TaskKind;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::metrics::Thresholds;
use crate::summary_file::RunFailure;
use crate::{RunError, summary_file};

/// What the `summary.json` of a run folder says of its models.
#[derive(Debug, Deserialize)]
pub(super) struct ModelOrigin {
    /// The recipe's name.
    pub(super) name: String,
    /// The text of the recipe that the run keeps.
    pub(super) recipe: String,
    pub(super) task: TaskKind,
    pub(super) classes: Vec<String>,
    /// The folds of a run that holds out several parts in turn.
    pub(super) folds: Option<FoldsOrigin>,
    /// Why the run failed, if it did.
    #[serde(default)]
    failure: Option<RunFailure>,
}

/// The folds of a run.
#[derive(Debug, Deserialize)]
pub(super) struct FoldsOrigin {
    /// The number of folds.
    pub(super) count: usize,
    /// One for each complete fold.
    each: Vec<IgnoredAny>,
    /// The thresholds of the predictions of all folds.
    #[serde(alias = "threshold")]
    pub(super) thresholds: Option<Thresholds>,
}

impl ModelOrigin {
    /// Reads it from the run folder `path`; `None` for a model that lies alone, and for a folder without a summary.
    ///
    /// # Errors
    /// A summary that is broken or was edited.
    pub(super) fn of(path: &Path) -> Result<Option<Self>, RunError> {
        path.join(summary_file::SUMMARY).is_file().then(|| summary_file::read(path)).transpose()
    }

    /// That the run failed since training lost the numbers, with the remedy: its own going on would repeat that.
    pub(super) fn lost_numbers(&self) -> Option<String> {
        let lost = self.failure.as_ref()?.lost_numbers()?;
        Some(format!("{lost}: lower its rates and run anew"))
    }
}

impl FoldsOrigin {
    /// The number of complete folds.
    pub(super) fn complete(&self) -> usize {
        self.each.len()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn folds_are_read_under_both_names_of_their_thresholds() {
        let folder = tempfile::tempdir().unwrap();
        assert!(ModelOrigin::of(folder.path()).unwrap().is_none());
        for key in ["threshold", "thresholds"] {
            let folds = json!({ "count": 2, "each": [{ "seconds": 1.0 }], key: Thresholds::All(0.25) });
            let content = json!({
                "name": "A", "recipe": "recipe A {}", "task": TaskKind::MultiLabel, "classes": ["x"], "folds": folds,
            });
            let text = summary_file::sealed(&content).unwrap();
            std::fs::write(folder.path().join(summary_file::SUMMARY), &text).unwrap();
            let run = ModelOrigin::of(folder.path()).unwrap().unwrap();
            assert_eq!((run.name.as_str(), run.task, run.classes), ("A", TaskKind::MultiLabel, vec!["x".to_string()]));
            let folds = run.folds.unwrap();
            assert_eq!((folds.complete(), folds.count, folds.thresholds), (1, 2, Some(Thresholds::All(0.25))));
            std::fs::write(folder.path().join(summary_file::SUMMARY), text.replace("0.25", "0.75")).unwrap();
            assert!(ModelOrigin::of(folder.path()).unwrap_err().to_string().contains("does not match its digest"));
        }
    }
}
