//! Batches of pixels, decoded ahead by worker threads, from the files or from scaled copies of them.

mod cache;
mod copies;
mod examples;
mod image_set;
mod loader;
mod preparation;
mod traversal;

pub use cache::{Budget, DecodedCache};
pub use copies::{Copies, CopyCounts, Reading};
pub use examples::ImageExamples;
pub use image_set::ImageSet;
pub use loader::{BrokenImage, LoadFn, LoadJob, LoadedBatch, Loader, Visit};
pub use preparation::Preparation;
pub use traversal::{Traversal, batch_ranges, merged_batches, order};
