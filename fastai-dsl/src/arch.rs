//! What the language knows about each architecture. The layers themselves are in `fastai-runtime`, and a test there
//! holds the two together.

use crate::stats::Stats;

/// Facts about an architecture that a recipe can be checked with.
#[derive(Debug)]
pub struct ArchFacts {
    /// Name in a recipe.
    pub name: &'static str,
    /// One line for people.
    pub doc: &'static str,
    /// Layer groups, the head included. fastai always has three.
    pub groups: usize,
    /// What each body group holds, and its trainable parameters.
    pub body: &'static [(&'static str, u64)],
    /// Width of the concat-pooled `[max, avg]` features: twice the last feature map's channels.
    pub head_input: u32,
    /// Smallest image side that leaves a feature map.
    pub min_size: u32,
    /// Pixel statistics that the published weights were trained with.
    pub stats: Stats,
    /// Whether the body has BatchNorms (`bn_freeze` does nothing without).
    pub batch_norm: bool,
}

/// Every architecture that can be trained.
pub const ARCHS: &[ArchFacts] = &[ArchFacts {
    name: "squeezenet1_1",
    doc: "SqueezeNet 1.1: 0.7 million parameters in the body, no batch norm, quick on a CPU",
    groups: 3,
    body: &[("features 0..=4", 25_632), ("features 5..=12", 696_864)],
    head_input: 1024,
    min_size: 32,
    stats: Stats::IMAGENET,
    batch_norm: false,
}];

/// The architecture of that name.
pub fn find(name: &str) -> Option<&'static ArchFacts> {
    ARCHS.iter().find(|a| a.name == name)
}
