//! Metrics, accumulated over the whole set.
