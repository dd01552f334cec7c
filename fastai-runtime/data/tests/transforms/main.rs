//! Transforms against OpenCV, torchvision and their definitions.

mod augment;
mod golden;
mod operations;
mod sequence;
mod threads;
