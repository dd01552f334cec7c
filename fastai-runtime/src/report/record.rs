//! The data for plots and tables that the engine collects during a run.

use std::collections::BTreeSet;

use fastai_dsl::TaskKind;
use serde::{Deserialize, Serialize};

use super::{Bars, Gallery};
use crate::data::Dataset;
use crate::metrics::Confusion;
use crate::train::{EpochRow, FindCurve, FitCurve};

/// The data of a run's plots and tables, beside its [`Summary`](super::Summary).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Images of each class or tag.
    pub data: DataOverview,
    /// One per `lr_find`, in order.
    pub finds: Vec<FindCurve>,
    /// One per `fit`, in order.
    pub fits: Vec<FitCurve>,
    /// Single label: the confusion in the last predictions for the validation set, those of `tta` if it is the last step to
    /// predict.
    pub confusion: Option<Confusion>,
    /// The worst of the last predictions for the validation set.
    pub gallery: Option<Gallery>,
}

/// The names of the metrics of epochs, in the order in which they come up.
pub(super) fn metric_names<'a>(epochs: impl Iterator<Item = &'a EpochRow>) -> Vec<&'a str> {
    let mut names: Vec<&str> = epochs.flat_map(|epoch| &epoch.metrics).map(|(name, _)| name.as_str()).collect();
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    names
}

/// The content of the data set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataOverview {
    /// One per class or tag, in output order. An image with several tags counts once for each.
    pub classes: Vec<ClassCount>,
    /// Sizes of the training images; for a regression, preceded by the target values of training and validation images.
    #[serde(default)]
    pub histograms: Vec<Bars>,
}

/// Images of one class, or images with one tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCount {
    /// The class or tag.
    pub name: String,
    /// Training images.
    pub train: usize,
    /// Validation images.
    pub valid: usize,
}

impl ClassCount {
    /// Counts the images of each class or tag, in output order; a regression has none.
    pub fn of(dataset: &Dataset) -> Vec<ClassCount> {
        if dataset.task == TaskKind::Regression {
            return Vec::new();
        }
        let counts = dataset.counts_of(&dataset.train).into_iter().zip(dataset.counts_of(&dataset.valid));
        let of = |(name, (train, valid)): (&String, (u64, u64))| ClassCount {
            name: name.clone(),
            train: train as usize,
            valid: valid as usize,
        };
        dataset.classes.iter().zip(counts).map(of).collect()
    }
}
