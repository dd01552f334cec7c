//! EfficientNet-B0, <https://arxiv.org/abs/1905.11946>, as torchvision has it.

use super::architectures;
use super::graph::{Blueprint, GraphBuilder, linear_top};
use super::inverted::{Excitation, inverted, torchvision};
use super::unit::{Activation, ConvSpec, NormSpec};
use crate::stats::Stats;

architectures! {
    min_size: 32, stats: Stats::IMAGENET;
    /// EfficientNet-B0: as accurate as ResNet-50 with a tenth of its multiplications.
    efficientnet_b0 => efficientnet_b0;
}

/// Expansion, kernel, first stride, output channels and blocks of each stage.
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
];
/// The first stage, torchvision's `features.4`, of the second layer group.
const SPLIT: usize = 4;

fn conv(input: usize, output: usize, kernel: usize) -> ConvSpec {
    ConvSpec::new(input, output, kernel).norm(NormSpec::PYTORCH).activation(Activation::Silu)
}

/// `features.0` to `features.8`, 1280 channels.
fn efficientnet_b0() -> Blueprint {
    let mut net = GraphBuilder::body(format!("features 0..={}", SPLIT - 1));
    let mut nodes = vec![net.conv_norm("features.0.0", "features.0.1", conv(3, 32, 3).stride(2))];
    let all = STAGES.iter().map(|stage| stage.4).sum::<usize>();
    let (mut input, mut done) = (32, 0);
    for (stage, (expansion, kernel, first_stride, output, blocks)) in (1..).zip(STAGES) {
        let rest = format!("features {SPLIT}..={}", STAGES.len() + 1);
        net.module(&nodes, stage, SPLIT, rest, format!("features.{stage}"));
        for block in 0..blocks {
            let stride = if block == 0 { first_stride } else { 1 };
            let wide = input * expansion;
            let depthwise = conv(wide, wide, kernel).stride(stride).groups(wide);
            let excitation =
                Excitation { squeezed: (input / 4).max(1), inner: Activation::Silu, factor: Activation::Sigmoid };
            let name = format!("features.{stage}.{block}.block");
            let block = inverted(&mut net, torchvision(&name), [input, output], depthwise, Some(excitation));
            nodes.push(GraphBuilder::skippable(block, done as f64 / all as f64));
            (input, done) = (output, done + 1);
        }
    }
    net.cut_point(&nodes, "features.8");
    nodes.push(net.conv_norm("features.8.0", "features.8.1", conv(input, 1280, 1)));
    Blueprint { body: net.finish(nodes), top: linear_top("classifier.1", 1280) }
}
