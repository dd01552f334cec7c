//! Whether the images that a saved model is measured on are those that its run held out, or those that it was trained on.

use std::path::Path;

use fastai_dsl::{Recipe, Source};

use super::data_digest::fingerprint_of_files;
use super::measured_data::{lies_by_class, renumber};
use super::trained_images::TrainedImages;
use super::trained_record::TrainedRecord;
use crate::RunError;
use crate::data::{Dataset, id_prefix};
use crate::predict::Predictor;
use crate::progress::{Progress, Watch};
use crate::report::{DataFingerprint, PartFingerprint, Summary};

/// The run that a measured model is of.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct ModelRun<'a> {
    /// Its folder.
    pub folder: &'a Path,
    /// Whether the model is measured on the data folder of the run.
    pub own_data: bool,
}

/// Notes on how many of the validation images of `dataset` the run trained, and how they differ from those that it held out, if
/// they should be the same. Numbers labels by the model's classes.
///
/// # Errors
/// A summary or a record of the training images that is broken or was edited; [`RunError::Stopped`].
pub(super) fn note_held_out(
    run: ModelRun<'_>,
    predictor: &Predictor,
    dataset: &mut Dataset,
    watch: Watch<'_>,
) -> Result<(), RunError> {
    let Watch { progress, stop } = watch;
    if run.own_data && !note_changes(run.folder, "", dataset, progress)? {
        return Ok(());
    }
    note_recognised(run, predictor, dataset, "", Watch { progress, stop })
}

/// Notes on how many of the validation images of `dataset`, which are all images in `root`, the run trained. Numbers labels by
/// the model's classes.
///
/// # Errors
/// A summary or a record of the training images that is broken or was edited; [`RunError::Stopped`].
pub(super) fn note_trained(
    run: ModelRun<'_>,
    recipe: &Recipe,
    predictor: &Predictor,
    root: &Path,
    dataset: &mut Dataset,
    watch: Watch<'_>,
) -> Result<(), RunError> {
    let below = match &recipe.data().source {
        Source::Folders { train } if lies_by_class(recipe, predictor, root) => id_prefix(train),
        _ => String::new(),
    };
    note_recognised(run, predictor, dataset, &below, watch)
}

/// Notes on how many of the validation images of `dataset` the run trained, as [`TrainedImages::remarks`] tells them.
fn note_recognised(
    run: ModelRun<'_>,
    predictor: &Predictor,
    dataset: &mut Dataset,
    below: &str,
    watch: Watch<'_>,
) -> Result<(), RunError> {
    let Watch { progress, stop } = watch;
    renumber(dataset, predictor.classes())?;
    let Some(trained) = TrainedImages::of(run.folder, predictor)? else {
        progress.note(&format!(
            "whether the run trained on these images is not known: its folder has no `{}`, which earlier versions did not \
             write",
            TrainedRecord::FILE
        ));
        return Ok(());
    };
    let remarks = trained.remarks(&dataset.valid, below, predictor, Watch { progress: &mut *progress, stop })?;
    remarks.iter().for_each(|remark| progress.note(remark));
    Ok(())
}

/// Notes how the validation images of `dataset` differ from those that the run in `run` held out, and returns whether they do;
/// `of` names the fold, if it is one. Says nothing of a smoke run, and where the run did not record its data.
///
/// # Errors
/// A summary that is broken or was edited.
pub(super) fn note_changes(
    run: &Path,
    of: &str,
    dataset: &Dataset,
    progress: &mut dyn Progress,
) -> Result<bool, RunError> {
    let summary = Summary::read(run)?;
    let began = summary.data.as_ref().filter(|_| !summary.smoke);
    let change = began.and_then(|began| difference(&began.valid, dataset));
    if let Some(change) = &change {
        progress.note(&format!("the data are not those that the run began with: {of}{change}"));
    }
    Ok(change.is_some())
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
        let added = difference(&began, &of(&["1", "2", "3"]));
        assert_eq!(added.as_deref(), Some("validation: 2 and 3 images"));
        std::fs::write(folder.path().join("2"), "other").unwrap();
        let replaced = difference(&began, &of(&["1", "2"])).unwrap();
        assert!(replaced.ends_with("but files of other content"), "{replaced}");
        let sampled = PartFingerprint { read: 1, ..began };
        assert_eq!(difference(&sampled, &of(&["1", "2"])), None, "the run had not read all of them");
    }
}
