//! Metrics, accumulated over the whole set and never averaged a batch.

mod baseline;
mod confusion;
mod fbeta;
mod interval;
mod measure;
mod probabilities;
mod single;
mod telling;

pub use baseline::{ConstantAnswer, constant_answer, constant_number};
pub use confusion::{confusion, tag_table};
pub use fbeta::{SEARCHED_THRESHOLDS, f2, f2_of_images, f2_search};
pub use interval::{RESAMPLES, bootstrap, wilson};
pub use measure::{measure, measure_with_interval};
pub use probabilities::{Probabilities, Truth};
pub use single::{absolute_errors, accuracy, log_loss, log_loss_of_images, loss_of_predictions};
pub use telling::{most_correct, most_incorrect, most_uncertain};
