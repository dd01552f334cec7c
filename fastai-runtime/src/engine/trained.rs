//! Runs recipes that are types.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use fastai_dsl::Experiment;

use super::snapshot::text_differences;
use super::{Outcome, RunOptions, Validated, resume, run, validate, validate_on};
use crate::data::Dataset;
use crate::models::WeightsError;
use crate::predict::{Predictions, Predictor};
use crate::progress::{Progress, Silent, StopSignal, Watch};
use crate::report::Summary;
use crate::{RunError, device};

/// Runs a recipe; implemented for every [`Experiment`].
pub trait Run: Experiment {
    /// Runs the recipe silently. See [`run`].
    ///
    /// # Errors
    /// Those of [`run`].
    fn run(options: &RunOptions) -> Result<Trained<Self>, RunError> {
        Self::run_with(options, &mut Silent)
    }

    /// Runs the recipe and reports to `progress`. See [`run`].
    ///
    /// # Errors
    /// Those of [`run`].
    fn run_with(options: &RunOptions, progress: &mut dyn Progress) -> Result<Trained<Self>, RunError> {
        let outcome = run(&Self::recipe(), options, progress)?;
        Ok(Trained { outcome, recipe: PhantomData })
    }

    /// Continues an incomplete run of this recipe. See [`resume`].
    ///
    /// # Errors
    /// Those of [`resume`].
    fn resume(folder: &Path, options: &RunOptions, progress: &mut dyn Progress) -> Result<Trained<Self>, RunError> {
        let outcome = resume(&Self::recipe(), folder, options, progress)?;
        Ok(Trained { outcome, recipe: PhantomData })
    }
}

impl<E: Experiment> Run for E {}

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
    /// If the model belongs to another recipe, by name, or to an earlier text of this one; the error shows the lines that
    /// differ.
    pub fn load(run: impl AsRef<Path>) -> Result<Self, RunError> {
        let run = run.as_ref();
        let recipe = E::recipe();
        let picked = device::pick(recipe.device())?;
        let predictor = Predictor::load(run, None, &picked.device)?;
        let meta = predictor.meta();
        let refused = |why: String| Err(WeightsError::unfit(run, why).into());
        if meta.recipe != E::NAME {
            return refused(format!("a model of recipe `{}`, not of `{}`", meta.recipe, E::NAME));
        }
        let code = |text: &str| -> String {
            text.lines().filter(|line| !line.starts_with("///")).map(|line| format!("{line}\n")).collect()
        };
        let differs = text_differences(&code(&meta.text), &code(&recipe.to_string()));
        if !differs.is_empty() {
            return refused(format!(
                "recipe `{}` has changed since it was trained (- as trained, + now):\n{}\ntrain it again, or load it as \
                 the recipe that it was",
                E::NAME,
                differs.join("\n")
            ));
        }
        let summary = match Summary::read(run) {
            Ok(summary) => summary,
            Err(error) if run.join("summary.json").is_file() => return Err(error),
            // A model file has no results of its run.
            Err(_) => Summary {
                name: meta.recipe.clone(),
                recipe: meta.text.clone(),
                classes: meta.classes.clone(),
                seed: meta.seed,
                ..Summary::default()
            },
        };
        let folder = if run.is_dir() { run } else { run.parent().unwrap_or(run) }.to_path_buf();
        Ok(Trained { outcome: Outcome::loaded(predictor, summary, folder)?, recipe: PhantomData })
    }

    /// Probabilities of image files, in their order. See [`Outcome::predict`].
    ///
    /// # Errors
    /// Those of [`Outcome::predict`].
    pub fn predict(&self, paths: &[PathBuf]) -> Result<Predictions<E::Task>, RunError> {
        self.outcome.predict(paths).map(Predictions::into_task)
    }

    /// Returns predictions for the recipe's validation images, with their labels. See [`validate`].
    ///
    /// The recipe's data folder must be where it was during training.
    ///
    /// # Errors
    /// Those of [`validate`]. With `data: given`, call [`validate_on`](Self::validate_on) with the images instead.
    pub fn validate(&self) -> Result<Validated<E::Task>, RunError> {
        let recipe = E::recipe();
        let root = Path::new(&self.outcome.summary.directory).join(&recipe.data().root);
        let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
        validate(&recipe, &self.outcome.predictor(), &root, None, watch).map(Validated::of_task)
    }

    /// Returns predictions for the validation images of `dataset`, with their labels. See [`validate_on`].
    ///
    /// # Errors
    /// Those of [`validate_on`].
    pub fn validate_on(&self, dataset: &Dataset) -> Result<Validated<E::Task>, RunError> {
        let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
        validate_on(&E::recipe(), &self.outcome.predictor(), dataset, None, watch).map(Validated::of_task)
    }
}
