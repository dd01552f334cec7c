//! The losses: one declaration each, with word, keys, tasks and the fields in a recipe.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::task::{self, Task, TaskKind};
use crate::bound::Bound;
use crate::construct::{Construct, IntoConstruct};
use crate::draft::{Value, number};
use crate::word::Given;

/// Declares the losses: the constructs of the registry, the variants of [`LossSpec`] with their lowering, their parameters and
/// their tasks, and the values of the typed builder. A key without a default may be left out.
macro_rules! losses {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident = $konst:ident $name:ident for $($task:ident)|+ $({ $(
            $(#[doc = $about:literal])+
            $key:ident: Number in $bounds:ident($lo:literal, $hi:literal) $(= $default:literal)?;
        )+ })? $(;)?
    )+) => {
        /// The constructs of the losses.
        pub mod calls {
            crate::construct::construct_lists! {
                /// What `loss` takes.
                LOSSES in losses { $(
                    $(#[doc = $doc])+
                    $konst $name { $($(
                        $(#[doc = $about])+
                        $key: Number in $bounds($lo, $hi) $(= $default)?;
                    )+)? }
                )+ }
            }
        }

        /// What training lowers, with its parameters.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum LossSpec {
            $(
                $(#[doc = $doc])+
                $variant $({ $( $(#[doc = $about])+ $key: parameter!($($default)?), )+ })?,
            )+
            /// A loss that the program supplies.
            Given,
        }

        impl LossSpec {
            /// The losses with a construct, each with its tasks.
            const TASKS: &'static [(&'static str, &'static [TaskKind])] =
                &[$( (stringify!($name), &[$(TaskKind::$task),+]) ),+];

            /// Returns the loss of a construct's bound keys; `None` if the value of one has an error.
            pub(crate) fn lower(bound: &Bound) -> Option<Self> {
                match bound.construct().name {
                    $( stringify!($name) => {
                        Some(LossSpec::$variant $({ $( $key: read!(bound, stringify!($key) $(, $default)?)?, )+ })?)
                    } )+
                    _ => None,
                }
            }

            /// The construct in the registry; a loss that the program supplies has none.
            pub fn construct(&self) -> Option<&'static Construct> {
                match self {
                    $( LossSpec::$variant { .. } => Some(&calls::$konst), )+
                    LossSpec::Given => None,
                }
            }

            /// Its parameters, in the registry's order; `None` for one that the recipe leaves out.
            fn parameters(&self) -> Vec<(&'static str, Option<f64>)> {
                match self {
                    $( LossSpec::$variant $({ $($key),+ })? => {
                        vec![$($( (stringify!($key), Option::from(*$key)) ),+)?]
                    } )+
                    LossSpec::Given => Vec::new(),
                }
            }
        }

        $( $(
            impl Costs<task::$task> for calls::$name {
                fn into_value(self) -> Value {
                    self.into_block(stringify!($name))
                }
            }
        )+ )+
    };
}

/// The Rust type of a parameter with or without a default.
macro_rules! parameter {
    ($default:literal) => {
        f64
    };
    () => {
        Option<f64>
    };
}

/// The value of a parameter with or without a default; `None` after an error about it.
macro_rules! read {
    ($bound:ident, $key:expr, $default:literal) => {
        $bound.read($key)
    };
    ($bound:ident, $key:expr) => {
        $bound.optional($key)
    };
}

losses! {
    /// Cross-entropy of the softmax; for single_label, where it is the default.
    CrossEntropy = CROSS_ENTROPY cross_entropy for SingleLabel;
    /// Binary cross-entropy of the sigmoid, the mean over all cells (an image and a class or tag); for multi_label, where it is
    /// the default, and for single_label, where it trains each class against the rest. Single-label predictions stay those of
    /// the softmax.
    Bce = BCE bce for SingleLabel | MultiLabel;
    /// Focal loss: cross-entropy in which an example of probability p counts `(1 - p)^gamma`, so that easy examples count
    /// little. It uses the softmax for single_label and the sigmoid for multi_label.
    Focal = FOCAL focal for SingleLabel | MultiLabel {
        /// How much less easy examples count; with 0, they count as much as hard ones.
        gamma: Number in range(0.0, 10.0) = "2";
        /// Weight of the tags that an image has; tags that it lacks weigh `1 - alpha`. Without `alpha`, all weigh 1. For
        /// multi_label only: classes have `class_weights`.
        alpha: Number in open(0.0, 1.0);
    }
    /// Asymmetric loss: a focal loss of tags in which easy negatives count less than easy positives, and very easy negatives
    /// nothing; for multi_label. It is the mean over all cells.
    Asymmetric = ASYMMETRIC asymmetric for MultiLabel {
        /// Like `gamma` of `focal`, for tags that an image lacks.
        gamma_neg: Number in range(0.0, 10.0) = "4";
        /// Like `gamma` of `focal`, for tags that an image has.
        gamma_pos: Number in range(0.0, 10.0) = "1";
        /// Subtracted from the probabilities of tags that an image lacks; results below 0 become 0.
        clip: Number in below(0.0, 1.0) = "0.05";
    }
    /// Mean absolute error; for regression, where it is the default.
    L1 = L1 l1 for Regression;
    /// Mean squared error; for regression.
    Mse = MSE mse for Regression;
    /// Huber loss: half the square of small errors, linear in large ones; for regression.
    Huber = HUBER huber for Regression {
        /// The error from which the loss is linear, in the unit of the labels.
        delta: Number in above(0.0, 1000000.0) = "1";
    }
}

/// A loss with its parameters for task `T`, as a value of the typed builder.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no loss of `{T}` data",
    note = "`cross_entropy::new()`, `bce` or `focal` for single_label; `bce`, `focal` or `asymmetric` for multi_label; `l1`, \
            `mse` or `huber` for regression; all of `schema`, or `words::given`"
)]
pub trait Costs<T> {
    /// Converts to a value of the draft.
    fn into_value(self) -> Value;
}
impl<T: Task> Costs<T> for Given {
    fn into_value(self) -> Value {
        self.into()
    }
}

impl LossSpec {
    /// The word of a loss that the program supplies.
    pub(crate) const GIVEN: &str = Given::WORD;

    /// The loss of a recipe that names none.
    pub fn of_task(task: TaskKind) -> Self {
        match task {
            TaskKind::SingleLabel => LossSpec::CrossEntropy,
            TaskKind::MultiLabel => LossSpec::Bce,
            TaskKind::Regression => LossSpec::L1,
        }
    }

    /// The word in a recipe.
    pub fn word(&self) -> &'static str {
        self.construct().map_or(Self::GIVEN, |construct| construct.name)
    }

    /// The words of the losses of a task, the default first.
    pub fn words(task: TaskKind) -> Vec<&'static str> {
        let known = Self::TASKS.iter().filter(|(_, tasks)| tasks.contains(&task)).map(|(word, _)| *word);
        known.chain([Self::GIVEN]).collect()
    }

    /// Whether `label_smoothing` applies: to the losses of a label that are linear in it.
    pub fn smooths(&self) -> bool {
        matches!(self, LossSpec::CrossEntropy | LossSpec::Bce)
    }

    /// Whether `class_weights` apply; a loss that the program supplies has its own.
    pub fn weighs(&self) -> bool {
        *self != LossSpec::Given
    }
}

/// `focal`, or `focal { gamma: 1.5 }` with the parameters that are not the registry's defaults.
impl fmt::Display for LossSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(known) = self.construct() else { return f.write_str(self.word()) };
        let written = self.parameters().into_iter().filter_map(|(key, value)| Some((key, number(value?))));
        f.write_str(&known.with_keys(written))
    }
}
