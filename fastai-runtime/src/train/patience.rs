//! When a `fit` ends early.

/// When a fit ends early: after so many comparisons in a row without a better epoch, by the validation loss or by
/// [`FitPlan::keep_best`](super::FitPlan::keep_best).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Comparisons, from 1.
    pub comparisons: u64,
    /// The epochs after which it compares, counted from 1 and rising: the ends of cycles. `None` = all.
    pub after: Option<Vec<u64>>,
}
