//! The steps of `train`.

use serde::{Deserialize, Serialize};

use super::{FitCourse, HeadSpec};
use crate::rate::Rate;
use crate::schema::{Construct, STEPS};
use crate::word_enums::word_enums;

/// One step of `train`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Switch cached activations on or off.
    Precompute {
        /// On or off.
        on: bool,
    },
    /// Runs the learning-rate finder, which restores the weights when it ends.
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
    /// Creates a new, untrained head (the lesson's second learner).
    Head(HeadSpec),
    /// Another image size.
    Resize {
        /// Side of the square, pixels.
        size: u32,
        /// Images per batch from here on; `None` leaves the number as it is.
        #[serde(default)]
        batch: Option<u32>,
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
    /// Load the mean of several saved models.
    Average {
        /// File names without their suffix.
        names: Vec<String>,
    },
}

/// Returns the largest image size in `steps`, pixels, starting at `first`.
pub(crate) fn largest_size(first: u32, steps: &[Step]) -> u32 {
    let sizes = steps.iter().filter_map(|step| match step {
        Step::Resize { size, .. } => Some(*size),
        _ => None,
    });
    sizes.fold(first, u32::max)
}

impl Step {
    /// The step without its arguments. A `fit_one_cycle` is a `fit`, whose schedule is another.
    pub fn kind(&self) -> StepKind {
        match self {
            Step::Precompute { .. } => StepKind::Precompute,
            Step::LrFind(_) => StepKind::LrFind,
            Step::Fit(_) => StepKind::Fit,
            Step::Freeze => StepKind::Freeze,
            Step::FreezeTo { .. } => StepKind::FreezeTo,
            Step::Unfreeze => StepKind::Unfreeze,
            Step::BnFreeze { .. } => StepKind::BnFreeze,
            Step::Head(_) => StepKind::Head,
            Step::Resize { .. } => StepKind::Resize,
            Step::Tta { .. } => StepKind::Tta,
            Step::Save { .. } => StepKind::Save,
            Step::Load { .. } => StepKind::Load,
            Step::Average { .. } => StepKind::Average,
        }
    }

    /// The step's word in a recipe.
    pub fn word(&self) -> &'static str {
        self.kind().word()
    }

    /// Whether the step runs training batches: `fit`, and `lr_find`, which restores the weights afterwards.
    pub fn trains(&self) -> bool {
        self.kind().trains()
    }

    /// Whether the step is a `fit`.
    pub fn is_fit(&self) -> bool {
        self.kind() == StepKind::Fit
    }

    /// Whether the step changes the weights: `fit`, `head`, `load` and `average`.
    pub fn changes_weights(&self) -> bool {
        self.kind().changes_weights()
    }

    /// Whether the step runs the network on the data set: the steps that train, `tta`, `average` and `precompute(on)`.
    pub fn runs_network(&self) -> bool {
        self.trains() || matches!(self, Step::Tta { .. } | Step::Average { .. } | Step::Precompute { on: true })
    }
}

impl StepKind {
    /// Whether such a step changes the weights.
    pub fn changes_weights(self) -> bool {
        matches!(self, StepKind::Fit | StepKind::Head | StepKind::Load | StepKind::Average)
    }

    /// The step in the registry.
    pub fn construct(self) -> &'static Construct {
        STEPS.iter().find(|step| step.name == self.word()).expect("every step is in the registry")
    }

    /// Whether the step runs training batches: `fit`, and `lr_find`, which restores the weights afterwards.
    pub fn trains(self) -> bool {
        matches!(self, StepKind::Fit | StepKind::FitOneCycle | StepKind::LrFind)
    }
}

word_enums! {
    values in step_words;

    /// A step without its arguments, in the order of the language page.
    #[derive(Default)]
    StepKind {
        /// Switch cached activations on or off.
        Precompute = "precompute",
        /// Train everything.
        Unfreeze = "unfreeze",
        /// Train one layer group and everything after it.
        FreezeTo = "freeze_to",
        /// Train only the head.
        Freeze = "freeze",
        /// Train.
        #[default]
        Fit = "fit",
        /// Train with one cycle of rate and momentum.
        FitOneCycle = "fit_one_cycle",
        /// Learning-rate finder.
        LrFind = "lr_find",
        /// A new, untrained head.
        Head = "head",
        /// Another image size.
        Resize = "resize",
        /// Test-time augmentation.
        Tta = "tta",
        /// BatchNorms of the body keep their running statistics.
        BnFreeze = "bn_freeze",
        /// Save the model.
        Save = "save",
        /// Load a saved model.
        Load = "load",
        /// Load the mean of saved models.
        Average = "average",
    }

    /// The rule by which `lr_find` derives a rate from its curve.
    Suggest {
        /// The first rate at which 85 % of the fall in log loss are done; without a fall, a twentieth of that of the rise.
        Valley = valley,
        /// Where the loss falls fastest.
        Steep = steep,
        /// A tenth of the rate with the lowest loss.
        Minimum = minimum,
        /// fastai v2's `slide`: where the smoothed loss changes as fast as 15 batches later, sought from the end.
        Slide = slide,
    }

    /// Shape of a cycle.
    Anneal {
        /// Half a cosine, from the full rate to zero.
        Cosine = cosine,
        /// A straight line, from the full rate to zero.
        Linear = linear,
    }
}

/// Arguments of `lr_find`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LrFind {
    /// Index of the finder in the recipe, from 0; rates refer to it.
    pub index: u16,
    /// The rule that derives a rate from the curve.
    pub suggest: Suggest,
    /// The rate to use if the curve suggests none.
    pub or: Option<f64>,
    /// First rate of the sweep.
    pub start: f64,
    /// The sweep ends just below this rate.
    pub end: f64,
    /// Batches of the sweep, from 12; `None` = as many as [`Self::iterations`] says.
    pub iters: Option<u32>,
    /// Rates of the layer groups as multiples of that of the head, earliest first; empty = all the same.
    #[serde(default)]
    pub ratio: Vec<f64>,
}

/// Batches of a sweep on cached activations.
const ITERATIONS_CACHED: u32 = 100;
/// Batches of a sweep on images.
const ITERATIONS_ON_IMAGES: u32 = 40;

impl LrFind {
    /// Batches of the sweep, on cached activations or on images.
    pub fn iterations(&self, precomputed: bool) -> u32 {
        self.iters.unwrap_or(if precomputed { ITERATIONS_CACHED } else { ITERATIONS_ON_IMAGES })
    }

    /// The rate of each of `groups` layer groups, earliest first, while the head's is `rate`.
    pub fn rates(&self, rate: f64, groups: usize) -> Vec<f64> {
        match self.ratio.as_slice() {
            [] => vec![rate; groups],
            ratio => ratio.iter().map(|factor| factor * rate).collect(),
        }
    }
}

/// Arguments of `fit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// One rate for all layer groups, or one per layer group, earliest first.
    pub lrs: Vec<Rate>,
    /// Cycles with `cycle_len`, epochs without.
    pub cycles: u32,
    /// Epochs of the first cycle; `None` = constant rate.
    pub cycle_len: Option<u32>,
    /// Each cycle is this many times as long as the one before.
    pub cycle_mult: u32,
    /// L2 weight decay: none, one for all layer groups, or one per layer group.
    pub wds: Vec<f64>,
    /// Shape of a cycle.
    pub anneal: Anneal,
    /// The form of the schedule.
    #[serde(default)]
    pub course: FitCourse,
    /// Ends the fit after so many epochs, or cycles, in a row that are no better.
    #[serde(default)]
    pub stop_early: Option<u32>,
    /// Saves the model at the end of each cycle, see [`cycle_model`].
    #[serde(default)]
    pub cycle_save_name: Option<String>,
    /// Ends with the mean of the weights after so many last epochs, or cycles.
    #[serde(default)]
    pub swa: Option<u32>,
}

/// The name under which the model is saved after cycle `cycle`, counted from 0.
pub fn cycle_model(name: &str, cycle: u64) -> String {
    format!("{name}_cyc_{cycle}")
}

impl Fit {
    /// The epoch after which each cycle ends, counted from 1; without cycles each epoch.
    pub fn cycle_ends(&self) -> impl Iterator<Item = u64> + use<> {
        let (len, mult) = (self.cycle_len.unwrap_or(1), self.cycle_len.map_or(1, |_| self.cycle_mult));
        let lengths = std::iter::successors(Some(u64::from(len)), move |len| Some(len.saturating_mul(u64::from(mult))));
        lengths.take(self.cycles as usize).scan(0u64, |end, len| {
            *end = end.saturating_add(len);
            Some(*end)
        })
    }

    /// The epochs, counted from 1, after which the weights are part of the mean that the fit ends with.
    pub fn averaged_ends(&self) -> impl Iterator<Item = u64> + use<> {
        self.cycle_ends().skip((self.cycles - self.swa.unwrap_or(0).min(self.cycles)) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::LR_FIND;

    #[test]
    fn the_registry_states_how_long_a_sweep_is() {
        let (_, iters) = LR_FIND.key("iters").unwrap();
        let said = format!("{ITERATIONS_CACHED} on cached activations and {ITERATIONS_ON_IMAGES} from images");
        assert!(iters.doc.contains(&said), "{}: {said}", iters.doc);
    }
}
