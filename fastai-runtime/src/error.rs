//! The reasons why a run fails. Each message names the file, line, key or image, what was expected, and the remedy.

use std::path::PathBuf;

use crate::data::OpenError;
pub use crate::data::{DataError, FileError};
pub use crate::device::DeviceError;
pub use crate::models::WeightsError;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The data set does not match the recipe. Contains all findings.
    #[error("{0}")]
    Data(#[from] DataError),
    /// Weights are missing, broken, or belong to another network.
    #[error("{0}")]
    Weights(#[from] WeightsError),
    /// The requested device is not available.
    #[error("{0}")]
    Device(#[from] DeviceError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// `lr_find` suggested no rate and the recipe has no `or`.
    #[error("{0}")]
    NoRate(String),
    /// The loss became NaN or infinite.
    #[error("{0}")]
    Diverged(String),
    /// The engine does not support a feature that the recipe uses.
    #[error("{0}")]
    Unsupported(String),
    /// The run cannot be continued, or is complete.
    #[error("{0}")]
    Resume(String),
    /// Ctrl-C or SIGTERM stopped the run; the run folder contains its saved state.
    #[error("stopped: {0}")]
    Stopped(String),
}

impl RunError {
    /// Wraps an input/output error with the file it concerns.
    pub fn file(action: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        RunError::File(FileError::new(action, path, source))
    }
}

impl From<OpenError> for RunError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Data(error) => RunError::Data(error),
            OpenError::File(error) => RunError::File(error),
            OpenError::Stopped(how_far) => RunError::Stopped(how_far),
        }
    }
}
