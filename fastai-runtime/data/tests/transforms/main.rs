//! Transforms against OpenCV, torchvision and their definitions.

mod augment;
mod bytes;
mod golden;
mod operations;
mod sequence;
mod threads;
