//! Loads batches of pixels; worker threads decode ahead, from the files or from scaled copies.

mod cache;
mod copies;
mod examples;
mod image_set;
mod loader;
mod preparation;
mod seen_files;
mod traversal;

pub use cache::{Budget, DecodedCache};
pub use copies::{Copies, CopyCounts, Reading};
pub use examples::ImageExamples;
pub use image_set::ImageSet;
pub use loader::{BrokenImage, LoadFn, LoadJob, LoadedBatch, Loader, Visit};
pub use preparation::Preparation;
pub use seen_files::SeenFiles;
pub use traversal::{Traversal, batch_ranges, merged_batches, order};
