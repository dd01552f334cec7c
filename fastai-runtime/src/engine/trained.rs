//! Runs recipes that are types.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use fastai_dsl::{Classified, Experiment, model_text};

use super::supplied::Supplied;
use super::text_differences::text_differences;
use super::validate::{MeasuringLimits, validate_on_with, validate_with};
use super::{Outcome, RunOptions, Validated, resume, run};
use crate::data::{Dataset, RgbImage};
use crate::models::{ModelMeta, WeightsError};
use crate::predict::{IN_MEMORY, Prediction, Predictions, Predictor, class_differences};
use crate::progress::{Progress, Silent, StopSignal, Watch};
use crate::report::{BatchRow, Summary};
use crate::summary_file::SUMMARY;
use crate::{RunError, device, slow_kernels};

/// Runs a recipe; implemented for every [`Experiment`].
pub trait Run: Experiment {
    /// Runs the recipe without progress output. See [`run`].
    ///
    /// If the kernels are not optimised, the program says so once on standard error.
    ///
    /// # Errors
    /// Those of [`run`].
    fn run(options: &RunOptions) -> Result<Trained<Self>, RunError> {
        slow_kernels::warn();
        Self::run_with(options, &mut Silent)
    }

    /// Runs the recipe and reports to `progress`. See [`run`].
    ///
    /// # Errors
    /// Those of [`run`].
    fn run_with(options: &RunOptions, progress: &mut dyn Progress) -> Result<Trained<Self>, RunError> {
        let outcome = run(&Self::recipe(), &of_these_classes::<Self>(options), progress)?;
        Ok(Trained { outcome, recipe: PhantomData })
    }

    /// Continues an incomplete run of this recipe. See [`resume`].
    ///
    /// # Errors
    /// Those of [`resume`].
    fn resume(folder: &Path, options: &RunOptions, progress: &mut dyn Progress) -> Result<Trained<Self>, RunError> {
        let outcome = resume(&Self::recipe(), folder, &of_these_classes::<Self>(options), progress)?;
        Ok(Trained { outcome, recipe: PhantomData })
    }
}

impl<E: Experiment> Run for E {}

/// The options, with the classes of the recipe's type unless they name some.
fn of_these_classes<E: Experiment>(options: &RunOptions) -> RunOptions {
    let stated = || E::CLASSES.map(|classes| classes.iter().map(ToString::to_string).collect());
    RunOptions { classes: options.classes.clone().or_else(stated), ..options.clone() }
}

/// The trained network of recipe `E`.
pub struct Trained<E> {
    /// The run.
    pub outcome: Outcome,
    recipe: PhantomData<fn() -> E>,
}

// A derived implementation would require `E: Debug`, which recipe types lack.
impl<E> std::fmt::Debug for Trained<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trained").field("outcome", &self.outcome).finish()
    }
}

impl<E: Experiment> Trained<E> {
    /// Loads the result of a run of this recipe: `run` is its folder, or a model file in it.
    ///
    /// # Errors
    /// If there is no model or it is damaged; if it belongs to a recipe with another name, or to an earlier text of this recipe
    /// (the error shows the lines that differ); if the recipe's data have a summary and the model has other classes (the error
    /// names them).
    pub fn load(run: impl AsRef<Path>) -> Result<Self, RunError> {
        let run = run.as_ref();
        let picked = device::pick(E::recipe().device())?;
        let predictor = Predictor::load(run, None, &picked.device)?;
        fits::<E>(predictor.meta(), run)?;
        let summary = match Summary::read(run) {
            Ok(summary) => summary,
            Err(error) if run.join(SUMMARY).is_file() => return Err(error),
            Err(_) => without_results(predictor.meta()),
        };
        let folder = if run.is_dir() { run } else { run.parent().unwrap_or(run) }.to_path_buf();
        let batches = BatchRow::read(&folder)?;
        Ok(Trained { outcome: Outcome::loaded(predictor, summary, folder, batches), recipe: PhantomData })
    }

    /// Loads a model of this recipe from the bytes of its `.safetensors` file, such as those that `include_model!` embeds. The
    /// result has no run folder and no results of the run.
    ///
    /// # Errors
    /// Those of [`load`](Self::load).
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, RunError> {
        let picked = device::pick(E::recipe().device())?;
        let predictor = Predictor::from_bytes(bytes, &picked.device)?;
        fits::<E>(predictor.meta(), Path::new(IN_MEMORY))?;
        let summary = without_results(predictor.meta());
        let outcome = Outcome::loaded(predictor, summary, PathBuf::new(), Vec::new());
        Ok(Trained { outcome, recipe: PhantomData })
    }

    /// Makes [`validate`](Self::validate) and [`validate_on`](Self::validate_on) use the loss and the metrics of these options,
    /// as in a run with them.
    #[must_use]
    pub fn measuring_with(mut self, options: &RunOptions) -> Self {
        self.outcome.supplied = Supplied::of(options);
        self
    }

    /// Returns the probabilities of image files, `[image, class]`, in their order. See [`Outcome::predict`].
    ///
    /// # Errors
    /// Those of [`Outcome::predict`].
    pub fn predict(&self, paths: &[PathBuf]) -> Result<Predictions<E::Task>, RunError> {
        self.outcome.predict(paths).map(Predictions::into_task)
    }

    /// Returns the probabilities of images in memory, `[image, class]`, in their order. See [`Predictor::predict`]. A program
    /// that predicts often keeps [`Outcome::predictor`].
    ///
    /// # Errors
    /// Those of [`Predictor::predict`].
    pub fn predict_images(&self, images: &[RgbImage]) -> Result<Predictions<E::Task>, RunError> {
        self.outcome.predictor().predict(images).map(Predictions::into_task)
    }

    /// Returns a prediction for each image in memory, in their order, with the classes as a type.
    ///
    /// # Errors
    /// Those of [`Predictor::predict`].
    pub fn classify(&self, images: &[RgbImage]) -> Result<Vec<Prediction<E>>, RunError>
    where
        E: Classified,
    {
        Ok(typed(&self.predict_images(images)?))
    }

    /// Returns a prediction for each image file, in their order, with the classes as a type.
    ///
    /// # Errors
    /// Those of [`Outcome::predict`].
    pub fn classify_files(&self, paths: &[PathBuf]) -> Result<Vec<Prediction<E>>, RunError>
    where
        E: Classified,
    {
        Ok(typed(&self.predict(paths)?))
    }

    /// Returns predictions for the recipe's validation images, with their labels. See [`validate`](super::validate()).
    ///
    /// The recipe's data folder must be where it was during training.
    ///
    /// # Errors
    /// Those of [`validate`](super::validate()). With `data: given`, call [`validate_on`](Self::validate_on) with the images
    /// instead.
    pub fn validate(&self) -> Result<Validated<E::Task>, RunError> {
        let recipe = E::recipe();
        let directory = self.outcome.summary.directory.as_deref().unwrap_or(Path::new(""));
        let root = recipe.data().root_in(directory);
        let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
        let limits = MeasuringLimits::default();
        validate_with(&recipe, &self.outcome.predictor(), &root, limits, &self.outcome.supplied, None, watch)
            .map(Validated::of_task)
    }

    /// Returns predictions for the validation images of `dataset`, with their labels. See [`validate_on`](super::validate_on).
    ///
    /// # Errors
    /// Those of [`validate_on`](super::validate_on).
    pub fn validate_on(&self, dataset: &Dataset) -> Result<Validated<E::Task>, RunError> {
        let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
        let limits = MeasuringLimits::default();
        validate_on_with(&E::recipe(), &self.outcome.predictor(), dataset, limits, &self.outcome.supplied, watch)
            .map(Validated::of_task)
    }
}

/// The classes were compared when the run began or the model was loaded.
fn typed<E: Classified, T>(predictions: &Predictions<T>) -> Vec<Prediction<E>> {
    predictions.probabilities.rows().map(|row| Prediction::new(row.to_vec())).collect()
}

/// # Errors
/// If a model belongs to another recipe than `E`, to another text of it, or to other classes.
fn fits<E: Experiment>(meta: &ModelMeta, source: &Path) -> Result<(), RunError> {
    let refused = |why: String| Err(WeightsError::unfit(source, why).into());
    if meta.recipe != E::NAME {
        return refused(format!("a model of recipe `{}`, not of `{}`", meta.recipe, E::NAME));
    }
    let (trained, texts) = (model_text(&meta.text), E::recipe().model_texts());
    if !texts.contains(&trained) {
        let differs = text_differences(&trained, &texts[0]);
        return refused(format!(
            "recipe `{}` has changed since it was trained (- as trained, + now):\n{}\ntrain it again, or load it as the \
             recipe that it was",
            E::NAME,
            differs.join("\n")
        ));
    }
    if let Some(differences) = E::CLASSES.and_then(|classes| class_differences(classes, &meta.classes)) {
        return refused(format!(
            "the model's classes are not those of recipe `{}`: {differences}; train it again, or write the summary of the \
             data anew with `fastai prepare`",
            E::NAME
        ));
    }
    Ok(())
}

/// The summary for a model file, which has no results of its run.
fn without_results(meta: &ModelMeta) -> Summary {
    Summary {
        name: meta.recipe.clone(),
        recipe: meta.text.clone(),
        classes: meta.classes.clone(),
        seed: meta.seed,
        ..Summary::default()
    }
}
