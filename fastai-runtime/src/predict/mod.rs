//! Predictions and test-time augmentation.

mod files;
mod imagenet;
mod inputs;
mod memory;
mod npy;
mod onnx;
mod origin;
mod predictions;
mod predictor;
mod submission;
mod tta;
mod typed;

pub use crate::data::{ImageFiles, image_files};
pub use fastai_onnx::OPSET as ONNX_OPSET;
pub use files::{FileAnswer, Said, Unreadable};
pub use imagenet::ImagenetClassifier;
pub use memory::{Embeddings, ImageAnswer};
pub use npy::NpyRows;
pub use origin::removed_models;
pub(crate) use origin::{fold_folder, saved_models};
pub use predictions::Predictions;
pub(crate) use predictor::{IN_MEMORY, mean};
pub use predictor::{PredictOptions, Predictor};
pub use submission::{Submission, SubmissionCell, SubmissionFormat, tag_separator};
pub(crate) use tta::augmented;
pub use tta::{TtaWeights, average};
pub use typed::Prediction;
pub(crate) use typed::class_differences;
