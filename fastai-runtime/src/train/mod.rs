//! The fit loop, the finder, the optimizer, the recorder.

mod curves;
mod examples;
mod finder;
mod fit;
mod images;
mod learner;
mod loss;
mod mixing;
mod optimizer;
mod recorder;
mod suggestion;

pub use curves::{EpochRow, FindCurve, FitCurve};
pub(crate) use examples::merged_batches;
pub use examples::{CachedExamples, ExampleBatch, ExampleBatches, Examples, Inputs, Pass};
pub use finder::{FindPlan, FindResult, find_rate};
pub use fit::{Ending, FitPlan, FitResult, Validation, fit};
pub use images::{ImageExamples, ImageSet, Preparation};
pub use learner::Learner;
pub use loss::{AbsoluteError, BinaryCrossEntropy, Criterion, CrossEntropy, Loss};
pub use mixing::{Mix, Mixing, Targets};
pub use optimizer::{ByTensor, GroupRates, Optimizer, OptimizerState, Rule, Sgd, TensorStep};
pub use recorder::{SmoothedLoss, turning_point};
pub use suggestion::suggest;
