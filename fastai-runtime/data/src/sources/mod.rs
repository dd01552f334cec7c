//! Where images and labels come from: a csv file, folders, or a program.

pub(super) mod csv;
pub(super) mod folders;
mod given;
mod quotes;

pub use given::Label;
