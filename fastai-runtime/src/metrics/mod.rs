//! Metrics, computed over the whole set and never averaged over batches.
//!
//! Each metric is one file with one [`Measure`]; [`of`] lists them.

/// The column and the direction of a [`Measure`] or a [`Statistic`] that computes a metric of the language.
macro_rules! language_metric {
    ($self:ident => $metric:expr) => {
        fn column(&$self) -> String {
            $metric.column()
        }

        fn direction(&$self) -> fastai_dsl::Direction {
            $metric.kind().direction()
        }
    };
}

mod absolute_error;
mod accuracy;
mod agreement;
mod auroc;
mod average_precision;
mod baseline;
mod calibration;
mod cells;
mod class_table;
mod confusion;
mod determination;
mod f2;
mod f_beta;
mod interval;
mod log_loss;
pub(crate) mod lower_is_better;
mod paired;
mod probabilities;
mod squared_error;
mod statistic;
mod tally;
mod telling;
mod thresholds;
mod top_k;
mod value;

use std::fmt::Debug;

use fastai_dsl::{Direction, Metric};

pub use absolute_error::{MeanAbsError, absolute_errors};
pub use accuracy::{Accuracy, accuracy};
pub use agreement::{BalancedAccuracy, Kappa, Mcc};
pub use auroc::{Auroc, auroc};
pub use average_precision::AveragePrecision;
pub use baseline::{ConstantAnswer, constant_answer, constant_number};
pub use calibration::{Brier, Ece};
pub use cells::{AccuracyThresh, Hamming};
pub use class_table::{ClassRow, ClassScore, ClassTable, class_table, tag_table};
pub use confusion::{Confusion, confusion};
pub use determination::Determination;
pub use f_beta::AveragedScore;
pub use f2::{F2, SEARCHED_THRESHOLDS, f2, f2_of_images, f2_search, f2_search_each, thresholds_by};
pub use interval::{RESAMPLES, bootstrap, wilson};
pub(crate) use interval::{drawn, quantiles};
pub use log_loss::{LogLoss, log_loss, log_loss_of_images};
pub use paired::{Paired, by_chance, paired};
pub use probabilities::{Probabilities, Truth};
pub(crate) use probabilities::{log_sum_exp, most_probable, top_of};
pub use squared_error::RootMeanSquareError;
pub use statistic::{Statistic, Weighted};
pub use telling::{most_correct, most_incorrect, most_uncertain};
pub use thresholds::Thresholds;
pub use top_k::TopK;
pub use value::MetricValue;
pub(crate) use value::number_or_nan;

/// One metric: its name, its direction, and its computation over a whole set.
pub trait Measure: Debug + Send + Sync {
    /// Name of its column in the epoch table, in `history.csv` and in the report.
    fn column(&self) -> String;

    /// Which values are the better ones.
    fn direction(&self) -> Direction;

    /// The value over all images; NaN for labels of a task that the metric does not measure. The rows of `predicted` and `truth`
    /// belong to the same images.
    fn value(&self, predicted: &Probabilities, truth: &Truth) -> f64;

    /// The 95 % interval `[low, high]` of the value; `None` if there are too few images for one. `draw` returns independent,
    /// uniform 64-bit numbers.
    fn interval(&self, predicted: &Probabilities, truth: &Truth, draw: &mut dyn FnMut() -> u64) -> Option<[f64; 2]>;

    /// What the metric chose on these very images, in words, such as a searched threshold. Such a choice flatters the value.
    fn chosen_here(&self, _predicted: &Probabilities, _truth: &Truth) -> Option<String> {
        None
    }

    /// The indices, below `classes`, of the classes or tags that the metric leaves out because these labels do not allow
    /// measuring them.
    fn unmeasured(&self, _truth: &Truth, _classes: usize) -> Vec<usize> {
        Vec::new()
    }
}

impl<M: Measure + ?Sized> Measure for std::sync::Arc<M> {
    fn column(&self) -> String {
        (**self).column()
    }

    fn direction(&self) -> Direction {
        (**self).direction()
    }

    fn value(&self, predicted: &Probabilities, truth: &Truth) -> f64 {
        (**self).value(predicted, truth)
    }

    fn interval(&self, predicted: &Probabilities, truth: &Truth, draw: &mut dyn FnMut() -> u64) -> Option<[f64; 2]> {
        (**self).interval(predicted, truth, draw)
    }

    fn chosen_here(&self, predicted: &Probabilities, truth: &Truth) -> Option<String> {
        (**self).chosen_here(predicted, truth)
    }

    fn unmeasured(&self, truth: &Truth, classes: usize) -> Vec<usize> {
        (**self).unmeasured(truth, classes)
    }
}

/// The computation of a recipe's metric.
pub fn of(metric: &Metric) -> Box<dyn Measure> {
    match *metric {
        Metric::Accuracy => Box::new(Accuracy),
        Metric::TopK { k } => Box::new(TopK { k }),
        Metric::LogLoss => Box::new(LogLoss),
        Metric::Auroc => Box::new(Auroc),
        Metric::AveragePrecision => Box::new(AveragePrecision),
        Metric::F2 { threshold } => Box::new(F2 { threshold }),
        Metric::F1 { .. } | Metric::FBeta { .. } | Metric::Precision { .. } | Metric::Recall { .. } => {
            Box::new(AveragedScore::of(metric).expect("one of its metrics"))
        }
        Metric::BalancedAccuracy => Box::new(BalancedAccuracy),
        Metric::Kappa { weights } => Box::new(Kappa { weights }),
        Metric::Mcc => Box::new(Mcc),
        Metric::Brier => Box::new(Brier),
        Metric::Ece { bins } => Box::new(Ece { bins }),
        Metric::AccuracyThresh { threshold } => Box::new(AccuracyThresh { threshold }),
        Metric::Hamming { threshold } => Box::new(Hamming { threshold }),
        Metric::MeanAbsError => Box::new(MeanAbsError),
        Metric::RootMeanSquareError => Box::new(RootMeanSquareError),
        Metric::Determination => Box::new(Determination),
    }
}

/// The computations of a recipe's metrics, in their order.
pub fn all_of(metrics: &[Metric]) -> Vec<Box<dyn Measure>> {
    metrics.iter().map(of).collect()
}

/// The value with its interval and with what was chosen on these very images.
pub fn measured(
    metric: &dyn Measure,
    predicted: &Probabilities,
    truth: &Truth,
    draw: &mut dyn FnMut() -> u64,
) -> MetricValue {
    MetricValue {
        name: metric.column(),
        direction: metric.direction(),
        value: metric.value(predicted, truth),
        interval: metric.interval(predicted, truth, draw),
        n: truth.len(),
        chosen_here: metric.chosen_here(predicted, truth),
    }
}

/// The mean, and the standard deviation (with n - 1) of two values and more; NaN for none.
pub(crate) fn mean_and_deviation(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()))
}

/// Mean of the values; 0 for none.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
