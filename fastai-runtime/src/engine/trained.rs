//! Running a recipe that is a type.

use std::marker::PhantomData;
use std::path::PathBuf;

use fastai_dsl::Experiment;

use super::{Outcome, RunOptions, run};
use crate::RunError;
use crate::predict::Predictions;
use crate::progress::{Progress, Silent};

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
}

impl<E: Experiment> Run for E {}

/// The trained network of recipe `E`.
#[derive(Debug)]
pub struct Trained<E> {
    /// The run.
    pub outcome: Outcome,
    recipe: PhantomData<fn() -> E>,
}

impl<E: Experiment> Trained<E> {
    /// Probabilities of image files, in their order. See [`Outcome::predict`].
    ///
    /// # Errors
    /// Those of [`Outcome::predict`].
    pub fn predict(&self, paths: &[PathBuf]) -> Result<Predictions<E::Task>, RunError> {
        self.outcome.predict(paths).map(Predictions::of_task)
    }
}
