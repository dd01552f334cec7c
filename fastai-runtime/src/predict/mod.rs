//! Predictions and test-time augmentation.
