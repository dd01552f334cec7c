//! The steps of `train`.

use serde::{Deserialize, Serialize};

use super::HeadSpec;
use crate::rate::Rate;

/// One step of `train`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Switch cached activations on or off.
    Precompute {
        /// On or off.
        on: bool,
    },
    /// Learning-rate finder; the weights are as before when it ends.
    LrFind(LrFind),
    /// Train.
    Fit(Fit),
    /// Train only the head from here on.
    Freeze,
    /// Train group `group` and everything after it; negative counts from the end, as in Python.
    FreezeTo {
        /// First trainable group.
        group: i32,
    },
    /// Train everything.
    Unfreeze,
    /// BatchNorms of the body keep their running statistics.
    BnFreeze {
        /// On or off.
        on: bool,
    },
    /// A new, untrained head (the deck's second learner).
    Head(HeadSpec),
    /// Another image size, pixels.
    Resize {
        /// Side of the square.
        size: u32,
    },
    /// Test-time augmentation on the validation set (and the test set, if there is one).
    Tta {
        /// Augmented passes; the plain prediction is counted `ceil(n_aug / 4)` times.
        n_aug: u32,
    },
    /// Save the whole model as `models/NAME.safetensors`.
    Save {
        /// File name without its suffix.
        name: String,
    },
    /// Load a saved model.
    Load {
        /// File name without its suffix.
        name: String,
    },
}

/// The largest size in pixels that `steps` show images at, which begin at `first`.
pub(crate) fn largest_size(first: u32, steps: &[Step]) -> u32 {
    let sizes = steps.iter().filter_map(|step| match step {
        Step::Resize { size } => Some(*size),
        _ => None,
    });
    sizes.fold(first, u32::max)
}

impl Step {
    /// The step's word in a recipe.
    pub fn word(&self) -> &'static str {
        match self {
            Step::Precompute { .. } => "precompute",
            Step::LrFind(_) => "lr_find",
            Step::Fit(_) => "fit",
            Step::Freeze => "freeze",
            Step::FreezeTo { .. } => "freeze_to",
            Step::Unfreeze => "unfreeze",
            Step::BnFreeze { .. } => "bn_freeze",
            Step::Head(_) => "head",
            Step::Resize { .. } => "resize",
            Step::Tta { .. } => "tta",
            Step::Save { .. } => "save",
            Step::Load { .. } => "load",
        }
    }
}

/// Arguments of `lr_find`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LrFind {
    /// Which finder of the recipe this is, from 0; rates refer to it.
    pub index: u16,
    /// How a rate is read off the curve.
    pub suggest: Suggest,
    /// Used when the curve suggests nothing; without it the run stops there.
    pub or: Option<f64>,
    /// First rate of the sweep.
    pub start: f64,
    /// The sweep ends just below this rate.
    pub end: f64,
    /// Batches of the sweep; `None` = 100 on cached activations, 40 from images.
    pub iters: Option<u32>,
}

impl LrFind {
    /// Batches of the sweep.
    pub fn iterations(&self, precomputed: bool) -> u32 {
        self.iters.unwrap_or(if precomputed { 100 } else { 40 })
    }
}

/// How `lr_find` reads a rate off its curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suggest {
    /// The longest falling stretch, two thirds along it.
    Valley,
    /// Where the loss falls fastest.
    Steep,
    /// A tenth of the rate with the lowest loss.
    Minimum,
}

impl Suggest {
    /// The word in a recipe.
    pub fn word(self) -> &'static str {
        match self {
            Suggest::Valley => "valley",
            Suggest::Steep => "steep",
            Suggest::Minimum => "minimum",
        }
    }
}

/// Arguments of `fit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// One rate for all groups, or one a group, earliest layers first.
    pub lrs: Vec<Rate>,
    /// Cycles with `cycle_len`, epochs without.
    pub cycles: u32,
    /// Epochs of the first cycle; `None` = constant rate.
    pub cycle_len: Option<u32>,
    /// Each cycle is this many times as long as the one before.
    pub cycle_mult: u32,
    /// L2 weight decay: none, one for all groups, or one a group.
    pub wds: Vec<f64>,
    /// Shape of a cycle.
    pub anneal: Anneal,
}

/// Shape of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anneal {
    /// Half a cosine, from the full rate to nothing.
    Cosine,
    /// A straight line, from the full rate to nothing.
    Linear,
}

impl Anneal {
    /// The word in a recipe.
    pub fn word(self) -> &'static str {
        match self {
            Anneal::Cosine => "cosine",
            Anneal::Linear => "linear",
        }
    }
}
