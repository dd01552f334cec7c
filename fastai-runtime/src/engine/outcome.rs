//! What a run leaves in memory.

use std::path::PathBuf;

use burn::tensor::Device;
use fastai_dsl::TaskKind;

use crate::RunError;
use crate::models::{ModelMeta, Network};
use crate::predict::{Predictions, Predictor};
use crate::progress::{Silent, StopSignal, Watch};
use crate::report::Summary;

/// A finished run.
#[derive(Debug)]
pub struct Outcome {
    /// What it reached, as `summary.json` says it.
    pub summary: Summary,
    /// The run folder.
    pub folder: PathBuf,
    /// The trained network, without autodiff.
    pub network: Network,
    /// Class or tag names, in the order of the outputs.
    pub classes: Vec<String>,
    /// What a label is.
    pub task: TaskKind,
    pub(super) device: Device,
    pub(super) meta: ModelMeta,
}

impl Outcome {
    /// What an earlier run left.
    pub(super) fn loaded(predictor: Predictor, summary: Summary, folder: PathBuf) -> Self {
        let (network, device) = predictor.network();
        let meta = predictor.meta().clone();
        Outcome {
            summary,
            folder,
            network: network.clone(),
            classes: meta.classes.clone(),
            task: meta.task,
            device: device.clone(),
            meta,
        }
    }

    /// Probabilities of image files, in their order; prepared as the validation images were.
    ///
    /// # Errors
    /// Every file that is no readable image, named with its reason.
    pub fn predict(&self, paths: &[PathBuf]) -> Result<Predictions, RunError> {
        let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
        self.predictor().predict(paths, None, watch)
    }

    /// The network as a predictor: for test-time augmentation, for more images than fit into memory, for submissions.
    pub fn predictor(&self) -> Predictor {
        Predictor::new(self.network.clone(), self.meta.clone(), self.device.clone())
    }
}
