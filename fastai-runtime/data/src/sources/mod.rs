//! Where images and labels come from: a csv file, folders, or a program.

pub(super) mod csv;
mod files;
pub(super) mod folders;
mod given;
pub(super) mod neighbours;

pub use csv::{CsvText, first_rows};
pub use files::{ImageFiles, begins_as_image, image_files};
pub use folders::test_id;
pub use given::Label;
