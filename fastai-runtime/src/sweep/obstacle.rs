//! What keeps a sweep from succeeding.

use std::fmt;

use crate::RunError;

/// Why a sweep, or the runs of some of its candidates, would fail.
#[derive(Debug)]
pub struct Obstacle {
    /// The candidates whose runs would: `lr=0.1 and 3 other combinations`; empty for all.
    pub whom: String,
    /// The reason.
    pub error: RunError,
}

impl Obstacle {
    /// One for all candidates.
    pub(super) fn of_all(error: RunError) -> Self {
        Obstacle { whom: String::new(), error }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.whom.as_str() {
            "" => write!(f, "{}", self.error),
            whom => write!(f, "{whom}: {}", self.error),
        }
    }
}
