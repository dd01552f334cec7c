//! MobileNet V2, <https://arxiv.org/abs/1801.04381>, as torchvision has it.

use super::architectures;
use super::graph::{Blueprint, GraphBuilder, linear_top};
use super::inverted::{BlockPart, inverted, torchvision};
use super::unit::{Activation, ConvSpec, NormSpec};
use crate::stats::Stats;

architectures! {
    min_size: 32, stats: Stats::IMAGENET;
    /// MobileNet V2.
    mobilenet_v2 => mobilenet_v2;
}

/// Expansion, output channels, blocks and first stride of each stage.
const STAGES: [(usize, usize, usize, usize); 7] =
    [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];
/// The first place in torchvision's `features` of the second layer group.
const SPLIT: usize = 7;

/// `features.0` to `features.18`, 1280 channels.
fn mobilenet_v2() -> Blueprint {
    let mut net = GraphBuilder::body(format!("features 0..={}", SPLIT - 1));
    let conv = |input, output, kernel| {
        ConvSpec::new(input, output, kernel).norm(NormSpec::PYTORCH).activation(Activation::Relu6)
    };
    let mut nodes = vec![net.conv_norm("features.0.0", "features.0.1", conv(3, 32, 3).stride(2))];
    let (mut input, mut place) = (32, 1);
    for (expansion, output, blocks, first_stride) in STAGES {
        for block in 0..blocks {
            net.module(&nodes, place, SPLIT, format!("features {SPLIT}..=18"), format!("features.{place}"));
            let stride = if block == 0 { first_stride } else { 1 };
            let wide = input * expansion;
            let depthwise = conv(wide, wide, 3).stride(stride).groups(wide);
            let name = format!("features.{place}.conv");
            // The last convolution and its norm are not in a sequence of their own.
            let names = |part: BlockPart, at: usize| match part {
                BlockPart::Project => [format!("{name}.{at}"), format!("{name}.{}", at + 1)],
                BlockPart::Expand | BlockPart::Depthwise | BlockPart::Excite => torchvision(&name)(part, at),
            };
            nodes.push(inverted(&mut net, names, [input, output], depthwise, None));
            input = output;
            place += 1;
        }
    }
    net.cut_point(&nodes, "features.18");
    nodes.push(net.conv_norm("features.18.0", "features.18.1", conv(input, 1280, 1)));
    Blueprint { body: net.finish(nodes), top: linear_top("classifier.1", 1280) }
}
