//! Executes a checked recipe.

mod measured;
mod outcome;
mod paused;
mod predictions;
mod probe;
mod session;
mod sets;
mod snapshot;
mod steps;
mod trained;
mod validate;
mod worst;

use std::path::{Path, PathBuf};
use std::time::Instant;

use fastai_dsl::{DeviceWish, Recipe};

pub use outcome::Outcome;
pub use probe::{Probed, ProbedStage, probe};
pub use trained::{Run, Trained};
pub use validate::{Measured, Validated, validate, validate_on};

use crate::RunError;
use crate::data::Dataset;
use crate::progress::{Progress, StopSignal};
use paused::Paused;
use session::Session;

/// How to run, as opposed to what.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Overrides the recipe's device.
    pub device: Option<DeviceWish>,
    /// The run folder; default `runs/NAME-TIME`.
    pub out: Option<PathBuf>,
    /// Overrides the recipe's seed.
    pub seed: Option<u64>,
    /// CPU threads; default all cores.
    pub threads: Option<usize>,
    /// Two batches a stage: does it run at all?
    pub smoke: bool,
    /// Where activations are cached; default `$FASTAI_CACHE`, else `.fastai/activations` in the working directory.
    pub cache: Option<PathBuf>,
    /// The images of a recipe that says `data: given`, whose batch size and policies hold.
    pub dataset: Option<Dataset>,
    /// Asks the run to stop at the next batch.
    pub stop: StopSignal,
}

/// Runs the recipe: weights, device, data set and preflight first, then step after step, then the run folder's report.
///
/// The same recipe, data, seed and device give the same weights, on any number of threads.
///
/// # Errors
/// Whatever can be found before training starts is: missing weights, a missing device, everything that is wrong with the
/// data at once, an output folder that cannot be written. Later, a loss that diverges, a finder that suggests nothing, a
/// full disk. A run that was stopped saves its weights and gives [`RunError::Stopped`]; the run folder of a stopped or
/// failed run keeps what was reached.
pub fn run(recipe: &Recipe, options: &RunOptions, progress: &mut dyn Progress) -> Result<Outcome, RunError> {
    on_threads(options, || run_here(recipe, options, progress, None))
}

/// Goes on with the run in `folder` after its last finished stage, however it ended: stopped, failed or killed.
///
/// On the CPU the weights that it ends with are bit for bit those of a run that was never interrupted, and so are the
/// figures of every epoch. Of `options`, `out` is not used, and seed and `smoke` must be those of the run or not given.
///
/// # Errors
/// [`RunError::Resume`] if the run is complete, another process runs it, or recipe, seed or data are not those it began
/// with: everything that differs is named. Then those of [`run`].
pub fn resume(
    recipe: &Recipe,
    folder: &Path,
    options: &RunOptions,
    progress: &mut dyn Progress,
) -> Result<Outcome, RunError> {
    let paused = Paused::take(recipe, folder, options)?;
    on_threads(options, || run_here(recipe, options, progress, Some(paused)))
}

/// Whether the run in `folder` can go on: it was begun, and is not complete.
pub fn is_unfinished(folder: &Path) -> bool {
    snapshot::SnapshotFolder::exists(folder)
}

fn on_threads<T: Send>(options: &RunOptions, work: impl FnOnce() -> Result<T, RunError> + Send) -> Result<T, RunError> {
    let Some(threads) = options.threads else { return work() };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .build()
        .map_err(|e| RunError::Unsupported(format!("cannot start {threads} threads: {e}; ask for fewer")))?;
    pool.install(work)
}

fn run_here(
    recipe: &Recipe,
    options: &RunOptions,
    progress: &mut dyn Progress,
    paused: Option<Paused>,
) -> Result<Outcome, RunError> {
    let started = Instant::now();
    let mut session = Session::open(recipe, options, progress, paused)?;
    let result = session.run_steps(started);
    session.summary.seconds = session.wall_time(started.elapsed().as_secs_f64());
    match result {
        Ok(()) => session.complete(),
        Err(RunError::Stopped(_)) => Err(session.stopped()),
        Err(error) => Err(session.failed(error)),
    }
}
