//! Metrics.

use serde::{Deserialize, Serialize};

use super::TaskKind;
use crate::check::Bound;
use crate::draft::{Value, ValueKind};
use crate::experiment;
use crate::schema::{self, Construct};
use crate::word_enums::word_enums;

/// Declares the metrics: each with its word, its direction, its tasks and its parameters.
macro_rules! metrics {
    ($(
        #[doc = $doc:literal]
        $metric:ident $({ $(#[$about_field:meta])* $field:ident: $ty:ty })? = $word:ident,
            $better:ident is better, measures $($task:ident)|+;
    )+) => {
        word_enums! {
            /// A metric without its parameters.
            MetricKind { $( #[doc = $doc] $metric = $word, )+ }
        }

        /// Every metric with its description.
        pub const METRICS: &[(MetricKind, &str)] = &[$( (MetricKind::$metric, $doc), )+];

        /// A metric, computed over the whole validation set.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Metric {
            $( #[doc = $doc] $metric $({ $(#[$about_field])* $field: $ty })?, )+
        }

        impl Metric {
            /// The metric without its parameters.
            pub fn kind(&self) -> MetricKind {
                match self { $( Metric::$metric { .. } => MetricKind::$metric, )+ }
            }
        }

        impl MetricKind {
            /// The direction in which the metric improves.
            pub fn direction(self) -> Direction {
                match self { $( MetricKind::$metric => Direction::$better, )+ }
            }

            /// Returns the metric with the recipe's arguments; `None` if one of them was rejected.
            pub(crate) fn lower(self, bound: &Bound) -> Option<Metric> {
                match self {
                    $( MetricKind::$metric => {
                        Some(Metric::$metric $({ $field: bound.read(stringify!($field))? })?)
                    } )+
                }
            }

            /// The tasks that the metric supports.
            pub fn tasks(self) -> &'static [TaskKind] {
                match self { $( MetricKind::$metric => &[$(TaskKind::$task),+], )+ }
            }
        }

        /// The metrics as values of the typed builder.
        #[allow(non_camel_case_types)] // they are spelled as in a recipe
        pub mod metric_words {
            use super::*;
            $(
                #[doc = $doc]
                #[derive(Clone, Copy, Debug)]
                pub struct $word;

                impl From<$word> for Value {
                    fn from(_: $word) -> Value {
                        Value::new(ValueKind::Word(stringify!($word).to_string()))
                    }
                }

                $( impl Measures<experiment::$task> for $word {} )+
            )+
        }
    };
}
metrics! {
    /// Share of images whose most probable class is the label.
    Accuracy = accuracy, Higher is better, measures SingleLabel;
    /// Mean negative log-probability of the label, or mean binary cross-entropy.
    LogLoss = log_loss, Lower is better, measures SingleLabel | MultiLabel;
    /// Area under the ROC curve, the mean over the classes (each against the rest) or over the tags.
    Auroc = auroc, Higher is better, measures SingleLabel | MultiLabel;
    /// F-beta with beta 2, the mean over images.
    F2 {
        /// The rule for predicting tags.
        threshold: Threshold
    } = f2, Higher is better, measures MultiLabel;
    /// Mean absolute error.
    MeanAbsError = mae, Lower is better, measures Regression;
    /// Root of the mean squared error.
    RootMeanSquareError = rmse, Lower is better, measures Regression;
}

/// A value of the typed builder: a metric for task `T`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not measure `{T}` data",
    note = "LANGUAGE.md lists the tasks that each metric measures"
)]
pub trait Measures<T>: Into<Value> {}

/// The direction in which a metric improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The metric improves as it rises.
    Higher,
    /// The metric improves as it falls.
    Lower,
}

impl Direction {
    /// Returns the improvement from `before` to `after`; negative if the metric became worse.
    pub fn gain(self, before: f64, after: f64) -> f64 {
        match self {
            Direction::Higher => after - before,
            Direction::Lower => before - after,
        }
    }
}

impl Metric {
    /// Name of the table's column: the word, or `f2_best` with a threshold search.
    pub fn column(&self) -> &'static str {
        match self.threshold() {
            Some(Threshold::Search) => "f2_best",
            _ => self.word(),
        }
    }

    /// The word in a recipe, whatever its arguments.
    pub fn word(&self) -> &'static str {
        self.kind().word()
    }

    /// The rule for predicting tags, for a metric of tags.
    pub fn threshold(&self) -> Option<Threshold> {
        match self {
            Metric::F2 { threshold } => Some(*threshold),
            _ => None,
        }
    }

    /// The threshold, if the recipe fixes one.
    pub fn fixed_threshold(&self) -> Option<f64> {
        match self.threshold()? {
            Threshold::Fixed(threshold) => Some(threshold),
            Threshold::Search => None,
        }
    }
}

impl MetricKind {
    /// The metric's parameters in the registry.
    pub fn construct(self) -> &'static Construct {
        const PLAIN: Construct = Construct { name: "", doc: "", keys: &[] };
        schema::constructs().find(|construct| construct.name == self.word()).unwrap_or(&PLAIN)
    }

    /// Returns the metric of a table column, see [`Metric::column`].
    pub fn of_column(column: &str) -> Option<Self> {
        Self::parse(column.strip_suffix("_best").unwrap_or(column))
    }

    /// Whether the metric supports the task.
    pub fn measures(self, task: TaskKind) -> bool {
        self.tasks().contains(&task)
    }

    /// The first metric that supports only this task.
    pub fn of_task(task: TaskKind) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.tasks() == [task])
    }
}

/// The rule for predicting tags: a tag is predicted if `p > threshold`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// A fixed number.
    Fixed(f64),
    /// The best of 0.17, 0.18, .. 0.23 on the measured images, the same for all tags.
    Search,
}
