//! Losses, metrics, training steps and the finder against PyTorch, scikit-learn and recorded sweeps.

mod averages;
#[path = "../device.rs"]
#[allow(dead_code)] // each test program uses a part
mod device;
mod finder_curves;
mod head;
mod losses;
mod metrics;
mod mixed_labels;
mod optimizers;
mod parts;
mod steps;
mod tensors;
