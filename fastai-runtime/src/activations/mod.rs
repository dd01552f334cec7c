//! Cached activations of the frozen body: one file a set of images, named by its content, and files of rows while a set is
//! computed.

mod cache;
mod features;
mod partial;
mod rows;
mod stored;
mod trim;

pub use cache::{ActivationCache, CacheKey, Opened};
pub use features::Features;
pub use stored::{Purpose, StoredFile, StoredKind};
pub use trim::Trimmed;
