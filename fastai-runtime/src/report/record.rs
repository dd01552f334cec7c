//! What the engine collects for plots and tables while a run goes on.

use serde::{Deserialize, Serialize};

use super::{Bars, Gallery};
use crate::metrics::{Confusion, TagRow};
use crate::train::{FindCurve, FitCurve};

/// What a run leaves to draw, beside its [`Summary`](super::Summary).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Images of each class or tag.
    pub data: DataOverview,
    /// One an `lr_find`, in order.
    pub finds: Vec<FindCurve>,
    /// One a `fit`, in order.
    pub fits: Vec<FitCurve>,
    /// Single label: the last predictions for the validation set (`tta` if the recipe has one).
    pub confusion: Option<Confusion>,
    /// The images that the last predictions for the validation set got most wrong.
    pub gallery: Option<Gallery>,
    /// Multi label: how the last predictions for the validation set did on each tag.
    pub tags: Option<Vec<TagRow>>,
}

/// What the data set holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataOverview {
    /// One a class or tag, in the order of the outputs. An image with several tags counts once for each.
    pub classes: Vec<ClassCount>,
    /// Sizes of the training images; of a regression the values of training and validation images before them.
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
