//! Measures a saved model on labelled images.

use std::path::Path;

use fastai_data::memory;
use fastai_dsl::{Corrupt, Data, LossSpec, Plan, Recipe, Source, Stage, State, Step, Valid};

use super::changed_data::{ModelRun, note_changes, note_held_out, note_trained};
use super::fold_of_model::fold_of;
use super::measured::{self, Look};
use super::measured_data::{all_broken, lies_by_class, opened, opened_as, renumber};
use super::room::{fits_memory, in_parts};
use super::sets::{class_weights, of_task};
use super::supplied::{self, Supplied};
use super::told::{FoldProgress, Told};
use super::validated::{Measured, Validated};
use crate::data::{DataError, DataPart, Dataset, Finding, FindingKind, Preflight, Reading};
use crate::data::{ImageExamples, ImageSet, Preparation, Traversal};
use crate::error::FailedStep;
use crate::metrics::{Measure, Probabilities, Truth};
use crate::models::WeightsError;
use crate::predict::{Predictions, Predictor, augmented, fold_folder, mean};
use crate::progress::{Progress, Watch};
use crate::report::MeasuredSet;
use crate::train::{Learner, Loss, criterion};
use crate::{RunError, device};

/// Limits on the threads and the memory of a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeasuringLimits {
    /// Threads that decode and transform; `None` means one per CPU core.
    pub workers: Option<usize>,
    /// Bytes that the network may take on the CPU; `None` means what the process may have. Batches that need more pass the body
    /// in parts, with the results of whole batches.
    pub memory: Option<u64>,
}

/// Measures the model of `recipe` on the validation images of the data in `root`.
///
/// On the data of the run, these are the run's own validation images, read as the run read them (through scaled copies, if
/// it used them). The results equal those that the run reported, including the class weights of the loss. On another data set
/// with the same layout, these are the images that the recipe's split holds out; all classes of that data set must be classes of
/// the model, which may have more. Metrics that cannot be measured on images of these classes are left out. An ensemble is
/// measured out of fold: each image is predicted by the network that did not train on it. The loss of a recipe with `loss: given`
/// is NaN here; `Trained::validate` measures with the loss of the program.
///
/// # Errors
/// All findings about the data set at once; [`RunError::TooLarge`] if the network does not fit into the memory;
/// [`RunError::Stopped`]; a recipe with `data: given`, which [`validate_on`] measures.
pub fn validate(
    recipe: &Recipe,
    predictor: &Predictor,
    root: &Path,
    limits: MeasuringLimits,
    watch: Watch<'_>,
) -> Result<Validated, RunError> {
    validate_with(recipe, predictor, root, limits, &Supplied::default(), None, watch)
}

/// [`validate`], or [`validate_all`] if `all`, of a model of `run`. Notes how the run's own data differ from those that it began
/// with, and on how many of the measured images it trained.
///
/// # Errors
/// Those of [`validate`]; a summary or a record of the training images that is broken or was edited.
#[doc(hidden)]
pub fn validate_of_run(
    recipe: &Recipe,
    predictor: &Predictor,
    run: ModelRun<'_>,
    root: &Path,
    all: bool,
    limits: MeasuringLimits,
    watch: Watch<'_>,
) -> Result<Validated, RunError> {
    match all {
        true => validate_all_with(recipe, predictor, root, limits, Some(run), watch),
        false => validate_with(recipe, predictor, root, limits, &Supplied::default(), Some(run), watch),
    }
}

/// [`validate`] with what the program supplies, or [`validate_of_run`] if `run` is given.
pub(super) fn validate_with(
    recipe: &Recipe,
    predictor: &Predictor,
    root: &Path,
    limits: MeasuringLimits,
    supplied: &Supplied,
    run: Option<ModelRun<'_>>,
    watch: Watch<'_>,
) -> Result<Validated, RunError> {
    let Watch { progress, stop } = watch;
    if recipe.data().source == Source::Given {
        let text = format!(
            "the images of recipe `{}` were given by a Rust program (`data: given`), and no folder has them: measure there, \
             with `Trained::validate_on(&dataset)` or `engine::validate_on`",
            recipe.name()
        );
        return Err(DataError::one(Finding::new(FindingKind::Recipe, text)).into());
    }
    is_of(recipe, predictor)?;
    let (folds, networks) = (recipe.folds(), predictor.folds());
    if networks.is_empty() {
        // The model of one fold is measured on what that fold holds out.
        let fold = fold_of(recipe, predictor.meta());
        if fold.is_none() && !folds.is_empty() {
            let meta = predictor.meta();
            return Err(WeightsError::unfit(
                Path::new(&meta.recipe),
                format!("the recipe says `valid: {}`, and the model is of none of its folds", recipe.data().valid),
            )
            .into());
        }
        let recipe = fold.as_ref().unwrap_or(recipe);
        let mut dataset = opened(recipe, predictor.meta().size, root, Watch { progress: &mut *progress, stop })?;
        if let Some(run) = run {
            note_held_out(run, predictor, &mut dataset, Watch { progress: &mut *progress, stop })?;
        }
        let measuring = Measuring { recipe, predictor, limits, supplied, set: MeasuredSet::Valid };
        return measuring.on(dataset, Watch { progress, stop }).map(|looks| looks.evaluated(&measuring));
    }
    // Each fold as its own run measured it.
    let (mut all, mut told) = (Vec::with_capacity(folds.len()), Told::default());
    for (number, (fold, network)) in (1..).zip(folds.iter().zip(&networks)) {
        let mut progress = FoldProgress::new(&mut *progress, &mut told);
        let dataset = opened(fold, network.meta().size, root, Watch { progress: &mut progress, stop })?;
        if let Some(run) = run.filter(|run| run.own_data) {
            note_changes(&fold_folder(run.folder, number), &format!("fold {number}: "), &dataset, &mut progress)?;
        }
        let measuring = Measuring { recipe: fold, predictor: network, limits, supplied, set: MeasuredSet::Valid };
        all.push(measuring.on(dataset, Watch { progress: &mut progress, stop })?);
    }
    let whole = ModelLooks::joined(all).ok_or_else(|| {
        let model = predictor.meta().recipe.clone();
        WeightsError::OtherRecipe { model, wanted: recipe.name().to_string() }
    })?;
    Ok(whole.evaluated(&Measuring { recipe, predictor, limits, supplied, set: MeasuredSet::Valid }))
}

/// Measures the model of `recipe` on all images of the data in `root`, held out or not; for data that the model was not trained
/// on. An ensemble's predictions are averaged. Images in `root` that lie in one folder a class, without the folder of training
/// images or the csv file of the recipe, are measured as they lie. Otherwise like [`validate`].
///
/// # Errors
/// Those of [`validate`].
pub fn validate_all(
    recipe: &Recipe,
    predictor: &Predictor,
    root: &Path,
    limits: MeasuringLimits,
    watch: Watch<'_>,
) -> Result<Validated, RunError> {
    validate_all_with(recipe, predictor, root, limits, None, watch)
}

fn validate_all_with(
    recipe: &Recipe,
    predictor: &Predictor,
    root: &Path,
    limits: MeasuringLimits,
    run: Option<ModelRun<'_>>,
    watch: Watch<'_>,
) -> Result<Validated, RunError> {
    let Watch { progress, stop } = watch;
    is_of(recipe, predictor)?;
    let mut data = Data { test: None, ..recipe.data().clone() };
    if lies_by_class(recipe, predictor, root) {
        data.source = Source::Folders { train: ".".to_string() };
        data.valid = Valid::None;
        progress.note(&format!("the classes lie directly in {}: all images there are measured", root.display()));
    }
    let mut dataset = opened_as(data, recipe, predictor.meta().size, root, Watch { progress: &mut *progress, stop })?;
    let trained = std::mem::take(&mut dataset.train);
    dataset.valid.extend(trained);
    if let Some(run) = run {
        note_trained(run, recipe, predictor, root, &mut dataset, Watch { progress: &mut *progress, stop })?;
    }
    let measuring = Measuring { recipe, predictor, limits, supplied: &Supplied::default(), set: MeasuredSet::All };
    measuring.on(dataset, Watch { progress, stop }).map(|looks| looks.evaluated(&measuring))
}

/// Measures the model of `recipe` on the labelled test images of its data.
pub(super) fn test(
    recipe: &Recipe,
    predictor: &Predictor,
    limits: MeasuringLimits,
    supplied: &Supplied,
    watch: Watch<'_>,
) -> Result<Validated, RunError> {
    let Watch { progress, stop } = watch;
    let root = recipe.data().root_in(Path::new(""));
    let (data, size) = (recipe.data().clone(), predictor.meta().size);
    let mut dataset = opened_as(data, recipe, size, &root, Watch { progress: &mut *progress, stop })?;
    dataset.valid = std::mem::take(&mut dataset.test);
    let measuring = Measuring { recipe, predictor, limits, supplied, set: MeasuredSet::Test };
    measuring.on(dataset, Watch { progress, stop }).map(|looks| looks.evaluated(&measuring))
}

/// Measures the model of a recipe with `data: given` on the validation images of `dataset`. On the data set of the run, the
/// results equal those that the run reported.
///
/// # Errors
/// Labels of another task, a class unknown to the model, findings about the images, [`RunError::TooLarge`],
/// [`RunError::Stopped`].
pub fn validate_on(
    recipe: &Recipe,
    predictor: &Predictor,
    dataset: &Dataset,
    limits: MeasuringLimits,
    watch: Watch<'_>,
) -> Result<Validated, RunError> {
    validate_on_with(recipe, predictor, dataset, limits, &Supplied::default(), watch)
}

/// [`validate_on`] with what the program supplies.
pub(super) fn validate_on_with(
    recipe: &Recipe,
    predictor: &Predictor,
    dataset: &Dataset,
    limits: MeasuringLimits,
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
        health.notes(&dataset.root, &dataset.split).iter().for_each(|note| progress.note(note));
    }
    let measuring = Measuring { recipe, predictor, limits, supplied, set: MeasuredSet::Valid };
    measuring.on(dataset, Watch { progress, stop }).map(|looks| looks.evaluated(&measuring))
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

/// A model that is measured.
struct Measuring<'a> {
    recipe: &'a Recipe,
    predictor: &'a Predictor,
    limits: MeasuringLimits,
    supplied: &'a Supplied,
    set: MeasuredSet,
}

/// What a model says of labelled images.
struct ModelLooks {
    ids: Vec<String>,
    truth: Truth,
    metrics: Vec<Box<dyn Measure>>,
    plain: Look,
    tta: Option<Look>,
}

impl ModelLooks {
    /// Those of the folds of one recipe, one after the other; `None` if their labels differ in kind.
    fn joined(folds: Vec<ModelLooks>) -> Option<ModelLooks> {
        let truth = Truth::concat(&folds.iter().map(|fold| &fold.truth).collect::<Vec<_>>())?;
        let plain = Look::out_of_fold(&folds.iter().map(|fold| &fold.plain).collect::<Vec<_>>())?;
        let averaged: Option<Vec<&Look>> = folds.iter().map(|fold| fold.tta.as_ref()).collect();
        let tta = averaged.and_then(|all| Look::out_of_fold(&all));
        let ids = folds.iter().flat_map(|fold| fold.ids.iter().cloned()).collect();
        // A fold may lack what a metric needs, which all folds together have.
        let metrics = folds.into_iter().map(|fold| fold.metrics).max_by_key(Vec::len)?;
        Some(ModelLooks { ids, truth, metrics, plain, tta })
    }

    fn evaluated(self, of: &Measuring<'_>) -> Validated {
        let ModelLooks { ids, truth, metrics, plain, tta } = self;
        let meta = of.predictor.meta();
        let measured = |look: Look, counter: usize| Measured {
            evaluation: measured::evaluation(of.set, &look, &truth, &metrics, meta.seed, &[counter as u64]),
            predictions: Predictions::new(ids.clone(), meta.classes.clone(), look.probabilities, Some(truth.clone())),
        };
        let tta_step = of.recipe.last_tta().map_or(0, |(index, _)| index);
        Validated { plain: measured(plain, of.recipe.steps().len()), tta: tta.map(|look| measured(look, tta_step)) }
    }
}

impl Measuring<'_> {
    /// Predicts the validation images of `dataset`, the mean over the networks.
    fn on(&self, mut dataset: Dataset, watch: Watch<'_>) -> Result<ModelLooks, RunError> {
        let Measuring { recipe, predictor, limits, supplied: own, set } = *self;
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
        let truth = truth.ok_or_else(|| {
            let other = match recipe.data().source {
                Source::Given => "",
                _ => "; `fastai validate RUN --data DIR` measures on all images of another folder",
            };
            let text = format!("the recipe holds out no images: there is nothing to measure on{other}");
            DataError::one(Finding::new(FindingKind::TooFew { part: DataPart::Valid }, text))
        })?;
        let preparation = Preparation {
            transforms: meta.transforms.clone(),
            stats: meta.stats(),
            batch: batch_of(meta.batch, &dataset) as usize,
            workers: limits.workers.unwrap_or_else(rayon::current_num_threads),
            seed: meta.seed,
        };
        let images = ImageSet::new(&dataset.valid).reading(Reading::of(recipe.data().resize_to));
        let examples = ImageExamples::new(images, preparation);
        let classes = meta.classes.len();
        let mut metrics = supplied::measures(recipe, &own.metrics)?;
        metrics.retain(|metric| {
            let left_out = measured::left_out(std::slice::from_ref(metric), set.described(), &truth, &meta.classes);
            // The others may say something of these images.
            let notes = left_out.as_ref().map_or_else(|why| std::slice::from_ref(&why.text), Vec::as_slice);
            notes.iter().for_each(|note| progress.note(note));
            left_out.is_ok()
        });
        if recipe.loss() == LossSpec::Given && own.loss.is_none() {
            progress.note("the loss is that of a Rust program (`loss: given`) and is not measured here");
        }
        let of_recipe = || {
            let device = predictor.device().clone().without_autodiff();
            criterion(recipe.loss(), recipe.task(), weights, 0.0, &device)
        };
        let loss = own.loss.clone().or_else(of_recipe).map(|criterion| Loss::of_criterion(truth.clone(), criterion));
        let probabilities = |values: Vec<f32>| Probabilities::of_logits(recipe.task(), values, classes);
        let parts = self.parts(&dataset, progress)?;
        let (mut plain, mut averaged, mut losses) = (Vec::new(), Vec::new(), Vec::new());
        for network in predictor.networks() {
            let mut learner = Learner::new(network.clone(), predictor.device().clone());
            learner.set_parts(parts);
            let mut logits = |pass: &Traversal, what: &str| {
                learner.logits(&examples, pass, what, Watch { progress: &mut *progress, stop })
            };
            let values = match logits(&Traversal::Plain, "images, plain prediction") {
                Ok(values) => values,
                Err(RunError::Data(first)) => return Err(all_broken(recipe, meta.size, dataset, stop, first)),
                Err(error) => return Err(error),
            };
            losses.push(loss.as_ref().map_or(Ok(f64::NAN), |loss| loss.of_all(&values))?);
            let said = probabilities(values);
            if let Some((_, n_aug)) = recipe.last_tta() {
                averaged.push(augmented(&said, n_aug, |pass, what| logits(pass, what).map(probabilities))?);
            }
            plain.push(said);
        }
        let one = losses.len() == 1;
        let plain = mean(plain);
        let of_mean = || loss.as_ref().map_or(Ok(f64::NAN), |loss| loss.of_predictions(&plain));
        let mean_loss = if one { losses[0] } else { of_mean()? };
        let averaged = recipe.last_tta().map(|(_, n_aug)| Look::averaged(mean(averaged), n_aug, loss.as_ref()));
        let tta = averaged.transpose()?;
        let ids = dataset.valid.iter().map(|item| item.id.clone()).collect();
        Ok(ModelLooks { ids, truth, metrics, plain: Look::plain(plain, mean_loss), tta })
    }

    /// The parts in which a batch passes the body so that it fits into memory, as far as that can be estimated from the layers.
    /// Notes several parts.
    fn parts(&self, dataset: &Dataset, progress: &mut dyn Progress) -> Result<usize, RunError> {
        let meta = self.predictor.meta();
        let mut plan = Plan::new(self.recipe, &dataset.facts());
        let is_on_cpu = device::is_cpu(self.predictor.device());
        let Some(last) = plan.stages.pop().filter(|_| is_on_cpu) else { return Ok(1) };
        let step = FailedStep::of(plan.stages.len(), &last);
        // What comes after the last step needs what `tta` does.
        let state = State { size: meta.size, batch: batch_of(meta.batch, dataset), ..last.state.clone() };
        plan.stages = vec![Stage { step: Step::Tta { n_aug: 1 }, state, ..last }];
        let parts = fits_memory(self.recipe, &plan, self.limits.memory).map_err(|error| match error {
            RunError::TooLarge { needs, there, stated, .. } => {
                let lower = match stated {
                    true => format!("`--memory {}M` is enough", needs.div_ceil(1_000_000)),
                    false if memory::address_space() == Some(there) => {
                        "measure it with a higher `ulimit -v`".to_string()
                    }
                    false => "measure it on a machine with more memory".to_string(),
                };
                RunError::TooLarge { step, needs, there, stated, lower }
            }
            other => other,
        })?;
        let parts = parts.first().copied().unwrap_or(1);
        if parts > 1 {
            progress.note(&in_parts(&plan.stages[0], parts));
        }
        Ok(parts)
    }
}

/// The images of a batch: not more than there are, as memory is planned for a whole batch.
fn batch_of(batch: u32, dataset: &Dataset) -> u32 {
    batch.min(u32::try_from(dataset.valid.len()).unwrap_or(u32::MAX)).max(1)
}
