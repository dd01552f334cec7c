//! The result of a run in memory.

use std::path::PathBuf;

use burn::tensor::Device;
use fastai_dsl::TaskKind;
use serde::{Deserialize, Serialize};

use super::supplied::Supplied;
use crate::RunError;
use crate::metrics::{Probabilities, Truth};
use crate::models::{ModelMeta, Network};
use crate::predict::{Predictions, Predictor};
use crate::progress::{Silent, StopSignal, Watch};
use crate::report::{BatchRow, Summary};

/// A finished run.
#[derive(Debug)]
pub struct Outcome {
    /// The content of `summary.json`.
    pub summary: Summary,
    /// Loss and rates of every training batch: the content of `batches.csv`.
    ///
    /// Empty for a run that was loaded from a folder without that file.
    pub batches: Vec<BatchRow>,
    /// The run folder.
    pub folder: PathBuf,
    /// The trained network, without autodiff.
    pub network: Network,
    /// Class or tag names, in the order of the outputs.
    pub classes: Vec<String>,
    /// What a label is.
    pub task: TaskKind,
    /// The final network's predictions of the validation images, one plain prediction each; `None` without such images, and
    /// for a run that was loaded from its folder.
    pub held_out: Option<HeldOut>,
    pub(super) device: Device,
    pub(super) meta: ModelMeta,
    pub(super) supplied: Supplied,
}

/// Predictions of the images that a run holds out, with their labels, all in the order of the data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// The images' ids.
    pub ids: Vec<String>,
    /// What the network predicts.
    pub probabilities: Probabilities,
    /// What is true.
    pub truth: Truth,
}

impl Outcome {
    /// Wraps the result of an earlier run.
    pub(super) fn loaded(predictor: Predictor, summary: Summary, folder: PathBuf, batches: Vec<BatchRow>) -> Self {
        let (network, device) = predictor.network();
        let meta = predictor.meta().clone();
        Outcome {
            batches,
            summary,
            folder,
            network: network.clone(),
            classes: meta.classes.clone(),
            task: meta.task,
            device: device.clone(),
            held_out: None,
            meta,
            supplied: Supplied::default(),
        }
    }

    /// Returns the probabilities of image files in their order, prepared like the validation images.
    ///
    /// # Errors
    /// Every file that is not a readable image, with the reason.
    pub fn predict(&self, paths: &[PathBuf]) -> Result<Predictions, RunError> {
        let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
        self.predictor().predict_files(paths, None, watch)
    }

    /// Returns the network as a predictor: for test-time augmentation, for more images than fit into memory, for
    /// submissions.
    pub fn predictor(&self) -> Predictor {
        Predictor::new(self.network.clone(), self.meta.clone(), self.device.clone())
    }
}
