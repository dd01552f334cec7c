//! Batches of pixels, decoded ahead by worker threads, from the files or from scaled copies of them.

mod cache;
mod copies;
mod loader;

pub use cache::{Budget, DecodedCache};
pub use copies::{Copies, CopyCounts, Reading};
pub use loader::{LoadFn, LoadJob, LoadedBatch, Loader, Visit};
