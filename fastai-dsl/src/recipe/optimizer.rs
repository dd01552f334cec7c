//! The optimizer of a recipe.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::draft::number;
use crate::schema::{self, Construct};

/// The rule that turns gradients into steps, with its parameters. The learning rates and the weight decays are those of each
/// `fit`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerSpec {
    /// Stochastic gradient descent; the decay is added to the gradient.
    Sgd {
        /// Share of the past in the moving sum of the gradients.
        momentum: f64,
        /// Whether the step looks ahead along that sum.
        nesterov: bool,
    },
    /// Adam; the decay is added to the gradient.
    Adam {
        /// Shares of the past in the moving averages of the gradients and of their squares.
        betas: [f64; 2],
        /// Added to the root of the mean square.
        eps: f64,
    },
    /// AdamW: Adam with decoupled decay.
    Adamw {
        /// As in Adam.
        betas: [f64; 2],
        /// As in Adam.
        eps: f64,
    },
    /// RMSprop; the decay is added to the gradient.
    Rmsprop {
        /// Share of the past in the moving average of the squares.
        alpha: f64,
        /// Added to the root of the mean square.
        eps: f64,
        /// Share of the past in the moving sum of the steps.
        momentum: f64,
    },
    /// LAMB: Adam with decoupled decay, whose step is scaled to the norm of each tensor that decays.
    Lamb {
        /// As in Adam.
        betas: [f64; 2],
        /// As in Adam.
        eps: f64,
    },
}

impl Default for OptimizerSpec {
    fn default() -> Self {
        OptimizerSpec::Sgd { momentum: schema::SGD.default("momentum"), nesterov: schema::SGD.default("nesterov") }
    }
}

impl OptimizerSpec {
    /// The construct in the registry.
    pub fn construct(&self) -> &'static Construct {
        match self {
            OptimizerSpec::Sgd { .. } => &schema::SGD,
            OptimizerSpec::Adam { .. } => &schema::ADAM,
            OptimizerSpec::Adamw { .. } => &schema::ADAMW,
            OptimizerSpec::Rmsprop { .. } => &schema::RMSPROP,
            OptimizerSpec::Lamb { .. } => &schema::LAMB,
        }
    }

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
            _ => 2,
        }
    }

    /// Its parameters as a recipe writes them.
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let pair = |[a, b]: [f64; 2]| format!("[{}, {}]", number(a), number(b));
        match *self {
            OptimizerSpec::Sgd { momentum, nesterov } => {
                vec![("momentum", number(momentum)), ("nesterov", if nesterov { "on" } else { "off" }.to_string())]
            }
            OptimizerSpec::Adam { betas, eps }
            | OptimizerSpec::Adamw { betas, eps }
            | OptimizerSpec::Lamb { betas, eps } => vec![("betas", pair(betas)), ("eps", number(eps))],
            OptimizerSpec::Rmsprop { alpha, eps, momentum } => {
                vec![("alpha", number(alpha)), ("eps", number(eps)), ("momentum", number(momentum))]
            }
        }
    }
}

/// `adamw`, or `adamw { betas: [0.9, 0.99] }` with the parameters that are not the registry's defaults.
impl fmt::Display for OptimizerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let construct = self.construct();
        let given = self.parameters().into_iter().filter(|(key, text)| !construct.is_default(key, text));
        let given: Vec<String> = given.map(|(key, text)| format!("{key}: {text}")).collect();
        match given.as_slice() {
            [] => f.write_str(construct.name),
            some => write!(f, "{} {{ {} }}", construct.name, some.join(", ")),
        }
    }
}
