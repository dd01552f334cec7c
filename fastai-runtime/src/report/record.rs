//! The data for plots and tables that the engine collects during a run.

use serde::{Deserialize, Serialize};

use super::{Bars, Gallery};
use crate::metrics::Confusion;
use crate::train::{FindCurve, FitCurve};

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
