//! Every architecture's body, by name.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::norm::Pass;
use super::squeezenet::SqueezeNet;

/// The convolutions of a network, up to and without the pool.
#[derive(Module, Debug)]
pub enum Body {
    /// SqueezeNet 1.1.
    SqueezeNet(SqueezeNet),
}

/// How the engine makes and names one architecture.
struct Entry {
    name: &'static str,
    new: fn(u64, &Device) -> Body,
    published_name: fn(&str) -> String,
    group_of: fn(&str) -> usize,
}

const ENTRIES: &[Entry] = &[Entry {
    name: "squeezenet1_1",
    new: |seed, device| Body::SqueezeNet(SqueezeNet::new(seed, device)),
    published_name: SqueezeNet::published_name,
    group_of: SqueezeNet::group_of,
}];

fn entry(arch: &str) -> &'static Entry {
    ENTRIES.iter().find(|e| e.name == arch).expect("a checked recipe names a known architecture")
}

/// Names of the architectures, as a recipe writes them.
pub fn names() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().map(|e| e.name)
}

impl Body {
    /// A body with random weights.
    ///
    /// # Panics
    /// If `arch` is none of [`names`]; a checked recipe's is one.
    pub fn new(arch: &str, seed: u64, device: &Device) -> Self {
        (entry(arch).new)(seed, device)
    }

    /// `[batch, 3, height, width]` to `[batch, channel, height', width']`.
    pub fn forward(&self, x: Tensor<4>, pass: &mut Pass) -> Tensor<4> {
        match self {
            Body::SqueezeNet(net) => net.forward(x, pass),
        }
    }
}

/// Name in published weights of the parameter at `path` in the body's module.
pub(super) fn published_name(arch: &str, path: &str) -> String {
    (entry(arch).published_name)(path)
}

/// Body layer group of the parameter with this published name.
pub(super) fn group_of(arch: &str, name: &str) -> usize {
    (entry(arch).group_of)(name)
}
