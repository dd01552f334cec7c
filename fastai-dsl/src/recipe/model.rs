//! The network, its head and its weights.

use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arch::{self, ArchFacts};
use crate::construct::Key;
use crate::draft::{Value, ValueKind};
use crate::from_value::FromValue;
use crate::word;

/// An architecture that the language knows; a recipe and its records hold the name.
#[derive(Clone, Copy)]
pub struct Architecture(&'static ArchFacts);

impl From<&'static ArchFacts> for Architecture {
    fn from(facts: &'static ArchFacts) -> Self {
        Architecture(facts)
    }
}

impl Architecture {
    /// The name in a recipe.
    pub fn name(self) -> &'static str {
        self.0.name
    }
}

impl PartialEq for Architecture {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl fmt::Debug for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.name(), f)
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// As its name.
impl Serialize for Architecture {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Architecture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let facts = arch::find(&name).ok_or_else(|| D::Error::custom(format!("unknown architecture `{name}`")))?;
        Ok(Architecture(facts))
    }
}

/// The network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// The architecture.
    pub arch: Architecture,
    /// Modules at the end of the body that are left out, at most [`ArchFacts::max_cut`].
    #[serde(default)]
    pub cut: u32,
    /// The new head.
    pub head: HeadSpec,
    /// Where the body's weights come from.
    pub weights: Weights,
    /// Largest rate of stochastic depth, in `[0, 1)`.
    #[serde(default)]
    pub stochastic_depth: f64,
}

impl Model {
    /// The language's facts about the architecture.
    pub fn facts(&self) -> &'static ArchFacts {
        self.arch.0
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

impl Weights {
    /// Returns the weights that `word` stands for.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        let named = [(word::pretrained, Weights::Pretrained), (word::none, Weights::None)];
        named.into_iter().find(|(known, _)| known.0 == word).map(|(_, weights)| weights)
    }
}

impl FromValue for Weights {
    fn from_value(value: &Value, _key: &Key) -> Option<Self> {
        match &value.kind {
            ValueKind::Text(path) => Some(Weights::File(path.clone())),
            ValueKind::Word(word) => Weights::of_word(word),
            // A path that is not known yet; nothing is checked about the weights of a file.
            ValueKind::Const(_) => Some(Weights::Pretrained),
            _ => None,
        }
    }
}

/// Keys of a head, which come with a model and as a step.
macro_rules! layers {
    ($doc:tt $konst:ident $name:ident $keys:tt) => {
        $crate::construct::construct! { $doc $konst $name {
            /// Dropout before each linear layer of the head: one per layer, or one for all.
            dropout: Numbers in below(0.0, 1.0) = "[0.25, 0.5]";
            /// Widths of the head's hidden layers.
            hidden: Counts in range(1.0, 65536.0) = "[512]";
        } $keys }
    };
}
pub(super) use layers;

/// The construct of the network.
pub mod calls {
    crate::construct::construct_lists! {
        /// What `model` takes.
        NETWORK in network {
            /// The network: an architecture with a new head.
            MODEL model {
                /// The source of the body's weights.
                weights: Weights = "pretrained";
                /// Number of modules to remove from the end of the body; `fastai explain ARCH` names them.
                cut: Count in range(0.0, 64.0) = "0";
                /// Stochastic depth: the rate at which training leaves out the last residual branch of an image; the rates of
                /// earlier branches fall linearly to 0. Only layer groups that train leave out branches. torchvision trained
                /// `efficientnet_b0` with 0.2 and `convnext_tiny` with 0.1.
                stochastic_depth: Number in below(0.0, 1.0) = "0";
            } + layers
        }
    }
}
