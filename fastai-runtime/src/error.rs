//! The reasons why a run fails. Each message is complete: it names the file, line, key or image, what was expected, and the
//! remedy, and contains the error of the system, which is therefore a field and not a `source`.

mod resume;

use std::fmt;
use std::path::PathBuf;

use fastai_dsl::{LossSpec, Stage};

use crate::data::OpenError;
use crate::data::byte_units::in_units;
pub use crate::data::{DataError, DataKey, DataPart, FileError, Finding, FindingKind, OpenReached, RowFault};
pub use crate::device::DeviceError;
pub use crate::models::{MissingWeights, WantedWeights, WeightsError};
pub use resume::ResumeError;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The data set does not match the recipe. Contains all findings.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Weights are missing, broken, or belong to another network.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A device is not available or does not compute.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// `lr_find` suggested no rate and the recipe has no `or`.
    #[error(
        "{step}: from {start:e} to {end:e} the loss neither falls clearly nor begins to rise, so no rate is suggested; look at \
         {} and write a rate, or give `or = 1e-2`",
        plot.display()
    )]
    NoRate {
        /// The `lr_find` step.
        step: FailedStep,
        /// The lowest rate of the sweep.
        start: f64,
        /// The highest rate of the sweep.
        end: f64,
        /// The plot of the sweep.
        plot: PathBuf,
    },
    /// The run needs more memory than there is.
    #[error(
        "{step} needs at least {}, as estimated from the layers, and {} {}: {lower}",
        in_units(*needs),
        if *stated { "`--memory` allows" } else { "there are" },
        in_units(*there)
    )]
    TooLarge {
        /// The step.
        step: FailedStep,
        /// Bytes that it needs.
        needs: u64,
        /// Bytes that the network may take.
        there: u64,
        /// Whether [`RunOptions::memory`](crate::RunOptions) states them, or the machine has no more.
        stated: bool,
        /// What to lower.
        lower: String,
    },
    /// The memory of a GPU is too small for a step with its batches in the parts that were tried. The state that was kept last
    /// says to go on in more, and [`resume`](crate::engine::resume) does so, in another process: burn does not give back what the
    /// step held.
    #[error(
        "{step}: the memory of {device} is too small for a batch in fewer than {parts} parts ({reason}), and what the step took \
         is not given back before this process ends; the state of the run is kept, to be resumed in another"
    )]
    NoRoom {
        /// The step.
        step: FailedStep,
        /// The name of the device.
        device: String,
        /// The driver's reason.
        reason: String,
        /// The parts in which the run goes on.
        parts: usize,
    },
    /// The training loss became NaN or infinite.
    #[error(
        "{}the training loss became {loss} in epoch {epoch} (batch {batch} of the fit, learning rates {}): use smaller \
         rates{}{}",
        where_it_diverged(step.as_ref(), lost_by.as_ref()),
        crate::data::figures::rates(rates),
        lost_by.as_ref().map_or(String::new(), |earlier| format!(" in step {}", earlier.number)),
        or_clip(*clip_may_help)
    )]
    Diverged {
        /// The `fit` step of a run.
        step: Option<FailedStep>,
        /// The `fit` step that had lost the network before, if that one's rates are to blame and not those of `step`.
        lost_by: Option<FailedStep>,
        /// The loss.
        loss: f64,
        /// The epoch of the fit, from 0, as in its table.
        epoch: u64,
        /// The batch of the fit, from 0, as in `batches.csv`.
        batch: u64,
        /// The learning rates of that batch, one per layer group that trains.
        rates: Vec<f64>,
        /// Whether bounding the gradients may help: the recipe does not yet, and the rates of the step that is to blame are not so
        /// high that the steps would be too long all the same.
        clip_may_help: bool,
    },
    /// The network that a `fit` left has values that are not finite, so that it is no model. The run ends with that step, unless a
    /// later one replaces the network by a model that was saved before.
    #[error(
        "{step}: the network that it left has values in `{parameter}` that are no longer numbers, so there is no final model: \
         use smaller rates{}, and run anew",
        or_clip(*clip_may_help)
    )]
    LostWeights {
        /// The `fit` step that lost them.
        step: FailedStep,
        /// The published name of a parameter with such values.
        parameter: String,
        /// Whether bounding the gradients may help, as in [`Diverged`](Self::Diverged).
        clip_may_help: bool,
    },
    /// The program supplies what the recipe does not ask for, or the other way round.
    #[error(transparent)]
    Supplied(#[from] SuppliedError),
    /// The run cannot be continued, or is complete.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// The kept state of a fit does not belong to its network.
    #[error(transparent)]
    State(#[from] StateError),
    /// Ctrl-C or SIGTERM stopped the work.
    #[error("stopped{0}")]
    Stopped(Reached),
}

/// What a program supplies to a run does not fit its recipe.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SuppliedError {
    /// The recipe asks for a loss of the program, and there is none.
    #[error(
        "recipe `{recipe}` trains with a loss of a Rust program (`loss: given`), and none is given: run it there, with \
         `RunOptions {{ loss: Some(Arc::new(MyLoss)), .. }}`, or name a loss in the recipe"
    )]
    NoLoss {
        /// The recipe's name.
        recipe: String,
    },
    /// The program gives a loss, and the recipe names another.
    #[error(
        "the program gives a loss, and recipe `{recipe}` trains with `{loss}`: write `loss: given` into the recipe, or leave \
         `RunOptions::loss` out"
    )]
    OtherLoss {
        /// The recipe's name.
        recipe: String,
        /// The recipe's loss.
        loss: LossSpec,
    },
    /// The loss does not give each image a number.
    #[error(
        "`Criterion::of_images` of the program's loss returned {losses} losses for {images} images: return one for each image, \
         in their order"
    )]
    LossCount {
        /// The number of losses.
        losses: usize,
        /// The number of images.
        images: usize,
    },
    /// The loss of an image is NaN, though the network's answers are finite.
    #[error(
        "`Criterion::of_images` of the program's loss returned NaN for image {image} (from 0) of {images}, though all logits are \
         finite: return a number"
    )]
    LossNaN {
        /// The number of the image among them, from 0.
        image: usize,
        /// The number of images.
        images: usize,
    },
    /// The loss of a batch is not one number.
    #[error(
        "`Criterion::of_batch` of the program's loss returned {numbers} numbers for a batch: return one, the mean over its images"
    )]
    BatchLoss {
        /// The length of the tensor.
        numbers: usize,
    },
    /// The mean loss of a set is NaN, though the losses of its images are finite.
    #[error(
        "`Criterion::{method}` of the program's loss returned NaN for {images} images, though the loss of each is finite: return \
         a number"
    )]
    MeanLossNaN {
        /// The method of the `Criterion`: `of_set` or `of_predictions`.
        method: &'static str,
        /// The number of images.
        images: usize,
    },
    /// A metric of the program has no column of its own.
    #[error(
        "the program's metric {column:?} needs another name in `column`: the table has {}",
        taken.join(", ")
    )]
    Column {
        /// The metric's column.
        column: String,
        /// The columns that the table has without it.
        taken: Vec<String>,
    },
}

/// The kept state of a fit does not belong to its network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The optimizer keeps no such tensor of this network, or one of another shape.
    #[error(
        "the run cannot go on from its kept state: the optimizer's tensor {tensor:?} does not fit this network; start it anew"
    )]
    Optimizer {
        /// The tensor, by what it is and its parameter: `velocity/head.layers.0.linear.weight`.
        tensor: String,
    },
    /// The fit averages its weights, and the state has no average.
    #[error("the run cannot go on from its kept state: the average of its weights is missing; start it anew")]
    NoAverage,
}

/// A step of the recipe that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct FailedStep {
    /// Its number, from 1.
    pub number: usize,
    /// The step as the recipe writes it.
    pub call: String,
}

impl FailedStep {
    /// The step of the stage with this index, from 0.
    pub(crate) fn of(index: usize, stage: &Stage) -> Self {
        FailedStep { number: index + 1, call: stage.text.clone() }
    }
}

impl fmt::Display for FailedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} `{}`", self.number, self.call)
    }
}

/// How far the work got before it stopped.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reached {
    /// The work ended after a batch and keeps nothing.
    Batch,
    /// The data set was being checked, or copies of its images made.
    Data(OpenReached),
    /// Images were predicted.
    Images(usize),
    /// Folds of a run are complete; [`resume`](crate::engine::resume) continues it.
    Folds {
        /// Those that are.
        done: usize,
        /// All of them.
        of: usize,
        /// The run folder.
        folder: PathBuf,
    },
    /// A run ended after a batch; [`resume`](crate::engine::resume) continues it.
    Run {
        /// The weights at the end.
        weights: PathBuf,
        /// The run folder with all results so far.
        folder: PathBuf,
    },
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reached::Batch => Ok(()),
            Reached::Data(reached) => write!(f, ": {reached}"),
            Reached::Images(done) => write!(f, ": {done} images are through"),
            Reached::Folds { done, of, folder } => {
                write!(f, ": {done} of {of} folds are complete, in {}", folder.display())
            }
            Reached::Run { weights, folder } => {
                write!(f, ": the weights are in {}, what was reached is in {}", weights.display(), folder.display())
            }
        }
    }
}

impl RunError {
    /// Wraps an input/output error with the file it concerns.
    pub fn file(action: &'static str, path: impl Into<PathBuf>, error: std::io::Error) -> Self {
        RunError::File(FileError::new(action, path, error))
    }

    /// Whether the same work may succeed at another time: it was stopped, or a disk or a device failed it. A recipe that fails
    /// for any other reason fails again.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            RunError::Stopped(_)
                | RunError::File(_)
                | RunError::Device(_)
                | RunError::NoRoom { .. }
                | RunError::Weights(WeightsError::File(_))
        )
    }

    /// Adds the step to an error of a fit, which does not know it.
    pub(crate) fn in_step(mut self, index: usize, failed: &Stage) -> Self {
        if let RunError::Diverged { step, .. } = &mut self {
            *step = Some(FailedStep::of(index, failed));
        }
        self
    }

    /// Adds the earlier step that lost the network of a fit whose loss is no number in this batch, if there is one, and whether
    /// bounding the gradients may help that step.
    pub(crate) fn lost_by(mut self, earlier: impl FnOnce(u64) -> Option<(FailedStep, bool)>) -> Self {
        if let RunError::Diverged { lost_by, batch, clip_may_help, .. } = &mut self
            && let Some((step, clip)) = earlier(*batch)
        {
            (*lost_by, *clip_may_help) = (Some(step), clip);
        }
        self
    }
}

/// The beginning of the error of a loss that is no number, which names the step that lost the network first.
fn where_it_diverged(step: Option<&FailedStep>, lost_by: Option<&FailedStep>) -> String {
    match (step, lost_by) {
        (Some(step), Some(earlier)) => format!("{earlier} lost the network: in {step}, "),
        (Some(step), None) => format!("{step}: "),
        (None, _) => String::new(),
    }
}

/// The other cure of training that lost the numbers, where it may be one.
fn or_clip(may_help: bool) -> &'static str {
    if may_help { ", or bound the gradient with `clip: 1.0`" } else { "" }
}

impl From<OpenError> for RunError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Data(error) => RunError::Data(error),
            OpenError::File(error) => RunError::File(error),
            OpenError::Stopped(reached) => RunError::Stopped(Reached::Data(reached)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_disk_or_a_device_failed_may_pass_another_time() {
        let full = || FileError::new("write", "run/model", std::io::Error::other("full"));
        assert!(RunError::from(full()).may_pass() && RunError::from(WeightsError::from(full())).may_pass());
        assert!(RunError::Stopped(Reached::Batch).may_pass());
        let of_recipe: [RunError; 2] = [DataError::one("a finding").into(), WeightsError::NoModel("x".into()).into()];
        for error in of_recipe {
            assert!(!error.may_pass(), "{error}");
        }
    }

    #[test]
    fn a_program_can_match_on_what_a_stop_left() {
        let opened: RunError = OpenError::Stopped(OpenReached::Checking { done: 3, of: 9 }).into();
        assert!(matches!(opened, RunError::Stopped(Reached::Data(OpenReached::Checking { done: 3, of: 9 }))));
        assert_eq!(opened.to_string(), "stopped: 3 of 9 images were checked; nothing was trained");
        let folds = Reached::Folds { done: 1, of: 5, folder: "run".into() };
        assert_eq!(RunError::Stopped(folds).to_string(), "stopped: 1 of 5 folds are complete, in run");
        assert_eq!(RunError::Stopped(Reached::Images(7)).to_string(), "stopped: 7 images are through");
    }

    #[test]
    fn a_transparent_error_prints_its_cause_once() {
        use std::error::Error;

        let column = SuppliedError::Column { column: "seconds".into(), taken: vec!["step".into(), "seconds".into()] };
        let (text, error) = (column.to_string(), RunError::from(column));
        assert!(text.ends_with("needs another name in `column`: the table has step, seconds"), "{text}");
        assert_eq!(error.to_string(), text);
        assert!(error.source().is_none());
    }
}
