//! Cached activations of the frozen body: one file a set of images, named by its content, and files of rows while a set is
//! computed.

mod cache;
mod examples;
mod feature_file;
mod features;
mod partial;
mod purpose;
mod row_file;
mod rows;
mod stored;
mod trim;

pub use cache::{ActivationCache, CacheContent, CacheKey, Opened};
pub use examples::CachedExamples;
pub use features::Features;
pub use purpose::{Part, Purpose};
pub use stored::{StoredFile, StoredKind};
pub use trim::Trimmed;
