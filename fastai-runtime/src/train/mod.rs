//! The fit loop, the finder, the optimizer, the recorder.

mod examples;
mod finder;
mod fit;
mod images;
mod learner;
mod loss;
mod mixing;
mod recorder;
mod sgd;
mod suggestion;

pub(crate) use examples::merged_batches;
pub use examples::{CachedExamples, ExampleBatch, ExampleBatches, Examples, Inputs, Pass};
pub use finder::{FindPlan, Found, find_rate};
pub use fit::{Ending, FitPlan, FitResult, Validation, fit};
pub use images::{ImageExamples, ImageSet, Preparation};
pub(crate) use learner::unreadable;
pub use learner::{Learner, Watch};
pub use loss::{Loss, activate, activate_for, losses_of_images};
pub use mixing::{Mix, Mixing, Targets};
pub use recorder::{SmoothedLoss, turning_point};
pub use sgd::{Rates, Sgd};
pub use suggestion::suggest;
