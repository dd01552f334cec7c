//! What is measured.

use serde::{Deserialize, Serialize};

/// What is measured on the validation set, accumulated over the whole set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of images whose most probable class is the label (single-label).
    Accuracy,
    /// Mean of -ln p(label) (single-label), or mean binary cross-entropy (multi-label).
    LogLoss,
    /// Mean over images of F-beta with beta 2 (multi-label).
    F2 {
        /// How probabilities become tags.
        threshold: Threshold,
    },
    /// Mean absolute error (regression).
    MeanAbsError,
    /// Root of the mean squared error (regression).
    RootMeanSquareError,
}

impl Metric {
    /// Name of the table's column; a searched threshold is marked `f2_best`.
    pub fn column(&self) -> &'static str {
        match self {
            Metric::Accuracy => "accuracy",
            Metric::LogLoss => "log_loss",
            Metric::F2 { threshold: Threshold::Fixed(_) } => "f2",
            Metric::F2 { threshold: Threshold::Search } => "f2_best",
            Metric::MeanAbsError => "mae",
            Metric::RootMeanSquareError => "rmse",
        }
    }

    /// The word in a recipe, whatever its arguments.
    pub fn word(&self) -> &'static str {
        match self {
            Metric::F2 { .. } => "f2",
            other => other.column(),
        }
    }

    /// Whether larger is better.
    pub fn higher_is_better(&self) -> bool {
        matches!(self, Metric::Accuracy | Metric::F2 { .. })
    }
}

/// How probabilities become tags: a tag is said when `p > threshold`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// A fixed number, 0.2 unless told.
    Fixed(f64),
    /// The best of .17, .18, .. .23 on the images it is measured on, one for all of them.
    Search,
}
