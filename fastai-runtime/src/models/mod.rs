//! Networks, heads and weights.

/// Weights are missing, broken, or of another network.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WeightsError(pub String);
