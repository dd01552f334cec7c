//! Data sets, readers and decoders, on sound and on broken files.

mod broken_inputs;
mod image_kinds;
#[path = "../../../fuzz/src/picture.rs"]
mod picture;
mod reduced_decoding;
mod sets;
#[path = "../../../fuzz/src/table.rs"]
mod table;
