//! Executes a checked recipe.

use std::path::PathBuf;

use fastai_dsl::DeviceWish;

use crate::progress::StopSignal;

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
    /// Asks the run to stop at the next batch.
    pub stop: StopSignal,
}
