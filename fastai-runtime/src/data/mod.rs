//! Images and labels: sources, splits, vocabulary, preflight, decoding, the loader.

mod cache;
mod copies;
mod csv;
mod dataset;
mod decode;
mod files;
mod findings;
mod folders;
mod health;
mod histogram;
mod holdout;
mod jpeg;
mod known;
mod left_out;
mod loader;
mod looks;
mod pairs;
mod palette;
mod preflight;
mod quotes;
mod sides;
mod sizes;
mod split;
mod summary;
#[cfg(test)]
mod tests;
mod vocabulary;

pub use cache::{Budget, DecodedCache};
pub use copies::{Copies, CopyCounts, Reading};
pub use dataset::{Dataset, Item, Target};
pub use decode::{decode, decode_reduced};
pub use files::Label;
pub use findings::DataError;
pub use health::{Cut, Health};
pub use histogram::Histogram;
pub use loader::{LoadFn, LoadJob, LoadedBatch, Loader, Visit};
pub use preflight::Preflight;
pub use sizes::Sizes;
pub use split::{cv_indices, grouped_indices, stratified_indices};
pub use summary::summarise;
pub use vocabulary::Vocabulary;
