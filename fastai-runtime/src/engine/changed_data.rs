//! Whether the images that a saved model is measured on are those that its run held out, or those that it was trained on.

use std::path::Path;

use fastai_dsl::Recipe;

use super::data_digest::{fingerprint_of_files, labels_of};
use super::measured_data::{lies_by_class, opened};
use crate::RunError;
use crate::data::Dataset;
use crate::predict::Predictor;
use crate::progress::{Progress, Silent, StopSignal, Watch};
use crate::report::{DataFingerprint, PartFingerprint, Summary};

/// Notes how the validation images of `dataset` differ from those that the run in `run` held out; `of` names the fold, if it is
/// one. Says nothing of a smoke run, and where the run did not record its data.
///
/// # Errors
/// A summary that is broken or was edited.
pub(super) fn note_changes(
    run: &Path,
    of: &str,
    dataset: &Dataset,
    progress: &mut dyn Progress,
) -> Result<(), RunError> {
    let summary = Summary::read(run)?;
    let began = summary.data.as_ref().filter(|_| !summary.smoke);
    if let Some(change) = began.and_then(|began| difference(&began.valid, dataset)) {
        progress.note(&format!("the data are not those that the run began with: {of}{change}"));
    }
    Ok(())
}

/// Whether the images in `root` are, by their names and labels, those that the run in `run` was trained on, as in a copy of its
/// data; of a run with folds, those of its first one.
///
/// # Errors
/// A summary that is broken or was edited.
#[doc(hidden)]
pub fn has_trained_on(
    recipe: &Recipe,
    predictor: &Predictor,
    run: &Path,
    root: &Path,
    stop: &StopSignal,
) -> Result<bool, RunError> {
    let Some(began) = Summary::read(run)?.data.filter(|_| !lies_by_class(recipe, predictor, root)) else {
        return Ok(false);
    };
    let first = recipe.folds().into_iter().next();
    let recipe = first.as_ref().unwrap_or(recipe);
    // What is wrong with the images, measuring them tells; a small folder need not fill every fold.
    let Ok(dataset) = opened(recipe, predictor.meta().size, root, Watch { progress: &mut Silent, stop }) else {
        return Ok(false);
    };
    Ok(labels_of(&dataset.train) == began.train.labels)
}

/// How the validation images of `dataset` differ from those of which a run recorded `began`.
fn difference(began: &PartFingerprint, dataset: &Dataset) -> Option<String> {
    let mut now = fingerprint_of_files(&dataset.valid);
    if began.read < began.images {
        // The run did not read the content of every file.
        now.content.clone_from(&began.content);
    }
    let of = |valid: PartFingerprint| DataFingerprint { valid, ..DataFingerprint::default() };
    of(began.clone()).differences(&of(now)).pop()
}

#[cfg(test)]
mod tests {
    use fastai_dsl::{TaskKind, Valid};

    use super::*;
    use crate::data::{Item, Target};

    #[test]
    fn a_file_that_was_replaced_or_added_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let item = |name: &str| Item { id: name.to_string(), path: folder.path().join(name), target: Target::Class(0) };
        let of = |names: &[&str]| Dataset {
            root: folder.path().to_path_buf(),
            classes: vec!["a".to_string()],
            task: TaskKind::SingleLabel,
            train: Vec::new(),
            valid: names.iter().map(|name| item(name)).collect(),
            test: Vec::new(),
            split: Valid::None,
            notes: Vec::new(),
        };
        for name in ["1", "2", "3"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let began = fingerprint_of_files(&of(&["1", "2"]).valid);
        assert_eq!((began.images, began.read), (2, 2));
        assert_eq!(difference(&began, &of(&["1", "2"])), None);
        assert_eq!(labels_of(&of(&["1", "2"]).valid), began.labels);
        let added = difference(&began, &of(&["1", "2", "3"]));
        assert_eq!(added.as_deref(), Some("validation: 2 and 3 images"));
        std::fs::write(folder.path().join("2"), "other").unwrap();
        let replaced = difference(&began, &of(&["1", "2"])).unwrap();
        assert!(replaced.ends_with("but files of other content"), "{replaced}");
        let sampled = PartFingerprint { read: 1, ..began };
        assert_eq!(difference(&sampled, &of(&["1", "2"])), None, "the run had not read all of them");
    }
}
