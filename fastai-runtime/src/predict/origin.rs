//! The run that a model comes from, as far as predictions need it.

use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use fastai_dsl::TaskKind;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::metrics::Thresholds;
use crate::names::typed;
use crate::summary_file::{MODELS, RESUME, RunFailure};
use crate::{RunError, summary_file};

/// The folder of fold `number`, from 1, in the folder of its run.
pub(crate) fn fold_folder(run: &Path, number: usize) -> PathBuf {
    run.join("folds").join(number.to_string())
}

/// The file of the model that a complete run ends with, in [`MODELS`].
const LAST_MODEL: &str = "final.safetensors";

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

/// The names of the models in the folder of a run, without their suffix, in order.
pub(crate) fn saved_models(run: &Path) -> Vec<String> {
    let files = std::fs::read_dir(run.join(MODELS)).into_iter().flatten().flatten();
    let name = |file: DirEntry| Some(file.file_name().to_str()?.strip_suffix(".safetensors")?.to_string());
    let mut names: Vec<String> = files.filter_map(name).collect();
    names.sort();
    names
}

/// The last models of the complete run in `folder`, one of each fold, that are no longer there; none of another folder.
///
/// # Errors
/// A summary that is broken or was edited.
#[doc(hidden)]
pub fn removed_models(folder: &Path) -> Result<Vec<PathBuf>, RunError> {
    let Some(run) = ModelOrigin::of(folder)?.filter(|run| run.is_complete(folder)) else { return Ok(Vec::new()) };
    let folders = match run.folds {
        Some(folds) => (1..=folds.count).map(|number| fold_folder(folder, number)).collect(),
        None => vec![folder.to_path_buf()],
    };
    let models = folders.into_iter().map(|folder| folder.join(MODELS).join(LAST_MODEL));
    Ok(models.filter(|model| !model.exists()).collect())
}

impl ModelOrigin {
    /// Reads it from the run folder `path`; `None` for a model that lies alone, and for a folder without a summary.
    ///
    /// # Errors
    /// A summary that is broken or was edited.
    pub(super) fn of(path: &Path) -> Result<Option<Self>, RunError> {
        path.join(summary_file::SUMMARY).is_file().then(|| summary_file::read(path)).transpose()
    }

    /// That folds are missing of an ensemble in the run folder `path`, why they are, and what helps; `None` where none are.
    pub(super) fn lacks_folds(&self, path: &Path) -> Option<String> {
        let folds = self.folds.as_ref()?;
        let (there, count) = (folds.complete(), folds.count);
        if there >= count {
            return None;
        }
        let resumed = format!("`fastai run --resume {}`", typed(path));
        let next = match &self.failure {
            // It begins with the fold, and ends with what helps; going on would repeat it.
            Some(failure) if failure.lost_numbers().is_some() => failure.error.clone(),
            Some(failure) => format!("{}; once that is put right, {resumed} goes on", failure.error),
            None => resumed,
        };
        let one = (there > 0).then(|| format!(", or take one of its models: {}", path.join("folds/1").display()));
        Some(format!(
            "{there} of {count} folds are complete, and the ensemble needs all: {next}{}",
            one.unwrap_or_default()
        ))
    }

    /// Whether the run in `path` went through all of its steps, and so saved its last model.
    pub(super) fn is_complete(&self, path: &Path) -> bool {
        let has_folds = self.folds.as_ref().is_none_or(|folds| folds.complete() == folds.count);
        self.failure.is_none() && has_folds && !path.join(RESUME).exists()
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
    use crate::summary_file::FailureKind;

    #[test]
    fn a_fold_that_failed_is_named_and_going_on_is_proposed_where_it_may_help() {
        let of = |each: usize, failure: Option<(FailureKind, &str)>| {
            let folds = FoldsOrigin { count: 3, each: vec![IgnoredAny; each], thresholds: None };
            let failure = failure.map(|(kind, error)| {
                let error = format!("fold 2: {error}");
                RunFailure { kind, step: Some(2), lost_by: None, error }
            });
            let (name, recipe, classes) = ("A".to_string(), String::new(), Vec::new());
            let run = ModelOrigin { name, recipe, task: TaskKind::SingleLabel, classes, folds: Some(folds), failure };
            run.lacks_folds(Path::new("run"))
        };
        let one = format!(", or take one of its models: {}", Path::new("run").join("folds/1").display());
        let begins = "1 of 3 folds are complete, and the ensemble needs all: ";
        let lost =
            of(1, Some((FailureKind::WeightsNotFinite, "step 2 `fit(10.0, 1)`: use smaller rates and run anew")));
        let said = format!("{begins}fold 2: step 2 `fit(10.0, 1)`: use smaller rates and run anew{one}");
        assert_eq!(lost, Some(said), "going on would repeat it");
        let full = of(1, Some((FailureKind::Other, "the disk is full")));
        let resumed = "`fastai run --resume run`";
        assert_eq!(
            full,
            Some(format!("{begins}fold 2: the disk is full; once that is put right, {resumed} goes on{one}"))
        );
        assert_eq!(of(1, None), Some(format!("{begins}{resumed}{one}")));
        let folder = tempfile::tempdir().unwrap();
        let complete = |each: usize| {
            let folds = FoldsOrigin { count: 3, each: vec![IgnoredAny; each], thresholds: None };
            let (name, recipe, classes) = ("A".to_string(), String::new(), Vec::new());
            let (task, folds) = (TaskKind::SingleLabel, Some(folds));
            ModelOrigin { name, recipe, task, classes, folds, failure: None }.is_complete(folder.path())
        };
        assert_eq!((complete(2), complete(3)), (false, true));
        assert_eq!((of(0, None).map(|said| said.contains("folds/1")), of(3, None)), (Some(false), None));
    }

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
