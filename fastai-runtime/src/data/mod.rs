//! Images and labels, from the sources that a recipe names to batches of pixels.

mod dataset;
mod decode;
mod findings;
mod histogram;
mod loading;
mod preflight;
mod sources;
mod splits;
mod summary;
#[cfg(test)]
mod tests;
mod vocabulary;

pub use dataset::{Dataset, Item, Target};
pub use decode::{decode, decode_reduced};
pub use findings::DataError;
pub use histogram::Histogram;
pub use loading::{Budget, Copies, CopyCounts, DecodedCache, LoadFn, LoadJob, LoadedBatch, Loader, Reading, Visit};
pub use preflight::{Cut, Health, Preflight, Sizes};
pub use sources::Label;
pub use splits::{cv_indices, grouped_indices, stratified_indices};
pub use summary::summarise;
pub use vocabulary::Vocabulary;
