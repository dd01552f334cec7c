//! Running a recipe that is a type.

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

/// Runs a recipe: every [`Experiment`] has it.
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

    /// Goes on with a run of this recipe that ended before it was complete. See [`resume`].
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

// Derived, it would ask for `E: Debug`, and a recipe's type has nothing to show.
impl<E> std::fmt::Debug for Trained<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trained").field("outcome", &self.outcome).finish()
    }
}

impl<E: Experiment> Trained<E> {
    /// Loads what a run of this recipe left: `run` is its folder, or a model file in it.
    ///
    /// # Errors
    /// A model of another recipe, by name, or of an earlier text of this one: the lines that differ are shown.
    pub fn load(run: impl AsRef<Path>) -> Result<Self, RunError> {
        let run = run.as_ref();
        let recipe = E::recipe();
        let picked = device::pick(recipe.device())?;
        let predictor = Predictor::load(run, None, &picked.device)?;
        let meta = predictor.meta();
        let refused = |why: String| Err(RunError::Weights(WeightsError(format!("{}: {why}", run.display()))));
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
            // A model file knows what it is, but not what it reached.
            Err(_) => Summary {
                name: meta.recipe.clone(),
                recipe: meta.text.clone(),
                classes: meta.classes.clone(),
                seed: meta.seed,
                ..Summary::default()
            },
        };
        let folder = if run.is_dir() { run } else { run.parent().unwrap_or(run) }.to_path_buf();
        Ok(Trained { outcome: Outcome::loaded(predictor, summary, folder), recipe: PhantomData })
    }

    /// Probabilities of image files, in their order. See [`Outcome::predict`].
    ///
    /// # Errors
    /// Those of [`Outcome::predict`].
    pub fn predict(&self, paths: &[PathBuf]) -> Result<Predictions<E::Task>, RunError> {
        self.outcome.predict(paths).map(Predictions::into_task)
    }

    /// Predictions of the images that the recipe holds out, with what is true of them. See [`validate`].
    ///
    /// The recipe's data folder is looked for where it was when the network was trained.
    ///
    /// # Errors
    /// Those of [`validate`]; with `data: given` the images must be given again, to [`validate_on`](Self::validate_on).
    pub fn validate(&self) -> Result<Validated<E::Task>, RunError> {
        let recipe = E::recipe();
        let root = Path::new(&self.outcome.summary.directory).join(&recipe.data().root);
        let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
        validate(&recipe, &self.outcome.predictor(), &root, None, watch).map(Validated::of_task)
    }

    /// Predictions of the images that `dataset` holds out, with what is true of them. See [`validate_on`].
    ///
    /// # Errors
    /// Those of [`validate_on`].
    pub fn validate_on(&self, dataset: &Dataset) -> Result<Validated<E::Task>, RunError> {
        let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
        validate_on(&E::recipe(), &self.outcome.predictor(), dataset, None, watch).map(Validated::of_task)
    }
}
