//! Losses, metrics, training steps and the finder against PyTorch, scikit-learn and recorded sweeps.

mod finder_curves;
mod head;
mod metrics;
mod mixed_labels;
mod steps;
