//! Executes checked recipes: [`run`], [`resume`], [`validate`](validate()) and [`probe`](probe()).

mod beginning;
mod changed_data;
mod course_watch;
mod data_digest;
#[cfg(test)]
mod drawn;
mod ending;
mod fold_of_model;
mod folds;
mod keeping;
mod kept_run;
mod measured;
mod measured_data;
mod opening;
mod outcome;
mod paused;
mod place;
mod predictions;
mod probe;
mod restoring;
mod room;
mod session;
mod sets;
mod snapshot;
mod snapshot_folder;
mod snapshot_moment;
mod steps;
mod supplied;
mod survey;
mod text_differences;
mod told;
mod trained;
mod trained_images;
mod trained_record;
mod truths;
mod validate;
mod validated;
mod wanted_caches;
mod worst;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastai_dsl::Recipe;

pub use changed_data::ModelRun;
pub use measured_data::lies_by_class;
pub use outcome::{HeldOut, Outcome};
pub use place::RunPlace;
pub use probe::{Probed, ProbedStage, probe};
#[doc(hidden)]
pub use room::{fits_memory, images_of_part, notes_of_parts};
pub use survey::Surveys;
pub use trained::{Run, Trained};
pub use validate::{MeasuringLimits, validate, validate_all, validate_of_run, validate_on};
pub use validated::{Measured, Validated};
pub use wanted_caches::{WantedCache, WantedCaches, wanted_caches};

use crate::RunError;
use crate::data::Dataset;
use crate::device::{DeviceError, DeviceRequest, MOST_THREADS};
use crate::error::ResumeError;
use crate::metrics::Measure;
use crate::progress::{Progress, StopSignal};
use crate::report::{Status, Summary};
use crate::train::Criterion;
use paused::{Paused, as_begun};
use session::Session;

/// Options of a run that are not part of the recipe.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Overrides the recipe's device.
    pub device: Option<DeviceRequest>,
    /// The run folder; default `runs/NAME-TIME`.
    pub out: Option<PathBuf>,
    /// Overrides the recipe's seed.
    pub seed: Option<u64>,
    /// CPU threads, 1 to 1024; default all cores. Other numbers are an error.
    pub threads: Option<usize>,
    /// Bytes that the network may take on the CPU; default all memory that the process may have. Batches that need more pass the
    /// body in parts.
    pub memory: Option<u64>,
    /// Runs two batches per stage to test that every stage works; the results mean nothing.
    pub smoke: bool,
    /// Where activations are cached; default `$FASTAI_CACHE`, else `.fastai/activations` in the working directory.
    pub cache: Option<PathBuf>,
    /// The images for a recipe with `data: given`; the recipe's batch size and policies apply.
    pub dataset: Option<Dataset>,
    /// The loss for a recipe with `loss: given`. [`resume`] needs the same loss again.
    pub loss: Option<Arc<dyn Criterion>>,
    /// Metrics of the program, in addition to those of the recipe. [`resume`] needs the same metrics again.
    pub metrics: Vec<Arc<dyn Measure>>,
    /// The classes that the data must have, in their order; default any classes. If the data have others, an error names the
    /// differences before training. [`Run`] sets the classes of a recipe with a summary.
    pub classes: Option<Vec<String>>,
    /// Asks the run to stop at the next batch.
    pub stop: StopSignal,
    /// Time after which a fit keeps its state, so that a killed run can continue from there; default a minute, zero keeps every
    /// batch. Unless it is zero, a state that takes long to write is kept less often: writing takes at most a hundredth of the
    /// time.
    pub snapshot_every: Option<Duration>,
    /// Overrides whether the recipe's `report.html` is written.
    pub report: Option<bool>,
    /// Receives the run folder as soon as the run has one, also if the run fails later.
    pub place: RunPlace,
    /// Shares the surveys of data sets with other runs; default a survey per run. Ignored with `dataset`.
    pub surveys: Option<Surveys>,
}

/// Runs the recipe: opens the weights, the device and the data set, runs preflight, executes the steps, and writes the
/// report of the run folder.
///
/// Equal recipes, data, seeds and devices yield equal weights, on any number of threads.
///
/// A recipe with `valid: folds(5)` trains each fold in turn, in the folders `folds/1` to `folds/5` of the run folder, and its
/// outcome is the ensemble of their networks.
///
/// # Errors
/// Before training: missing weights, a missing device, all findings about the data at once, a network that does not fit into
/// memory, an output folder that cannot be written. During training: a loss that is no longer finite, a finder without a
/// suggestion, a failing device, a full disk. A stopped run saves its weights and returns [`RunError::Stopped`]; the run folder
/// of a stopped or failed run keeps the results so far.
pub fn run(recipe: &Recipe, options: &RunOptions, progress: &mut dyn Progress) -> Result<Outcome, RunError> {
    on_threads(options, || match recipe.data().valid.turns() {
        Some(_) => folds::run(recipe, options, progress),
        None => run_here(recipe, options, progress, None, None),
    })
}

/// Continues the run in `folder`, which was stopped, failed or was killed, from the last state that it kept.
///
/// On the CPU, the final weights and the figures of every epoch equal those of an uninterrupted run bit for bit.
/// `options.out` is ignored; seed and `smoke` must match those of the run or be absent.
///
/// # Errors
/// [`RunError::Resume`] if the run is complete, if another process executes it, or if recipe, seed or data differ from
/// those of the run; the error names every difference. Otherwise those of [`run`].
pub fn resume(
    recipe: &Recipe,
    folder: &Path,
    options: &RunOptions,
    progress: &mut dyn Progress,
) -> Result<Outcome, RunError> {
    if recipe.data().valid.turns().is_some() || folds::exists(folder) {
        return on_threads(options, || folds::resume(recipe, folder, options, progress));
    }
    let paused = Paused::take(recipe, folder, options)?;
    let recipe = &as_begun(&paused.snapshot.recipe, recipe);
    on_threads(options, || run_here(recipe, options, progress, Some(paused), None))
}

/// Whether the run in `folder` can continue: it has begun and is not complete.
pub fn is_unfinished(folder: &Path) -> bool {
    snapshot_folder::SnapshotFolder::exists(folder) || folds::exists(folder)
}

/// Returns the text of the recipe with which the run in `folder` began, from its snapshot.
///
/// # Errors
/// If there is no snapshot, it is damaged, or another process executes the run.
pub fn recipe_of_run(folder: &Path) -> Result<String, RunError> {
    if folds::exists(folder) {
        return folds::recipe_of(folder);
    }
    Ok(snapshot_folder::SnapshotFolder::take(folder)?.read()?.0.recipe)
}

/// Returns the summary of the run in `folder`; `None` if the run is not complete. Also removes what a process left that was
/// killed right after the end of the run.
///
/// # Errors
/// If the summary is damaged or was edited.
pub fn completed(folder: &Path) -> Result<Option<Summary>, RunError> {
    if is_unfinished(folder) || !folder.join(Summary::FILE).is_file() {
        return Ok(None);
    }
    let complete = Some(Summary::read(folder)?).filter(|summary| summary.status == Status::Complete);
    if complete.is_some() {
        snapshot_folder::SnapshotFolder::sweep_complete(folder);
    }
    Ok(complete)
}

/// Checks that the complete run in `folder`, with that summary, is the one that is asked for: of `recipe`, unless that is its
/// own, and of the seed and the `smoke` of `options`, as [`resume`] would.
///
/// # Errors
/// [`ResumeError::CompleteOther`], which names every difference.
#[doc(hidden)]
pub fn is_as_begun(
    folder: &Path,
    summary: &Summary,
    recipe: Option<&Recipe>,
    options: &RunOptions,
) -> Result<(), RunError> {
    match paused::ended(folder, summary, recipe, options) {
        ResumeError::Complete(_) => Ok(()),
        other => Err(other.into()),
    }
}

fn on_threads<T: Send>(options: &RunOptions, work: impl FnOnce() -> Result<T, RunError> + Send) -> Result<T, RunError> {
    let Some(threads) = options.threads else { return work() };
    if !(1..=MOST_THREADS).contains(&threads) {
        return Err(DeviceError::ThreadCount { threads }.into());
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|reason| DeviceError::Threads { threads, reason })?;
    pool.install(work)
}

/// Runs a recipe that holds the same images out throughout: on its own, or as one of several folds that are held out in turn.
fn run_here(
    recipe: &Recipe,
    options: &RunOptions,
    progress: &mut dyn Progress,
    paused: Option<Paused>,
    fold: Option<folds::OneFold<'_>>,
) -> Result<Outcome, RunError> {
    let started = Instant::now();
    let mut session = Session::open(recipe, options, progress, paused, fold.map(|fold| fold.across))?;
    let result = session.run_unfinished(started);
    session.summary.seconds = session.wall_time(started.elapsed().as_secs_f64());
    match result {
        Ok(()) => session.complete(fold.map(|fold| fold.keep)),
        Err(RunError::Stopped(_)) => Err(session.stopped()),
        Err(error) => Err(session.failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_threads_has_a_range() {
        for threads in [0, 1025, 100_000] {
            let options = RunOptions { threads: Some(threads), ..RunOptions::default() };
            let error = on_threads(&options, || Ok(())).unwrap_err().to_string();
            assert!(error.contains(&format!("on {threads} threads")) && error.contains("1 to 1024"), "{error}");
        }
    }
}
