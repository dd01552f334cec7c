//! The engine of fastai: executes checked recipes on [burn](https://burn.dev), on the CPU or on a graphics card through CUDA,
//! Metal, Vulkan or wgpu.
//!
//! Programs depend on the crate `fastai`, which re-exports the public items of this one. [`engine`] runs recipes, [`predict`]
//! uses trained networks, [`metrics`] measures them, [`report`] reads run folders, [`sweep`] compares many runs, and [`device`]
//! selects where to compute. `ARCHITECTURE.md` in the repository describes the modules and their dependencies.
#![forbid(unsafe_code)]

pub mod defaults;
pub mod device;
pub mod engine;
pub mod error;
mod float;
mod folder_lock;
mod keeping_times;
pub mod metrics;
pub mod predict;
pub mod report;
mod slow_kernels;
mod summary_file;
pub mod sweep;
pub use burn::tensor;
pub use fastai_data::{self as data, progress};

// Public for the program `fastai`, tests and benches only.
#[doc(hidden)]
pub mod activations;
#[doc(hidden)]
pub mod bench;
#[doc(hidden)]
pub mod models;
#[doc(hidden)]
pub mod train;
#[doc(hidden)]
pub use fastai_data::{atomic, locks, names, random, sealed, transforms};

pub use engine::{Run, RunOptions, Trained};
pub use error::RunError;
