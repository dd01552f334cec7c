//! The figures of one set of predictions.

use serde::{Deserialize, Serialize};

use crate::metrics::{ClassTable, MetricValue, number_or_nan};

/// Images used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Training images.
    pub train: usize,
    /// Validation images.
    pub valid: usize,
    /// Test images.
    pub test: usize,
}

/// The images that predictions are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasuredSet {
    /// The validation images.
    #[default]
    Valid,
    /// The test images.
    Test,
    /// All images of a data set, held out or not.
    All,
}

impl MeasuredSet {
    /// Its word in files and on pages.
    pub const fn word(self) -> &'static str {
        match self {
            MeasuredSet::Valid => "valid",
            MeasuredSet::Test => "test",
            MeasuredSet::All => "all",
        }
    }

    /// What messages call its images.
    pub(crate) const fn described(self) -> &'static str {
        match self {
            MeasuredSet::Valid => "validation",
            MeasuredSet::Test => "test",
            MeasuredSet::All => "measured",
        }
    }
}

/// Metrics of one set of predictions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Which images.
    pub set: MeasuredSet,
    /// How the predictions were computed: `plain` or `tta: 1 plain + 4 augmented`.
    pub predictions: String,
    /// Images measured.
    pub n: usize,
    /// Smoothed training loss at the end of the epoch (absent for tta).
    pub trn_loss: Option<f64>,
    /// Mean loss over the set.
    #[serde(deserialize_with = "number_or_nan")]
    pub val_loss: f64,
    /// The recipe's metrics, in order.
    pub metrics: Vec<MetricValue>,
}

/// The scores of each class or tag in one set of predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ByClass {
    /// How the predictions were computed: `plain` or `tta: 1 plain + 4 augmented`.
    pub predictions: String,
    /// The scores; of more than [`MOST`](Self::MOST) classes those of the worst.
    pub table: ClassTable,
}

impl ByClass {
    /// Most classes in a `summary.json`, of which each takes about 700 bytes there.
    pub const MOST: usize = 10_000;

    /// The scores of predictions that were made so; of too many classes the worst remain.
    pub fn new(predictions: &str, mut table: ClassTable) -> Self {
        table.keep_worst(Self::MOST);
        ByClass { predictions: predictions.to_string(), table }
    }
}
