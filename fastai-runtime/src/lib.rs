//! The engine of fastai: executes a checked recipe on burn, on CUDA, else wgpu, else the CPU.
#![deny(unsafe_code)]

pub mod activations;
pub mod device;
pub mod engine;
pub mod error;
#[allow(unsafe_code)] // the only place for it; each block states its proof
pub mod kernels;
pub mod metrics;
pub mod models;
pub mod predict;
pub mod report;
pub mod train;

pub use fastai_data::{self as data, atomic, progress, random, transforms};

pub use engine::{Run, RunOptions, Trained};
pub use error::RunError;
