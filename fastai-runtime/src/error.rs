//! Why a run failed. Each message names the file, line, key or image, what was expected, and what to do.

use std::path::PathBuf;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The data set is not as the recipe says. All findings at once.
    #[error("{0}")]
    Data(#[from] crate::data::DataError),
    /// Weights are missing, broken, or of another network.
    #[error("{0}")]
    Weights(#[from] crate::models::WeightsError),
    /// The wanted device is not there.
    #[error("{0}")]
    Device(#[from] crate::device::DeviceError),
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `write`, `read`, `create`.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `lr_find` suggested nothing and the recipe gives no `or`.
    #[error("{0}")]
    NoRate(String),
    /// The loss became NaN or infinite.
    #[error("{0}")]
    Diverged(String),
    /// Something the recipe asks for that the engine cannot do (yet).
    #[error("{0}")]
    Unsupported(String),
    /// A run that cannot be continued, or one that does not need to be.
    #[error("{0}")]
    Resume(String),
    /// Stopped by Ctrl-C or SIGTERM; what was saved is in the run folder.
    #[error("stopped: {0}")]
    Stopped(String),
}

impl RunError {
    /// Wraps an input/output error with the file it concerns.
    pub fn file(action: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        RunError::File { action, path: path.into(), source }
    }
}
