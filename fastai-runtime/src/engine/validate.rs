//! Measures a saved model on labelled images.

use std::path::Path;

use fastai_dsl::{Corrupt, LossSpec, Recipe, Source};

use super::measured::{self, Look};
use super::sets::{class_weights, of_task};
use super::supplied::{self, Supplied};
use crate::RunError;
use crate::activations::ActivationCache;
use crate::data::{DataError, Dataset, Item, Preflight, Reading, Target};
use crate::data::{ImageExamples, ImageSet, Preparation, Traversal};
use crate::metrics::Probabilities;
use crate::models::WeightsError;
use crate::predict::{Predictions, Predictor, augmented};
use crate::progress::{Silent, StopSignal, Watch};
use crate::report::Evaluation;
use crate::train::{Learner, Loss, criterion};

/// Predictions of labelled images with their evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured<T = ()> {
    /// The predictions, with the labels.
    pub predictions: Predictions<T>,
    /// The recipe's metrics.
    pub evaluation: Evaluation,
}

/// The evaluation of a saved model on a validation set.
#[derive(Clone, Debug, PartialEq)]
pub struct Validated<T = ()> {
    /// With one plain prediction per image.
    pub plain: Measured<T>,
    /// With test-time augmentation, if the recipe has a `tta` step.
    pub tta: Option<Measured<T>>,
}

impl<T> Measured<T> {
    fn of_task<U>(self) -> Measured<U> {
        Measured { predictions: self.predictions.into_task(), evaluation: self.evaluation }
    }
}

impl Validated {
    pub(super) fn of_task<T>(self) -> Validated<T> {
        Validated { plain: self.plain.of_task(), tta: self.tta.map(Measured::of_task) }
    }
}

/// Measures the model of `recipe` on the validation images of the data in `root`.
///
/// On the data of the run, these are the run's own validation images, read as the run read them (through scaled copies, if
/// it used them), and the results equal those that the run reported: the loss weights classes as the run's did. On another
/// data set with the same layout, they are the images that the recipe's split holds out; all of its classes must be classes
/// of the model. The loss of a recipe with `loss: given` is NaN here; `Trained::validate` measures with the program's.
///
/// # Errors
/// All findings about the data set at once; [`RunError::Stopped`]; a recipe with `data: given`, which [`validate_on`]
/// measures.
pub fn validate(
    recipe: &Recipe,
    predictor: &Predictor,
    root: &Path,
    workers: Option<usize>,
    watch: Watch<'_>,
) -> Result<Validated, RunError> {
    validate_with(recipe, predictor, root, workers, &Supplied::default(), watch)
}

/// [`validate`] with what the program supplies.
pub(super) fn validate_with(
    recipe: &Recipe,
    predictor: &Predictor,
    root: &Path,
    workers: Option<usize>,
    supplied: &Supplied,
    watch: Watch<'_>,
) -> Result<Validated, RunError> {
    let Watch { progress, stop } = watch;
    if recipe.data().source == Source::Given {
        return Err(DataError::one(format!(
            "the images of recipe `{}` were given by a Rust program (`data: given`), and no folder has them: measure there, \
             with `Trained::validate_on(&dataset)` or `engine::validate_on`",
            recipe.name()
        ))
        .into());
    }
    is_of(recipe, predictor)?;
    let mut data = recipe.data().clone();
    data.root = root.display().to_string();
    // Only this policy affects the measured images, and checking every image takes time.
    let dataset = if data.corrupt == Corrupt::Skip {
        let known = ActivationCache::default_root().join("verified.bin");
        let size = predictor.meta().size;
        let preflight = Preflight { size, known: Some(&known), ..Preflight::of(recipe, stop) };
        let (dataset, health) = preflight.open(&data, recipe.task(), progress)?;
        health.notes(&dataset.root).iter().for_each(|note| progress.note(note));
        dataset
    } else {
        Dataset::open(&data, recipe.task())?
    };
    measure(recipe, predictor, dataset, workers, supplied, Watch { progress, stop })
}

/// Measures the model of a recipe with `data: given` on the validation images of `dataset`. On the data set of the run, the
/// results equal those that the run reported.
///
/// # Errors
/// Labels of another task, a class unknown to the model, findings about the images, [`RunError::Stopped`].
pub fn validate_on(
    recipe: &Recipe,
    predictor: &Predictor,
    dataset: &Dataset,
    workers: Option<usize>,
    watch: Watch<'_>,
) -> Result<Validated, RunError> {
    validate_on_with(recipe, predictor, dataset, workers, &Supplied::default(), watch)
}

/// [`validate_on`] with what the program supplies.
pub(super) fn validate_on_with(
    recipe: &Recipe,
    predictor: &Predictor,
    dataset: &Dataset,
    workers: Option<usize>,
    supplied: &Supplied,
    watch: Watch<'_>,
) -> Result<Validated, RunError> {
    let Watch { progress, stop } = watch;
    is_of(recipe, predictor)?;
    of_task(recipe, dataset)?;
    let mut dataset = dataset.clone();
    if recipe.data().corrupt == Corrupt::Skip {
        let size = predictor.meta().size;
        let health = Preflight { size, ..Preflight::of(recipe, stop) }.check(&mut dataset, progress)?;
        health.notes(&dataset.root).iter().for_each(|note| progress.note(note));
    }
    measure(recipe, predictor, dataset, workers, supplied, Watch { progress, stop })
}

/// Checks that a model belongs to this recipe.
fn is_of(recipe: &Recipe, predictor: &Predictor) -> Result<(), WeightsError> {
    let meta = predictor.meta();
    if meta.recipe == recipe.name() && meta.task == recipe.task() {
        return Ok(());
    }
    let (model, wanted) = (&meta.recipe, recipe.name());
    Err(WeightsError::OtherRecipe { model: model.clone(), wanted: wanted.to_string() })
}

fn measure(
    recipe: &Recipe,
    predictor: &Predictor,
    mut dataset: Dataset,
    workers: Option<usize>,
    own: &Supplied,
    watch: Watch<'_>,
) -> Result<Validated, RunError> {
    let Watch { progress, stop } = watch;
    let meta = predictor.meta();
    dataset.notes.iter().for_each(|note| progress.note(note));
    renumber(&mut dataset, &meta.classes)?;
    // The weights of the training run. Models of earlier versions lack them; then they derive from this data, in the
    // model's class order.
    let weights = match (recipe.class_weights(), &meta.class_weights) {
        (Some(_), Some(weights)) => Some(weights.clone()),
        (wanted, _) => class_weights(wanted, &dataset)?,
    };
    let truth = measured::truth_of(&dataset.valid, meta.classes.len(), recipe.task()).filter(|t| !t.is_empty());
    let truth =
        truth.ok_or_else(|| DataError::one("the recipe holds out no images: there is nothing to measure on"))?;

    let (network, device) = predictor.network();
    let learner = Learner::new(network.clone(), device.clone());
    let preparation = Preparation {
        transforms: meta.transforms.clone(),
        stats: meta.stats(),
        batch: meta.batch as usize,
        workers: workers.unwrap_or_else(rayon::current_num_threads),
        seed: meta.seed,
    };
    let examples =
        ImageExamples::new(ImageSet::new(&dataset.valid).reading(Reading::of(recipe.data().resize_to)), preparation);
    let classes = meta.classes.len();
    let metrics = supplied::measures(recipe, &own.metrics)?;
    let left_out = measured::left_out(&metrics, "validation", &truth, &meta.classes).map_err(DataError::one)?;
    left_out.iter().for_each(|note| progress.note(note));
    if recipe.loss() == LossSpec::Given && own.loss.is_none() {
        progress.note("the loss is that of a Rust program (`loss: given`) and is not measured here");
    }
    let mut logits =
        |pass: &Traversal, what: &str| learner.logits(&examples, pass, what, Watch { progress: &mut *progress, stop });
    let probabilities = |values: Vec<f32>| Probabilities::of_logits(recipe.task(), values, classes);
    let measured = |look: Look, counter: usize| Measured {
        evaluation: measured::evaluation("valid", &look, &truth, &metrics, meta.seed, &[counter as u64]),
        predictions: Predictions::new(
            dataset.valid.iter().map(|item| item.id.clone()).collect(),
            meta.classes.clone(),
            look.probabilities,
            Some(truth.clone()),
        ),
    };

    let values = match logits(&Traversal::Plain, "images, plain prediction") {
        Ok(values) => values,
        Err(RunError::Data(first)) => return Err(all_broken(recipe, meta.size, dataset, stop, first)),
        Err(error) => return Err(error),
    };
    let of_recipe = || criterion(recipe.loss(), recipe.task(), weights, 0.0, &device.clone().without_autodiff());
    let loss = own.loss.clone().or_else(of_recipe).map(|criterion| Loss::of_criterion(truth.clone(), criterion));
    let mean_loss = loss.as_ref().map_or(f64::NAN, |loss| loss.of_all(&values));
    let plain = probabilities(values);
    let first = measured(Look::plain(plain.clone(), mean_loss), recipe.steps().len());
    let tta = match recipe.last_tta() {
        None => None,
        Some((index, n_aug)) => {
            let mean = augmented(&plain, n_aug, index, |pass, what| logits(pass, what).map(probabilities))?;
            Some(measured(Look::averaged(mean, n_aug, loss.as_ref()), index))
        }
    };
    Ok(Validated { plain: first, tta })
}

/// Everything that is wrong with the validation images, where measuring ended at the first one.
fn all_broken(recipe: &Recipe, size: u32, mut dataset: Dataset, stop: &StopSignal, first: DataError) -> RunError {
    (dataset.train, dataset.test) = (Vec::new(), Vec::new());
    match (Preflight { size, ..Preflight::of(recipe, stop) }).check(&mut dataset, &mut Silent) {
        Err(all) => all.into(),
        Ok(_) => first.into(),
    }
}

/// Renumbers the labels by the model's classes; the model may have more.
fn renumber(dataset: &mut Dataset, classes: &[String]) -> Result<(), RunError> {
    if dataset.classes == classes {
        return Ok(());
    }
    let number = |name: &String| classes.iter().position(|c| c == name).map(|i| i as u32);
    let numbers: Vec<Option<u32>> = dataset.classes.iter().map(number).collect();
    let unknown: Vec<&str> =
        dataset.classes.iter().zip(&numbers).filter(|(_, n)| n.is_none()).map(|(c, _)| c.as_str()).collect();
    if !unknown.is_empty() {
        return Err(DataError::one(format!(
            "{} of {} classes in {} are none of the model's: {}; the model knows {}",
            unknown.len(),
            dataset.classes.len(),
            dataset.root.display(),
            unknown.join(", "),
            classes.join(", ")
        ))
        .into());
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
