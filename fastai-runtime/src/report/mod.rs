//! The run folder: history, summary, plots, report.html.

pub mod summary;

pub use summary::{Baseline, CacheUse, Counts, Evaluation, MetricValue, StageSummary, Summary};
