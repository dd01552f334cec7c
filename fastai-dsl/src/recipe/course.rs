//! The course of a `fit`'s learning rate and momentum.

use serde::{Deserialize, Serialize};

use crate::word_enums::word_enums;

/// The form of a `fit`'s schedule. Rates are parts of the full rate of each layer group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FitCourse {
    /// A constant rate, or with `cycle_len` cycles of the form `anneal`.
    #[default]
    Cycles,
    /// fastai 0.7's `use_clr`: each cycle rises from `1 / div` to 1 over its first `1 / cut_div`, and falls back.
    UseClr {
        /// The full rate over the lowest.
        div: f64,
        /// The cycle over its rise.
        cut_div: f64,
        /// Momentum at the lowest and at the full rate.
        moms: Option<[f64; 2]>,
    },
    /// fastai 0.7's `use_clr_beta`: each cycle rises from `1 / div` to 1 and falls back, and in its last `pct` per cent falls
    /// on to a hundredth of that.
    UseClrBeta {
        /// The full rate over the first.
        div: f64,
        /// Per cent of the cycle that the last fall takes.
        pct: f64,
        /// Momentum at the lowest and at the full rate.
        moms: Option<[f64; 2]>,
    },
    /// fastai v2's one-cycle: half a cosine from `1 / div` to 1, and half a cosine to `1 / div_final`; the momentum opposite.
    OneCycle {
        /// Part of the batches that the rise takes.
        pct_start: f64,
        /// The full rate over the first.
        div: f64,
        /// The full rate over the last.
        div_final: f64,
        /// Momentum at first, at the full rate, and at the end.
        moms: [f64; 3],
    },
    /// A linear warm-up, and then one fall.
    Fall {
        /// Its form.
        fall: Fall,
        /// Epochs of the warm-up; 0 = none.
        warmup: f64,
        /// Epochs of a step.
        every: u32,
        /// Factor of a step.
        by: f64,
    },
}

word_enums! {
    values in course_words;

    /// What the rate does after the warm-up.
    Fall {
        /// The full rate.
        Constant = "constant",
        /// A straight line from the full rate to zero.
        Linear = "linear",
        /// Half a cosine from the full rate to zero.
        Cosine = "cosine",
        /// Multiplied by `by` every `every` epochs.
        Step = step,
    }
}
