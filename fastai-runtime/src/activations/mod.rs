//! Cached activations of the frozen body.
