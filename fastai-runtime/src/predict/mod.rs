//! Predictions and test-time augmentation.

mod imagenet;
mod predictions;
mod predictor;
mod submission;
mod tta;

pub use crate::data::image_files;
pub use imagenet::ImagenetClassifier;
pub use predictions::Predictions;
pub use predictor::{Predictor, Said, Unreadable};
pub use submission::{Submission, SubmissionCell, SubmissionFormat, tag_separator};
pub(crate) use tta::augmented;
pub use tta::{TtaWeights, average};
