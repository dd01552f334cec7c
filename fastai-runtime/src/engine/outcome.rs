//! The result of a run in memory.

use std::path::PathBuf;

use fastai_dsl::TaskKind;
use serde::{Deserialize, Serialize};

use super::supplied::Supplied;
use crate::RunError;
use crate::metrics::{Probabilities, Truth};
use crate::models::Network;
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
    /// Class or tag names, in the order of the outputs.
    pub classes: Vec<String>,
    /// What a label is.
    pub task: TaskKind,
    /// The final network's predictions of the validation images; `None` without such images, and for a run that was loaded from
    /// its folder. In a run with folds, the out-of-fold predictions of all images.
    pub held_out: Option<HeldOut>,
    pub(super) predictor: Predictor,
    pub(super) supplied: Supplied,
}

/// Predictions of the images that a run holds out, with their labels, in the order of the data set; in a run with folds, one
/// fold after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// The images' ids.
    pub ids: Vec<String>,
    /// Plain predictions, `[image, class]`.
    pub probabilities: Probabilities,
    /// Predictions with test-time augmentation, `[image, class]`, by the recipe's last `tta` step; `None` without such a step.
    #[serde(default)]
    pub augmented: Option<Probabilities>,
    /// The labels.
    pub truth: Truth,
}

impl HeldOut {
    /// Whether predictions and labels belong together.
    pub(crate) fn is_sound(&self) -> bool {
        let HeldOut { ids, probabilities, augmented, truth } = self;
        let (rows, classes) = (ids.len(), probabilities.classes());
        let tags = match truth {
            Truth::Tags { tags, .. } => *tags == classes,
            Truth::Classes(labels) => labels.iter().all(|l| (*l as usize) < classes),
            Truth::Values(_) => classes == 1,
        };
        let whole = |p: &Probabilities| p.classes() == classes && p.values().len() == rows * classes;
        tags && rows > 0 && truth.len() == rows && whole(probabilities) && augmented.as_ref().is_none_or(whole)
    }
}

impl Outcome {
    /// Wraps the result of an earlier run.
    pub(super) fn loaded(predictor: Predictor, summary: Summary, folder: PathBuf, batches: Vec<BatchRow>) -> Self {
        let meta = predictor.meta();
        Outcome {
            batches,
            summary,
            folder,
            classes: meta.classes.clone(),
            task: meta.task,
            held_out: None,
            predictor,
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

    /// Returns the network as a predictor, or the ensemble of a run with folds. A predictor also offers test-time augmentation,
    /// embeddings, and predictions of more images than fit into memory. Clones share the weights.
    pub fn predictor(&self) -> Predictor {
        self.predictor.clone()
    }

    /// The trained network, without autodiff; in a run with folds, the network of each fold.
    pub fn networks(&self) -> impl ExactSizeIterator<Item = &Network> {
        self.predictor.networks()
    }
}
