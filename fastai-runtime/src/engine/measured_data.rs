//! The data set that a saved model is measured on.

use std::path::Path;

use fastai_dsl::{Corrupt, Data, Recipe, Source, TaskKind};

use crate::RunError;
use crate::activations::ActivationCache;
use crate::data::{DataError, Dataset, Finding, FindingKind, Item, OpenError, Preflight, Target};
use crate::predict::Predictor;
use crate::progress::{Silent, StopSignal, Watch};

/// Whether `root` has folders of the model's classes in the place of the recipe's folder of training images, or of its csv file.
#[doc(hidden)]
pub fn lies_by_class(recipe: &Recipe, predictor: &Predictor, root: &Path) -> bool {
    let has_layout = match &recipe.data().source {
        Source::Folders { train } => root.join(train).is_dir(),
        Source::Csv { labels, .. } => root.join(labels).is_file(),
        Source::Given => true,
    };
    let has_class = || predictor.classes().iter().any(|class| root.join(class).is_dir());
    !has_layout && recipe.task() == TaskKind::SingleLabel && has_class()
}

/// The training and validation images of the recipe in `root`, of which those are left out that the run leaves out.
pub(super) fn opened(recipe: &Recipe, size: u32, root: &Path, watch: Watch<'_>) -> Result<Dataset, RunError> {
    // Another folder of images to measure on need not have one of test images.
    opened_as(Data { test: None, ..recipe.data().clone() }, recipe, size, root, watch)
}

/// [`opened`], of `data` in place of the recipe's.
pub(super) fn opened_as(
    mut data: Data,
    recipe: &Recipe,
    size: u32,
    root: &Path,
    watch: Watch<'_>,
) -> Result<Dataset, RunError> {
    let Watch { progress, stop } = watch;
    data.root = Some(root.display().to_string());
    // Only this policy affects the measured images, and checking every image takes time.
    if data.corrupt != Corrupt::Skip {
        return Ok(Dataset::open_to_measure(&data, recipe.task())?);
    }
    let known = ActivationCache::default_root().join("verified.bin");
    let preflight = Preflight { size, known: Some(&known), ..Preflight::of(recipe, stop) };
    let (dataset, health) = preflight.open_to_measure(&data, recipe.task(), progress)?;
    health.notes(&dataset.root, &dataset.split).iter().for_each(|note| progress.note(note));
    Ok(dataset)
}

/// Everything that is wrong with the validation images, where measuring ended at the first one.
pub(super) fn all_broken(
    recipe: &Recipe,
    size: u32,
    mut dataset: Dataset,
    stop: &StopSignal,
    first: DataError,
) -> RunError {
    (dataset.train, dataset.test) = (Vec::new(), Vec::new());
    match (Preflight { size, ..Preflight::of(recipe, stop) }).check(&mut dataset, &mut Silent) {
        Err(OpenError::Data(mut all)) => {
            for Finding { kind, text } in &mut all.findings {
                // The recipe of a trained model cannot be changed to leave them out.
                if let FindingKind::Unusable { count, of } = kind {
                    *text = format!(
                        "{count} of {of} images cannot be decoded: replace each of these files, or remove it (and its row in \
                         the csv file)"
                    );
                }
            }
            all.into()
        }
        Err(other) => other.into(),
        Ok(_) => first.into(),
    }
}

/// Renumbers the labels by the model's classes; the model may have more.
pub(super) fn renumber(dataset: &mut Dataset, classes: &[String]) -> Result<(), RunError> {
    if dataset.classes == classes {
        return Ok(());
    }
    let number = |name: &String| classes.iter().position(|c| c == name).map(|i| i as u32);
    let numbers: Vec<Option<u32>> = dataset.classes.iter().map(number).collect();
    let unknown: Vec<&str> =
        dataset.classes.iter().zip(&numbers).filter(|(_, n)| n.is_none()).map(|(c, _)| c.as_str()).collect();
    if !unknown.is_empty() {
        let text = format!(
            "{} of {} classes in {} are none of the model's: {}; the model knows {}",
            unknown.len(),
            dataset.classes.len(),
            dataset.root.display(),
            unknown.join(", "),
            classes.join(", ")
        );
        let untrained = FindingKind::Untrained { classes: unknown.into_iter().map(String::from).collect() };
        return Err(DataError::one(Finding::new(untrained, text)).into());
    }
    let new = |old: &u32| numbers[*old as usize].unwrap_or_default();
    let renumber = |item: &mut Item| match &mut item.target {
        Target::Class(class) => *class = new(class),
        Target::Tags(tags) => {
            *tags = tags.iter().map(new).collect();
            tags.sort_unstable();
        }
        Target::Value(_) | Target::Unlabelled => {}
    };
    dataset.train.iter_mut().chain(&mut dataset.valid).chain(&mut dataset.test).for_each(renumber);
    dataset.classes = classes.to_vec();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_get_the_models_numbers() {
        let names = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let item = |target| Item { id: String::new(), path: "x".into(), target };
        let mut dataset = Dataset {
            root: "root".into(),
            classes: names(&["b", "c"]),
            task: fastai_dsl::TaskKind::MultiLabel,
            train: vec![item(Target::Class(0))],
            valid: vec![item(Target::Tags(vec![0, 1]))],
            test: vec![item(Target::Unlabelled)],
            split: fastai_dsl::Valid::None,
            notes: Vec::new(),
        };
        let error = renumber(&mut dataset, &names(&["a", "c"])).unwrap_err().to_string();
        assert!(error.contains("1 of 2 classes in root are none of the model's: b; the model knows a, c"), "{error}");
        renumber(&mut dataset, &names(&["c", "a", "b"])).unwrap();
        assert_eq!(dataset.train[0].target, Target::Class(2));
        assert_eq!(dataset.valid[0].target, Target::Tags(vec![0, 2]));
    }
}
