//! The steps of `train`.

use serde::{Deserialize, Serialize};

use super::model::layers;
use super::{Fit, HeadSpec};
use crate::construct::Construct;
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
        calls::STEPS.iter().find(|step| step.name == self.word()).expect("every step is in the registry")
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

    /// The rule by which `lr_find` derives a rate from a clear fall of the loss.
    Suggest {
        /// The first rate at which 85 % of a clear fall in log loss are done.
        Valley = valley,
        /// Where a clear fall of the loss is fastest.
        Steepest = steepest,
        /// A tenth of the rate with the lowest loss after a clear fall.
        Minimum = minimum,
        /// fastai v2's `slide` on a clear fall: where the smoothed loss changes as fast as 15 batches later, sought from the end.
        Slide = slide,
    }
}

/// The constructs of the steps.
pub mod calls {
    use super::super::{Anneal, Fall};
    use super::{Suggest, layers};

    crate::construct::construct_lists! {
        /// The steps, in the order of the language page.
        STEPS in steps {
            /// Switches cached activations of the frozen body on or off.
            PRECOMPUTE precompute {
                /// `on` or `off`.
                state: Switch, required;
            }
            /// Trains the whole network from here on.
            UNFREEZE unfreeze {}
            /// Trains layer group `group` and all after it.
            FREEZE_TO freeze_to {
                /// First group that trains; negative numbers count from the end.
                group: Count in range(-64.0, 64.0), required;
            }
            /// Trains only the head from here on.
            FREEZE freeze {}
            /// Trains: `cycles` epochs at a constant rate, or `cycles` cycles with warm restarts if `cycle_len` is given.
            FIT fit {
                /// One rate, or one per layer group, earliest first.
                lrs: Rates in above(0.0, 10.0), required;
                /// Epochs, or cycles if `cycle_len` is given.
                cycles: Count in range(1.0, 100000.0), required like "3";
                /// Epochs of the first cycle.
                cycle_len: Count in range(1.0, 100000.0);
                /// Factor between the lengths of successive cycles.
                cycle_mult: Count in range(1.0, 1000.0) = "1";
                /// Weight decay, one for all layer groups or one per layer group.
                wds: Numbers in range(0.0, 1.0) = "0";
                /// Shape of a cycle.
                anneal: Word(Anneal) = "cosine";
                /// Instead of cycles, one course over all epochs after the warm-up.
                schedule: Word(Fall) = "constant";
                /// Epochs over which the rate first rises on a straight line, from a hundredth of itself.
                warmup: Number in range(0.0, 100000.0) = "0";
                /// Epochs between two steps of `schedule = step`.
                every: Count in range(1.0, 100000.0) = "30";
                /// Factor of each step of `schedule = step`.
                by: Number in open(0.0, 1.0) = "0.1";
                /// Cycles like fastai 0.7's `use_clr`: `[div, cut_div]`, the full rate divided by the lowest, and the length of
                /// a cycle divided by that of its rise; optionally followed by the momentum at the lowest and at the full rate.
                use_clr: NumberList in above(0.0, 1000.0) like "[32, 8]";
                /// Cycles like fastai 0.7's `use_clr_beta`: `[div, pct]`, the full rate divided by the first, and the per cent
                /// of a cycle that its last fall takes; optionally followed by the momentum at the lowest and at the full rate.
                use_clr_beta: NumberList in above(0.0, 1000.0) like "[10, 10]";
                /// Ends the fit after this many epochs in a row (cycles, if `cycle_len` is given) in which the metric that
                /// `keep_best` names did not improve; without `keep_best`, `val_loss` counts.
                stop_early: Count in range(1.0, 100000.0);
                /// Saves the model at the end of each cycle, as `NAME_cyc_0`, `NAME_cyc_1` and so on.
                cycle_save_name: Text;
                /// Stochastic weight averaging: ends the fit with the mean of the weights after each of this many last epochs
                /// (cycles, if `cycle_len` is given), and estimates the statistics of batch norms again.
                swa: Count in range(2.0, 100000.0);
                /// Derives a rate for each layer group from the single rate `lrs`, which is the head's: each group before the
                /// head has this factor times the rate of the group after it.
                layer_decay: Number in above(0.0, 1.0);
            }
            /// Trains with one cycle, as fastai v2: the rate rises along half a cosine and falls along another, and the momentum
            /// does the opposite.
            FIT_ONE_CYCLE fit_one_cycle {
                /// One rate, or one per layer group, earliest first: the highest of the cycle.
                lrs: Rates in above(0.0, 10.0), required;
                /// Epochs of the cycle.
                epochs: Count in range(1.0, 100000.0), required like "3";
                /// Share of the batches in which the rate rises.
                pct_start: Number in open(0.0, 1.0) = "0.25";
                /// The highest rate divided by the first.
                div: Number in range(1.0, 1000000.0) = "25";
                /// The highest rate divided by the last.
                div_final: Number in range(1.0, 1000000000.0) = "100000";
                /// Momentum at the beginning, at the highest rate and at the end. Optimizers without momentum ignore it.
                moms: NumberList in below(0.0, 1.0) = "[0.95, 0.85, 0.95]";
                /// Weight decay, one for all layer groups or one per layer group.
                wds: Numbers in range(0.0, 1.0) = "0";
                /// Derives a rate for each layer group from the single rate `lrs`, which is the head's: each group before the
                /// head has this factor times the rate of the group after it.
                layer_decay: Number in above(0.0, 1.0);
            }
            /// Sweeps the learning rate upward for some batches, restores the weights, and suggests a rate.
            LR_FIND lr_find {
                /// The rule that derives a rate from a clear fall of the loss. Without one, every rule suggests a twentieth of the
                /// rate from which the loss rises.
                suggest: Word(Suggest) = "valley";
                /// The rate to use if the curve suggests none, because the loss neither falls nor rises clearly or rises from the
                /// start. Without `or`, the run uses a tenth of the head's last rate, or stops if no `fit` came before.
                or: Number in above(0.0, 10.0);
                /// First rate.
                start: Number in above(0.0, 10.0) = "1e-5";
                /// The sweep ends just below this rate.
                end: Number in above(0.0, 100.0) = "10";
                /// Batches; the default is 100 on cached activations and 40 from images.
                iters: Count in range(12.0, 100000.0);
                /// Rates of the layer groups as multiples of the head's rate, earliest first, ending with 1: `[0.01, 0.1, 1]`.
                /// Without `ratio`, all groups have the same rate.
                ratio: Numbers in above(0.0, 1.0);
            }
            /// Replaces the head by a new, untrained one.
            HEAD head {} + layers
            /// Changes the image size from here on, and the batch size if `batch` is given.
            RESIZE resize {
                /// Side of the square, pixels.
                size: Count in range(8.0, 4096.0), required like "299";
                /// Images per batch from here on; unchanged unless given.
                batch: Count in range(2.0, 65536.0);
            }
            /// Averages plain and augmented predictions (test-time augmentation).
            TTA tta {
                /// Augmented passes.
                n_aug: Count in range(1.0, 1000.0) = "4";
            }
            /// Freezes the body's batch norm statistics while its weights train.
            BN_FREEZE bn_freeze {
                /// `on` or `off`.
                state: Switch, required;
            }
            /// Saves the model as `models/NAME.safetensors` in the run folder.
            SAVE save {
                /// File name without its suffix.
                name: Text, required like "\"224_all\"";
            }
            /// Loads a model that an earlier `save` wrote.
            LOAD load {
                /// File name without its suffix.
                name: Text, required like "\"224_all\"";
            }
            /// Loads the mean of several models that earlier `save`s or the cycles of a `fit` wrote, and estimates the
            /// statistics of batch norms again.
            AVERAGE average {
                /// File names without their suffix, at least two.
                names: Texts, required like "[\"a\", \"b\"]";
            }
        }
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

#[cfg(test)]
mod tests {
    use super::calls::LR_FIND;
    use super::*;

    #[test]
    fn the_registry_states_how_long_a_sweep_is() {
        let (_, iters) = LR_FIND.key("iters").unwrap();
        let said = format!("{ITERATIONS_CACHED} on cached activations and {ITERATIONS_ON_IMAGES} from images");
        assert!(iters.doc.contains(&said), "{}: {said}", iters.doc);
    }
}
