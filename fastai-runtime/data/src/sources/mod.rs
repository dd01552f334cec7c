//! Where images and labels come from: a csv file, folders, or a program.

pub(super) mod csv;
mod files;
pub(super) mod folders;
mod given;
mod quotes;

pub use files::image_files;
pub use given::Label;
