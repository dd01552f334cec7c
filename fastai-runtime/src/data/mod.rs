//! Images and labels: sources, splits, vocabulary, preflight, decoding, the loader.

mod cache;
mod copies;
mod csv;
mod dataset;
mod decode;
mod files;
mod findings;
mod folders;
mod health;
mod holdout;
mod jpeg;
mod known;
mod loader;
mod looks;
mod preflight;
mod split;
mod summary;
#[cfg(test)]
mod tests;
mod vocabulary;

pub use cache::DecodedCache;
pub use copies::{Copies, CopyCounts};
pub use dataset::{Dataset, Item, Target};
pub use decode::decode;
pub use files::Label;
pub use health::{Health, Histogram};
pub use loader::{LoadFn, LoadJob, LoadedBatch, Loader, Visit};
pub use preflight::Preflight;
pub use split::{cv_indices, grouped_indices, stratified_indices};
pub use summary::summarise;
pub use vocabulary::Vocabulary;

/// What is wrong with the data set; all findings at once, one a line.
#[derive(Debug, thiserror::Error)]
#[error("{}", findings.join("\n"))]
pub struct DataError {
    /// Each names its file, line or image, what was expected and what to do.
    pub findings: Vec<String>,
}

impl DataError {
    /// An error of one finding.
    pub fn one(finding: impl Into<String>) -> Self {
        DataError { findings: vec![finding.into()] }
    }
}
