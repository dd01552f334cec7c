//! Cached activations of the frozen body: one file a set of images, named by its content.

mod cache;
mod features;
mod rows;
mod stored;

pub use cache::{ActivationCache, CacheKey, Opened};
pub use features::Features;
pub use stored::{Purpose, StoredFile, StoredKind, remove};
