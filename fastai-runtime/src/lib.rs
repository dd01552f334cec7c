//! The engine of fastai: executes a checked recipe on burn, on CUDA, else wgpu, else the CPU.
#![forbid(unsafe_code)]

pub mod defaults;
pub mod device;
pub mod engine;
pub mod error;
mod float;
mod keeping_times;
pub mod metrics;
pub mod predict;
pub mod report;
mod slow_kernels;
mod summary_file;
pub mod sweep;
pub use burn::tensor;
pub use fastai_data::{self as data, progress};

// For the program, tests and benches.
#[doc(hidden)]
pub mod activations;
#[doc(hidden)]
pub mod bench;
#[doc(hidden)]
pub mod models;
#[doc(hidden)]
pub mod train;
#[doc(hidden)]
pub use fastai_data::{atomic, names, random, sealed, transforms};

pub use engine::{Run, RunOptions, Trained};
pub use error::RunError;
