//! What a run leaves in memory.

use std::path::PathBuf;

use burn::module::Module;
use burn::tensor::Device;
use fastai_dsl::TaskKind;

use crate::RunError;
use crate::data::{Item, Target};
use crate::metrics::Probabilities;
use crate::models::Network;
use crate::predict::Predictions;
use crate::progress::{Silent, StopSignal};
use crate::report::Summary;
use crate::train::{ImageExamples, ImageSet, Learner, Pass, Preparation, Watch, activate_for};

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
    pub(super) preparation: Preparation,
}

impl Outcome {
    /// Probabilities of image files, in their order; prepared as the validation images were.
    ///
    /// # Errors
    /// A file that is no readable image, named.
    pub fn predict(&self, paths: &[PathBuf]) -> Result<Predictions, RunError> {
        let item = |path: &PathBuf| Item {
            id: path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            path: std::path::absolute(path).unwrap_or_else(|_| path.clone()),
            target: Target::Unlabelled,
        };
        let items: Vec<Item> = paths.iter().map(item).collect();
        let examples = ImageExamples::new(ImageSet::new(&items), self.preparation.clone());
        let learner = Learner::new(self.network.valid(), self.device.clone());
        let stop = StopSignal::default();
        let mut values =
            learner.logits(&examples, &Pass::Plain, "images", Watch { progress: &mut Silent, stop: &stop })?;
        activate_for(self.task, &mut values, self.classes.len());
        Ok(Predictions::new(
            items.into_iter().map(|i| i.id).collect(),
            self.classes.clone(),
            Probabilities::new(values, self.classes.len()),
            None,
        ))
    }
}
