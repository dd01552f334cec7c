//! Whole runs on a few real satellite chips, and the report of a run.

mod chips;
mod data;
mod imbalance;
mod mixing;
mod predict;
mod report_page;
mod resume;
mod run;
