//! What asked for a sweep.

use serde::{Deserialize, Serialize};

use super::{Shard, Stopping};

/// What asked for a sweep, as the command line gave it: enough to build it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepOrigin {
    /// The name of the recipe's file, for messages.
    pub file: String,
    /// The recipe's text.
    pub text: String,
    /// `--set`: keys that all candidates change.
    pub set: Vec<String>,
    /// `--over`: keys with the values that they take.
    pub over: Vec<String>,
    /// `--random`: combinations that are drawn.
    pub random: Option<u32>,
    /// `--seeds`: runs of each candidate.
    pub seeds: u32,
    /// `--folds`.
    pub folds: Option<u32>,
    /// `--seed`: the first seed, unless it is the recipe's.
    pub seed: Option<u64>,
    /// Whether candidates that fall behind are stopped.
    pub stopping: Stopping,
    /// `--shard`.
    pub shard: Option<Shard>,
}
