//! Data sets, readers and decoders, on sound and on broken files.

mod broken_inputs;
mod image_kinds;
mod reduced_decoding;
mod sets;

// The modules that the sources of the fuzz targets import from their crate.
use broken_inputs::data;
use fastai_runtime::{random, transforms};
#[path = "../../fuzz/src/picture.rs"]
mod picture;
#[path = "../../fuzz/src/table.rs"]
mod table;
