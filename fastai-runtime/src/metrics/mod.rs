//! Metrics, accumulated over the whole set and never averaged a batch.

mod baseline;
mod confusion;
mod fbeta;
mod interval;
mod measure;
mod probabilities;
mod single;
mod telling;

pub use baseline::{ConstantAnswer, constant_answer};
pub use confusion::{confusion, tag_table};
pub use fbeta::{SEARCHED_THRESHOLDS, f2, f2_of_images, f2_search};
pub use interval::{RESAMPLES, bootstrap, wilson};
pub use measure::{measure, measure_with_interval};
pub use probabilities::{Probabilities, Truth};
pub use single::{accuracy, log_loss, log_loss_of_images};
pub use telling::{most_correct, most_incorrect, most_uncertain};
