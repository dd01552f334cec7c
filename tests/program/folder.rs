//! What tests read of a run folder.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// The content of `summary.json`.
pub fn summary(run: &Path) -> Value {
    serde_json::from_slice(&fs::read(run.join("summary.json")).unwrap()).unwrap()
}
