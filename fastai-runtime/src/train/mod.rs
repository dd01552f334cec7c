//! The fit loop, the finder, the optimizer, the recorder.

mod accumulated;
mod answers;
mod averaging;
mod course;
mod curves;
mod epoch_table;
mod evidence;
mod examples;
mod finder;
mod fit;
mod fit_plan;
mod fit_result;
mod judgement;
mod learner;
mod loss;
mod loss_scale;
mod midway;
mod mixing;
mod optimizer;
mod parts;
mod patience;
mod recorder;
mod statistics;
mod suggestion;
mod validation;

pub use averaging::{WeightAverage, Weighting};
pub use course::{Against, FEWEST_TO_JUDGE, Verdict, certain};
pub use curves::{EpochRow, FindCurve, FitCurve};
pub use evidence::{Evidence, LowestLosses};
pub use examples::{ExampleBatch, ExampleBatches, Examples, Inputs};
pub use finder::{FindPlan, FindResult, find_rate};
pub use fit::fit;
pub use fit_plan::FitPlan;
pub use fit_result::{Ending, FitResult, MeanResult};
pub use judgement::{Course, Judgement};
pub use learner::{BatchLoss, Learner};
pub use loss::{
    AbsoluteError, AsymmetricLoss, BinaryCrossEntropy, ByCell, CellLoss, Criterion, CrossEntropy, FocalCells,
    FocalClasses, Huber, Loss, SquaredError, criterion,
};
pub use loss_scale::LossScale;
pub use midway::{BestEpoch, Continued, FitState, Logbook, Midway, SavedPredictions};
pub use mixing::{Mix, Mixing, Targets};
#[cfg(test)]
pub(crate) use optimizer::received;
pub use optimizer::{
    Adam, ByTensor, Clip, Descent, GroupRates, Lamb, Optimizer, OptimizerState, Rmsprop, Rule, Sgd, TensorStep,
};
pub(crate) use parts::features_in_parts;
pub use patience::Patience;
pub use recorder::{SmoothedLoss, turning_point};
pub use statistics::estimate_statistics;
pub use suggestion::{Basis, Suggestion, skipped, suggest, windowed};
pub use validation::{BestBy, Validation};
