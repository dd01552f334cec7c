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
    /// its folder. Of a run with folds, those of all folds, each predicted by the network that did not train on it.
    pub held_out: Option<HeldOut>,
    pub(super) predictor: Predictor,
    pub(super) supplied: Supplied,
}

/// Predictions of the images that a run holds out, with their labels, all in the order of the data set; of a run with folds,
/// fold after fold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// The images' ids.
    pub ids: Vec<String>,
    /// What the network predicts, one plain prediction each.
    pub probabilities: Probabilities,
    /// What it predicts with test-time augmentation, by the recipe's last `tta` step.
    #[serde(default)]
    pub augmented: Option<Probabilities>,
    /// What is true.
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

    /// Returns the network as a predictor: for test-time augmentation, for more images than fit into memory, for
    /// submissions. Of a run with folds, the ensemble of their networks.
    pub fn predictor(&self) -> Predictor {
        self.predictor.clone()
    }

    /// The trained network, without autodiff; of a run with folds, that of each.
    pub fn networks(&self) -> impl ExactSizeIterator<Item = &Network> {
        self.predictor.networks()
    }
}
