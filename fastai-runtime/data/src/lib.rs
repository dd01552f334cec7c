//! Images and labels, from the sources that a recipe names to batches of pixels.
//!
//! The crate knows neither tensors nor networks, so a change of the loader compiles without burn.
#![forbid(unsafe_code)]

pub mod atomic;
pub mod byte_units;
mod class_names;
mod data_key;
mod dataset;
mod decode;
pub mod figures;
mod finding;
mod findings;
mod histogram;
mod loading;
pub mod locks;
pub mod memory;
pub mod names;
mod opening;
pub mod panics;
mod preflight;
pub mod progress;
pub mod random;
mod row;
pub mod sealed;
mod sources;
mod splits;
mod summary;
#[cfg(test)]
mod tests;
pub mod transforms;
mod vocabulary;

pub use atomic::FileError;
pub use data_key::DataKey;
pub use dataset::{Dataset, Item, Target};
pub use decode::{DecodeError, MAX_IMAGE_BYTES, decode, decode_as, image_size};
pub use finding::{DataPart, Finding, FindingKind, RowFault};
pub use findings::{DataError, OpenError, OpenReached};
pub use histogram::Histogram;
pub use image::{ImageFormat, RgbImage};
pub use loading::{
    BrokenImage, Budget, Copies, CopyCounts, DecodedCache, ImageExamples, ImageSet, LoadFn, LoadJob, LoadedBatch,
    Loader, Preparation, Reading, SeenFiles, Traversal, Visit, batch_ranges, merged_batches, order,
};
pub use preflight::{AcrossFolds, FarLabels, FoldsWithout, Health, Preflight, Sizes, Together, Truncated};
#[doc(hidden)]
pub use row::id_prefix;
pub use sources::{CsvText, ImageFiles, Label, begins_as_image, first_rows, image_files, test_id};
pub use splits::{cv_indices, grouped_indices, stratified_indices};
pub use summary::summarise;
pub use transforms::Demand;
pub use vocabulary::Vocabulary;

/// The decoders without the guard that turns a panic into an error, for the fuzz targets.
#[doc(hidden)]
pub mod unguarded {
    pub use crate::decode::{decode_bytes as decode, decode_bytes_as as decode_as};
}
