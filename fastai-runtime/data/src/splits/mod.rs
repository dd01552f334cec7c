//! Selects the held-out images.

pub(super) mod better;
pub(super) mod drawn;
pub(super) mod holdout;
mod no_list;
mod sides;

pub use drawn::{cv_indices, grouped_indices, stratified_indices};
