//! What the fuzz targets do with their bytes. The tests of the engine replay the corpora through the same functions.

pub mod picture;
pub mod table;
