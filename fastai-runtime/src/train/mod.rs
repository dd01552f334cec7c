//! The fit loop, the finder, the optimizer, the recorder.

mod examples;
mod finder;
mod fit;
mod learner;
mod loss;
mod recorder;
mod sgd;
mod suggestion;

pub use examples::{CachedExamples, Examples, ImageExamples, Inputs};
pub use finder::{Found, find_rate};
pub use fit::{Ending, FitPlan, FitResult, fit};
pub use learner::{Learner, Measured};
pub use loss::{Loss, activate, losses_of_images};
pub use recorder::SmoothedLoss;
pub use sgd::{Rates, Sgd};
pub use suggestion::suggest;
