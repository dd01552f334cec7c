//! Picks the device when the program runs.

/// The wanted device is not there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DeviceError(pub String);
