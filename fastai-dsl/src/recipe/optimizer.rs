//! The optimizers: one declaration each, with word, keys and the fields in a recipe.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::sections;
use crate::bound::Bound;
use crate::construct::{Construct, IntoConstruct, Key};
use crate::draft::{Value, ValueKind};
use crate::from_value::FromValue;
use crate::written::Written;

/// Declares the optimizers: the constructs of the registry, the variants of [`OptimizerSpec`] with their lowering and their
/// parameters as text, and the values of the typed builder.
macro_rules! optimizers {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident = $konst:ident $name:ident { $(
            $(#[doc = $about:literal])+
            $key:ident: $ty:ident $(in $bounds:ident($lo:literal, $hi:literal))? = $default:literal;
        )+ }
    )+) => {
        /// The constructs of the optimizers.
        pub mod calls {
            crate::construct::construct_lists! {
                /// What `optimizer` takes.
                OPTIMIZERS in optimizers { $(
                    $(#[doc = $doc])+
                    $konst $name { $(
                        $(#[doc = $about])+
                        $key: $ty $(in $bounds($lo, $hi))? = $default;
                    )+ }
                )+ }
            }
        }

        /// The rule that turns gradients into steps, with its parameters. The learning rates and the weight decays are those of
        /// each `fit`.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum OptimizerSpec { $(
            $(#[doc = $doc])+
            $variant { $( $(#[doc = $about])+ $key: parameter!($ty), )+ },
        )+ }

        impl OptimizerSpec {
            /// Returns the optimizer of a construct's bound keys; `None` if the value of one has an error.
            pub(crate) fn lower(bound: &Bound) -> Option<Self> {
                match bound.construct().name {
                    $( stringify!($name) => {
                        Some(OptimizerSpec::$variant { $( $key: bound.read(stringify!($key))?, )+ })
                    } )+
                    _ => None,
                }
            }

            /// The construct in the registry.
            pub fn construct(&self) -> &'static Construct {
                match self { $( OptimizerSpec::$variant { .. } => &calls::$konst, )+ }
            }

            /// Its parameters as a recipe writes them, in the registry's order.
            fn parameters(&self) -> Vec<(&'static str, String)> {
                match self { $(
                    OptimizerSpec::$variant { $($key),+ } => vec![$( (stringify!($key), $key.written()) ),+],
                )+ }
            }
        }

        $(
            impl Descends for calls::$name {
                fn into_value(self) -> Value {
                    self.into_block(stringify!($name))
                }
            }
        )+
    };
}

/// The Rust type of a parameter.
macro_rules! parameter {
    (Number) => {
        f64
    };
    (Switch) => {
        bool
    };
    (NumberList) => {
        [f64; 2]
    };
}

optimizers! {
    /// Stochastic gradient descent with momentum. Weight decay is added to the gradient.
    Sgd = SGD sgd {
        /// Share of the past in the moving sum of the gradients.
        momentum: Number in below(0.0, 1.0) = "0.9";
        /// Whether the step looks ahead along that sum (Nesterov's momentum).
        nesterov: Switch = "off";
    }
    /// Adam, as in PyTorch. Weight decay is added to the gradient.
    Adam = ADAM adam {
        /// Shares of the past in the moving averages of the gradients and of their squares.
        betas: NumberList in below(0.0, 1.0) = "[0.9, 0.999]";
        /// Added to the root of the mean square.
        eps: Number in above(0.0, 1.0) = "1e-8";
    }
    /// Adam with decoupled weight decay: each step shrinks the weights by rate times decay.
    Adamw = ADAMW adamw {
        /// Shares of the past in the moving averages of the gradients and of their squares.
        betas: NumberList in below(0.0, 1.0) = "[0.9, 0.999]";
        /// Added to the root of the mean square.
        eps: Number in above(0.0, 1.0) = "1e-8";
    }
    /// RMSprop, as in PyTorch. Weight decay is added to the gradient.
    Rmsprop = RMSPROP rmsprop {
        /// Share of the past in the moving average of the squares.
        alpha: Number in below(0.0, 1.0) = "0.99";
        /// Added to the root of the mean square.
        eps: Number in above(0.0, 1.0) = "1e-8";
        /// Share of the past in the moving sum of the steps.
        momentum: Number in below(0.0, 1.0) = "0";
    }
    /// LAMB, as in timm: Adam with decoupled weight decay, whose step in each tensor that decays is scaled to the norm of
    /// its weights. For large batches.
    Lamb = LAMB lamb {
        /// Shares of the past in the moving averages of the gradients and of their squares.
        betas: NumberList in below(0.0, 1.0) = "[0.9, 0.999]";
        /// Added to the root of the mean square.
        eps: Number in above(0.0, 1.0) = "1e-6";
    }
}

/// An optimizer with its parameters, as a value of the typed builder.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no optimizer",
    note = "`sgd::new()`, `adam::new()`, `adamw::new()`, `rmsprop::new()` or `lamb::new()`, of `schema`"
)]
pub trait Descends {
    /// Converts to a value of the draft.
    fn into_value(self) -> Value;
}

/// The optimizer of that word, with the parameters of the registry.
impl FromValue for OptimizerSpec {
    fn from_value(value: &Value, _key: &Key) -> Option<Self> {
        let ValueKind::Word(word) = &value.kind else { return None };
        let construct = calls::OPTIMIZERS.iter().find(|construct| construct.name == word)?;
        Self::lower(&Bound::new(construct))
    }
}

/// The optimizer of a recipe that names none.
impl Default for OptimizerSpec {
    fn default() -> Self {
        sections::section("optimizer").default()
    }
}

impl OptimizerSpec {
    /// The share of the past in the moving average of the gradients, unless a schedule says otherwise.
    pub fn momentum(&self) -> f64 {
        match *self {
            OptimizerSpec::Sgd { momentum, .. } | OptimizerSpec::Rmsprop { momentum, .. } => momentum,
            OptimizerSpec::Adam { betas, .. }
            | OptimizerSpec::Adamw { betas, .. }
            | OptimizerSpec::Lamb { betas, .. } => betas[0],
        }
    }

    /// State tensors per parameter.
    pub fn state_tensors(&self) -> u64 {
        match self {
            OptimizerSpec::Sgd { .. } => 1,
            OptimizerSpec::Adam { .. }
            | OptimizerSpec::Adamw { .. }
            | OptimizerSpec::Rmsprop { .. }
            | OptimizerSpec::Lamb { .. } => 2,
        }
    }
}

/// `adamw`, or `adamw { betas: [0.9, 0.99] }` with the parameters that are not the registry's defaults.
impl fmt::Display for OptimizerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.construct().with_keys(self.parameters()))
    }
}
