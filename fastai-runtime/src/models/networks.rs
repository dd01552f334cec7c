//! Every network by the name that a recipe writes.

use super::efficientnet_lite as lite;
use super::graph::Blueprint;
use super::resnet::{self, Blocks};
use super::squeezenet;

const NETWORKS: &[(&str, fn() -> Blueprint)] = &[
    ("squeezenet1_1", squeezenet::squeezenet1_1),
    ("efficientnet_lite0", || lite::blueprint(1.0, 1.0, 5)),
    ("resnet18", || resnet::blueprint(Blocks::basic([2, 2, 2, 2]))),
    ("resnet34", || resnet::blueprint(Blocks::basic([3, 4, 6, 3]))),
    ("resnet50", || resnet::blueprint(Blocks::bottleneck([3, 4, 6, 3]))),
];

/// Names of the architectures, as a recipe writes them.
pub fn names() -> impl Iterator<Item = &'static str> {
    NETWORKS.iter().map(|(name, _)| *name)
}

/// The layers of the architecture of that name.
///
/// # Panics
/// If `arch` is none of [`names`]; a checked recipe's is one.
pub fn blueprint(arch: &str) -> Blueprint {
    let found = NETWORKS.iter().find(|(name, _)| *name == arch);
    found.expect("a checked recipe names a known architecture").1()
}
