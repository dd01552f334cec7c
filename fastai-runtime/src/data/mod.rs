//! Images and labels: sources, splits, vocabulary, preflight, decoding, the loader.

/// What is wrong with the data set; all findings at once, one a line.
#[derive(Debug, thiserror::Error)]
#[error("{}", findings.join("\n"))]
pub struct DataError {
    /// Each names its file, line or image, what was expected and what to do.
    pub findings: Vec<String>,
}
