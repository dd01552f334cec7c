//! Batches of pixels, decoded ahead by worker threads, from the files or from scaled copies of them.

mod cache;
mod copies;
mod image_set;
mod loader;
mod traversal;

pub use cache::{Budget, DecodedCache};
pub use copies::{Copies, CopyCounts, Reading};
pub use image_set::{ImageExamples, ImageSet, Preparation};
pub use loader::{LoadFn, LoadJob, LoadedBatch, Loader, Visit};
pub use traversal::{Traversal, batch_ranges, merged_batches, order};
