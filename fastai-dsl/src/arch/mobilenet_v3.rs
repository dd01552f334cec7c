//! MobileNet V3, <https://arxiv.org/abs/1905.02244>, as torchvision has it.

use super::architectures;
use super::graph::{Blueprint, GraphBuilder, Node};
use super::inverted::{Excitation, inverted, round_to_8, torchvision};
use super::unit::{Activation, ConvSpec, NormSpec};
use crate::stats::Stats;

architectures! {
    min_size: 32, stats: Stats::IMAGENET;
    /// MobileNet V3 (large): squeeze and excitation, cheap activations, quick on a CPU.
    mobilenet_v3_large => mobilenet_v3_large;
}

/// torchvision's.
const NORM: NormSpec = NormSpec::Batch { epsilon: 1e-3, momentum: 0.01 };

/// Kernel, expanded channels, output channels, squeeze and excitation, activation and stride of each block.
const BLOCKS: [(usize, usize, usize, bool, Activation, usize); 15] = [
    (3, 16, 16, false, Activation::Relu, 1),
    (3, 64, 24, false, Activation::Relu, 2),
    (3, 72, 24, false, Activation::Relu, 1),
    (5, 72, 40, true, Activation::Relu, 2),
    (5, 120, 40, true, Activation::Relu, 1),
    (5, 120, 40, true, Activation::Relu, 1),
    (3, 240, 80, false, Activation::HardSwish, 2),
    (3, 200, 80, false, Activation::HardSwish, 1),
    (3, 184, 80, false, Activation::HardSwish, 1),
    (3, 184, 80, false, Activation::HardSwish, 1),
    (3, 480, 112, true, Activation::HardSwish, 1),
    (3, 672, 112, true, Activation::HardSwish, 1),
    (5, 672, 160, true, Activation::HardSwish, 2),
    (5, 960, 160, true, Activation::HardSwish, 1),
    (5, 960, 160, true, Activation::HardSwish, 1),
];
/// The first place in torchvision's `features` of the second layer group.
const SPLIT: usize = 7;
/// The last place in torchvision's `features`.
const LAST: usize = BLOCKS.len() + 1;

fn conv(input: usize, output: usize, kernel: usize, activation: Activation) -> ConvSpec {
    ConvSpec::new(input, output, kernel).norm(NORM).activation(activation)
}

/// `features.0` to `features.16`, 960 channels.
fn mobilenet_v3_large() -> Blueprint {
    let mut net = GraphBuilder::body(format!("features 0..={}", SPLIT - 1));
    let stem = conv(3, 16, 3, Activation::HardSwish).stride(2);
    let mut nodes = vec![net.conv_norm("features.0.0", "features.0.1", stem)];
    let mut input = 16;
    for (place, (kernel, wide, output, gated, activation, stride)) in (1..).zip(BLOCKS) {
        net.module(&nodes, place, SPLIT, format!("features {SPLIT}..={LAST}"), format!("features.{place}"));
        let depthwise = conv(wide, wide, kernel, activation).stride(stride).groups(wide);
        let excitation = gated.then(|| Excitation {
            squeezed: round_to_8(wide as f64 / 4.0),
            inner: Activation::Relu,
            factor: Activation::HardSigmoid,
        });
        let name = format!("features.{place}.block");
        nodes.push(inverted(&mut net, torchvision(&name), [input, output], depthwise, excitation));
        input = output;
    }
    net.cut_point(&nodes, format!("features.{LAST}"));
    let last = conv(input, 6 * input, 1, Activation::HardSwish);
    nodes.push(net.conv_norm(format!("features.{LAST}.0"), format!("features.{LAST}.1"), last));
    let mut top = GraphBuilder::top();
    let layers = vec![
        Node::AdaptiveAvg(1),
        top.conv("classifier.0", ConvSpec::new(last.output, 1280, 1).activation(Activation::HardSwish)),
        top.conv("classifier.3", ConvSpec::new(1280, 1000, 1).activation(Activation::None)),
    ];
    Blueprint { body: net.finish(nodes), top: top.finish(layers) }
}
