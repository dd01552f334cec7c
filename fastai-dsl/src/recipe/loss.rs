//! The loss of a recipe.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::TaskKind;
use crate::draft::number;
use crate::schema::{self, Construct};

/// What training lowers, with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossSpec {
    /// Cross-entropy of the softmax.
    CrossEntropy,
    /// Binary cross-entropy of the sigmoid, the mean over all cells.
    Bce,
    /// Focal loss.
    Focal {
        /// Exponent of the weight `1 - p` of an example of probability `p`.
        gamma: f64,
        /// Weight of the tags that an image has; the others weigh `1 - alpha`. `None` = all weigh 1.
        alpha: Option<f64>,
    },
    /// Asymmetric loss of tags.
    Asymmetric {
        /// Exponent for tags that an image has not.
        gamma_neg: f64,
        /// Exponent for tags that an image has.
        gamma_pos: f64,
        /// Subtracted from the probability of tags that an image has not.
        clip: f64,
    },
    /// Mean absolute error.
    L1,
    /// Mean squared error.
    Mse,
    /// Huber loss.
    Huber {
        /// The error from which the loss is linear.
        delta: f64,
    },
    /// A loss that the program supplies.
    Given,
}

impl LossSpec {
    /// The word of a loss that the program supplies.
    pub(crate) const GIVEN: &str = "given";

    /// The loss of a recipe that names none.
    pub fn of_task(task: TaskKind) -> Self {
        match task {
            TaskKind::SingleLabel => LossSpec::CrossEntropy,
            TaskKind::MultiLabel => LossSpec::Bce,
            TaskKind::Regression => LossSpec::L1,
        }
    }

    /// The word in a recipe.
    pub fn word(&self) -> &'static str {
        self.construct().map_or(Self::GIVEN, |construct| construct.name)
    }

    /// The construct in the registry; a loss that the program supplies has none.
    pub fn construct(&self) -> Option<&'static Construct> {
        Some(match self {
            LossSpec::CrossEntropy => &schema::CROSS_ENTROPY,
            LossSpec::Bce => &schema::BCE,
            LossSpec::Focal { .. } => &schema::FOCAL,
            LossSpec::Asymmetric { .. } => &schema::ASYMMETRIC,
            LossSpec::L1 => &schema::L1,
            LossSpec::Mse => &schema::MSE,
            LossSpec::Huber { .. } => &schema::HUBER,
            LossSpec::Given => return None,
        })
    }

    /// The words of the losses of a task, the default first.
    pub fn words(task: TaskKind) -> &'static [&'static str] {
        match task {
            TaskKind::SingleLabel => &["cross_entropy", "bce", "focal", Self::GIVEN],
            TaskKind::MultiLabel => &["bce", "focal", "asymmetric", Self::GIVEN],
            TaskKind::Regression => &["l1", "mse", "huber", Self::GIVEN],
        }
    }

    /// Whether `label_smoothing` applies: to the losses of a label that are linear in it.
    pub fn smooths(&self) -> bool {
        matches!(self, LossSpec::CrossEntropy | LossSpec::Bce)
    }

    /// Whether `class_weights` apply; a loss that the program supplies has its own.
    pub fn weighs(&self) -> bool {
        *self != LossSpec::Given
    }

    /// Its parameters as a recipe writes them.
    fn parameters(&self) -> Vec<(&'static str, String)> {
        match *self {
            LossSpec::Focal { gamma, alpha } => {
                std::iter::once(("gamma", number(gamma))).chain(alpha.map(|alpha| ("alpha", number(alpha)))).collect()
            }
            LossSpec::Asymmetric { gamma_neg, gamma_pos, clip } => {
                vec![("gamma_neg", number(gamma_neg)), ("gamma_pos", number(gamma_pos)), ("clip", number(clip))]
            }
            LossSpec::Huber { delta } => vec![("delta", number(delta))],
            _ => Vec::new(),
        }
    }
}

/// `focal`, or `focal { gamma: 1.5 }` with the parameters that are not the registry's defaults.
impl fmt::Display for LossSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = |key: &str, text: &str| self.construct().is_some_and(|known| known.is_default(key, text));
        let given = self.parameters().into_iter().filter(|(key, text)| !default(key, text));
        let given: Vec<String> = given.map(|(key, text)| format!("{key}: {text}")).collect();
        match given.as_slice() {
            [] => f.write_str(self.word()),
            some => write!(f, "{} {{ {} }}", self.word(), some.join(", ")),
        }
    }
}
