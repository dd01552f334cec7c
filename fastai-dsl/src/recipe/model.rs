//! The network, its head and its weights.

use serde::{Deserialize, Serialize};

use crate::arch::{self, ArchFacts};

/// The network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Name of the architecture, one of [`arch::ARCHS`].
    pub arch: String,
    /// Modules at the end of the body that are left out, at most [`ArchFacts::max_cut`].
    #[serde(default)]
    pub cut: u32,
    /// The new head.
    pub head: HeadSpec,
    /// Where the body's weights come from.
    pub weights: Weights,
}

impl Model {
    /// What the language knows about the architecture.
    pub fn facts(&self) -> &'static ArchFacts {
        arch::find(&self.arch).expect("a checked recipe names a known architecture")
    }

    /// Width of the features that the head reads.
    pub fn head_input(&self) -> u32 {
        self.facts().head_input_without(self.cut)
    }
}

/// fastai's head: concat pool `[max, avg]`, then BatchNorm, dropout, linear, ReLU for each hidden layer, and a last
/// BatchNorm, dropout, linear to the classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadSpec {
    /// Width of each hidden layer.
    pub hidden: Vec<u32>,
    /// Dropout before each linear layer, `hidden.len() + 1` values in [0, 1).
    pub dropout: Vec<f64>,
}

impl HeadSpec {
    /// Trainable parameters of the head: BatchNorms (weight and bias) and linear layers.
    pub fn parameters(&self, input: u32, classes: u64) -> u64 {
        let mut n = 0;
        let mut width = u64::from(input);
        for next in self.hidden.iter().map(|h| u64::from(*h)).chain([classes]) {
            n += 2 * width + width * next + next;
            width = next;
        }
        n
    }
}

/// Where the body's weights come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// The architecture's published ImageNet weights.
    Pretrained,
    /// A file, relative to the working directory.
    File(String),
    /// Random: the body starts unfrozen.
    None,
}
