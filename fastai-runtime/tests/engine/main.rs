//! Whole runs on a few real satellite chips, and the report of a run.

mod averages;
mod cached;
mod chips;
#[cfg(feature = "remote")]
mod collectives;
mod courses;
mod data;
#[path = "../device.rs"]
#[allow(dead_code)] // each test program uses a part
mod device;
mod finder;
mod findings;
mod folds;
mod forged;
mod imbalance;
mod lost;
mod mixing;
mod predict;
mod report_page;
mod resume;
mod run;
mod schedules;
mod stochastic_depth;
#[path = "../training/tensors.rs"]
mod tensors;
mod unfreezing;
