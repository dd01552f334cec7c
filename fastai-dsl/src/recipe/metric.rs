//! Metrics.

use serde::{Deserialize, Serialize};

use super::{Average, KappaWeights, TaskKind, Threshold, task};
use crate::bound::Bound;
use crate::construct::Construct;
use crate::draft::{Value, ValueKind};
use crate::word_enums::word_enums;
use crate::written::Written;

/// Declares the metrics: each with its word, its direction, its tasks, and the construct of its parameters, if it has any.
macro_rules! metrics {
    ($(
        #[doc = $doc:literal]
        $metric:ident = $word:ident, $better:ident is better, measures $($task:ident)|+ $(, takes $konst:ident { $(
            $(#[doc = $about:literal])+
            $key:ident: $ty:ident $(($words:ident))? $(in $bounds:ident($lo:literal, $hi:literal))?
                $(= $default:literal)? $(, $required:ident)?;
        )+ })?;
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
        pub enum Metric { $(
            #[doc = $doc]
            $metric $({ $( $(#[doc = $about])+ $key: parameter!($ty $($words)?), )+ })?,
        )+ }

        impl Metric {
            /// The metric without its parameters.
            pub fn kind(&self) -> MetricKind {
                match self { $( Metric::$metric { .. } => MetricKind::$metric, )+ }
            }

            /// Its parameters as a recipe writes them, in the registry's order.
            fn parameters(&self) -> Vec<(&'static str, String)> {
                match self {
                    $( Metric::$metric $({ $($key),+ })? =>
                        vec![$($( (stringify!($key), $key.written()) ),+)?], )+
                }
            }
        }

        impl MetricKind {
            /// The direction in which the metric improves.
            pub fn direction(self) -> Direction {
                match self { $( MetricKind::$metric => Direction::$better, )+ }
            }

            /// Returns the metric with the recipe's arguments; `None` if the value of one has an error.
            pub(crate) fn lower(self, bound: &Bound) -> Option<Metric> {
                match self {
                    $( MetricKind::$metric => {
                        Some(Metric::$metric $({ $($key: bound.read(stringify!($key))?),+ })?)
                    } )+
                }
            }

            /// The tasks that the metric supports.
            pub fn tasks(self) -> &'static [TaskKind] {
                match self { $( MetricKind::$metric => &[$(TaskKind::$task),+], )+ }
            }
        }

        /// The constructs of the metrics with arguments.
        pub mod calls {
            use super::{Average, KappaWeights};

            crate::construct::construct_lists! {
                /// The metrics that take arguments.
                MEASURES in measures { $($(
                    #[doc = $doc]
                    $konst $word { $(
                        $(#[doc = $about])+
                        $key: $ty $(($words))? $(in $bounds($lo, $hi))? $(= $default)? $(, $required)?;
                    )+ }
                )?)+ }
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

                $( impl Measures<task::$task> for $word {} )+
                $crate::recipe::metric::metrics!(@call $word [$($task)+] $($konst)?);
            )+
        }
    };
    // The call of a metric with parameters measures what its word does.
    (@call $word:ident $tasks:tt) => {};
    (@call $word:ident [$($task:ident)+] $konst:ident) => {
        $( impl Measures<task::$task> for calls::$word {} )+
    };
}
pub(crate) use metrics;

/// The Rust type of a parameter.
macro_rules! parameter {
    (Number) => {
        f64
    };
    (Count) => {
        u32
    };
    (Threshold) => {
        Threshold
    };
    (Word $words:ident) => {
        $words
    };
}

metrics! {
    /// Share of images whose most probable class is the label.
    Accuracy = accuracy, Higher is better, measures SingleLabel;
    /// Share of images whose label is one of the `k` most probable classes.
    TopK = top_k, Higher is better, measures SingleLabel, takes TOP_K {
        /// Classes that count.
        k: Count in range(1.0, 10000.0) = "5";
    };
    /// Mean negative log-probability of the label, or mean binary cross-entropy; probabilities are clipped at 1e-15.
    LogLoss = log_loss, Lower is better, measures SingleLabel | MultiLabel;
    /// Area under the ROC curve, the mean over the classes (each against the rest) or over the tags.
    Auroc = auroc, Higher is better, measures SingleLabel | MultiLabel;
    /// Average precision, the area under the precision-recall curve: the mean over the classes or the tags.
    AveragePrecision = average_precision, Higher is better, measures SingleLabel | MultiLabel;
    /// F-beta with beta 2, the mean over images.
    F2 = f2, Higher is better, measures MultiLabel, takes F2 {
        /// A tag is predicted if its probability exceeds this number; `search` takes the best of 0.17 to 0.23 for all
        /// tags, `search_each` the best of 0.01 to 0.99 for each.
        threshold: Threshold in open(0.0, 1.0) = "0.2";
    };
    /// F-beta with beta 1: the harmonic mean of precision and recall.
    F1 = f1, Higher is better, measures SingleLabel | MultiLabel, takes F1 {
        /// What is averaged; `samples` is for tags only.
        average: Word(Average) = "macro";
        /// A tag is predicted if its probability exceeds this number; for tags only.
        threshold: Number in open(0.0, 1.0) = "0.5";
    };
    /// F-beta: recall counts `beta` times as much as precision.
    FBeta = f_beta, Higher is better, measures SingleLabel | MultiLabel, takes F_BETA {
        /// Weight of recall.
        beta: Number in above(0.0, 100.0), required;
        /// What is averaged; `samples` is for tags only.
        average: Word(Average) = "macro";
        /// A tag is predicted if its probability exceeds this number; for tags only.
        threshold: Number in open(0.0, 1.0) = "0.5";
    };
    /// Share of what is predicted that is true.
    Precision = precision, Higher is better, measures SingleLabel | MultiLabel, takes PRECISION {
        /// What is averaged; `samples` is for tags only.
        average: Word(Average) = "macro";
        /// A tag is predicted if its probability exceeds this number; for tags only.
        threshold: Number in open(0.0, 1.0) = "0.5";
    };
    /// Share of what is true that is predicted.
    Recall = recall, Higher is better, measures SingleLabel | MultiLabel, takes RECALL {
        /// What is averaged; `samples` is for tags only.
        average: Word(Average) = "macro";
        /// A tag is predicted if its probability exceeds this number; for tags only.
        threshold: Number in open(0.0, 1.0) = "0.5";
    };
    /// Mean recall of the classes that the images have.
    BalancedAccuracy = balanced_accuracy, Higher is better, measures SingleLabel;
    /// Cohen's kappa: agreement beyond chance, if wanted weighted by the distance in class order (byte order of names).
    Kappa = kappa, Higher is better, measures SingleLabel, takes KAPPA {
        /// How much a mistake counts: `linear` and `quadratic` go by the distance in class order, the byte order of the
        /// names.
        weights: Word(KappaWeights) = "none";
    };
    /// Matthews' correlation coefficient of the predicted classes and the labels.
    Mcc = mcc, Higher is better, measures SingleLabel;
    /// Brier score: the mean squared error of the probabilities, summed over three or more classes, the mean over tags.
    Brier = brier, Lower is better, measures SingleLabel | MultiLabel;
    /// Expected calibration error: how far accuracy is from the probability of the predicted class, in bins of the latter.
    Ece = ece, Lower is better, measures SingleLabel, takes ECE {
        /// Bins of equal width.
        bins: Count in range(1.0, 1000.0) = "15";
    };
    /// Share of cells (an image and a tag) that are right.
    AccuracyThresh = accuracy_thresh, Higher is better, measures MultiLabel, takes ACCURACY_THRESH {
        /// A tag is predicted if its probability exceeds this number.
        threshold: Number in open(0.0, 1.0) = "0.5";
    };
    /// Hamming loss: the share of cells (an image and a tag) that are wrong.
    Hamming = hamming, Lower is better, measures MultiLabel, takes HAMMING {
        /// A tag is predicted if its probability exceeds this number.
        threshold: Number in open(0.0, 1.0) = "0.5";
    };
    /// Mean absolute error.
    MeanAbsError = mae, Lower is better, measures Regression;
    /// Root of the mean squared error.
    RootMeanSquareError = rmse, Lower is better, measures Regression;
    /// Coefficient of determination: the share of the numbers' variance that is predicted; 0 for a constant answer.
    Determination = r2, Higher is better, measures Regression;
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
    /// Which values are better, in a word: `higher` or `lower`.
    pub fn word(self) -> &'static str {
        match self {
            Direction::Higher => "higher",
            Direction::Lower => "lower",
        }
    }

    /// Returns the improvement from `before` to `after`; negative if the metric became worse.
    pub fn gain(self, before: f64, after: f64) -> f64 {
        match self {
            Direction::Higher => after - before,
            Direction::Lower => before - after,
        }
    }
}

impl Metric {
    /// Name of the table's column: the word and the arguments that are not the registry's defaults, `precision_micro`;
    /// `f2_best` with a threshold search, `f2_best_each` with one for each tag, `top_5`.
    pub fn column(&self) -> String {
        if let Metric::TopK { k } = self {
            return format!("top_{k}");
        }
        match self.threshold() {
            Some(Threshold::Search) => return format!("{}_best", self.word()),
            Some(Threshold::SearchEach) => return format!("{}_best_each", self.word()),
            Some(Threshold::Fixed(_)) | None => {}
        }
        let arguments = self.arguments().into_iter().map(|(_, text)| format!("_{text}"));
        std::iter::once(self.word().to_string()).chain(arguments).collect()
    }

    /// The arguments that differ from the registry's defaults, as a recipe writes them.
    pub fn arguments(&self) -> Vec<(&'static str, String)> {
        let construct = self.kind().construct();
        self.parameters().into_iter().filter(|(key, text)| !construct.is_default(key, text)).collect()
    }

    /// The word in a recipe, whatever its arguments.
    pub fn word(&self) -> &'static str {
        self.kind().word()
    }

    /// Says so, if the metric is 1 whatever is predicted, as `top_k` of as many classes as there are.
    pub fn always_one(&self, classes: usize) -> Option<String> {
        match self {
            Metric::TopK { k } if *k as usize >= classes => Some(format!(
                "`{self}` takes in the {k} most probable classes, and there are {classes}: it is always 1"
            )),
            _ => None,
        }
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
            Threshold::Search | Threshold::SearchEach => None,
        }
    }
}

impl MetricKind {
    /// The metric's parameters in the registry.
    pub fn construct(self) -> &'static Construct {
        const PLAIN: Construct = Construct { name: "", doc: "", keys: &[] };
        calls::MEASURES.iter().copied().find(|construct| construct.name == self.word()).unwrap_or(&PLAIN)
    }

    /// The metric as a recipe may write it: its word, with the arguments that it needs.
    pub(crate) fn example(self) -> String {
        let construct = self.construct();
        match construct.keys.iter().any(|key| key.required) {
            true => construct.example(),
            false => self.word().to_string(),
        }
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
