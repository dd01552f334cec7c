//! Predictions and test-time augmentation.

mod predictions;
mod tta;

pub use predictions::Predictions;
pub use tta::{TtaWeights, average};
