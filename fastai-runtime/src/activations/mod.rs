//! Cached activations of the frozen body: one file a set of images, named by its content.

mod cache;
mod features;

pub use cache::{ActivationCache, CacheKey, Opened};
pub use features::Features;
