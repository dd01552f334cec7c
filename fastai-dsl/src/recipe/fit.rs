//! The training of a `fit`.

use serde::{Deserialize, Serialize};

use super::FitCourse;
use crate::rate::Rate;
use crate::word_enums::word_enums;

word_enums! {
    values in fit_words;

    /// Shape of a cycle.
    Anneal {
        /// Half a cosine, from the full rate to zero.
        Cosine = cosine,
        /// A straight line, from the full rate to zero.
        Linear = linear,
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
    pub stop_early: Option<u32>,
    /// Saves the model at the end of each cycle, see [`cycle_model`].
    pub cycle_save_name: Option<String>,
    /// Ends with the mean of the weights after so many last epochs, or cycles.
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
