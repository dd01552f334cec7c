//! EfficientNet-lite: EfficientNet, <https://arxiv.org/abs/1905.11946>, without squeeze and excitation and with ReLU6, as
//! its TensorFlow weights and their PyTorch conversions have it. Parameters are called as in lukemelas' EfficientNet.

use super::architectures;
use super::graph::{Blueprint, GraphBuilder, linear_top};
use super::inverted::{BlockPart, inverted, round_to_8};
use super::unit::{Activation, ConvSpec, NormSpec, Padding};
use crate::stats::Stats;

architectures! {
    min_size: 32, stats: Stats::TENSORFLOW_LITE;
    /// EfficientNet-lite0: the most accurate for its time on a CPU, its weights come in a package.
    efficientnet_lite0 => || blueprint(1.0, 1.0, 5);
    /// EfficientNet-lite1, for 240 px.
    efficientnet_lite1 => || blueprint(1.0, 1.1, 7);
    /// EfficientNet-lite2, for 260 px.
    efficientnet_lite2 => || blueprint(1.1, 1.2, 7);
}

/// The published momentum is 0.01, for training from scratch over hundreds of epochs. With it, the statistics of a short
/// fine-tuning would lag behind the weights.
const NORM: NormSpec = NormSpec::Batch { epsilon: 1e-3, momentum: 0.1 };

/// Kernel, stride, expansion, output channels and blocks of each stage of the smallest network.
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
];

/// The network with channels and depths scaled (stem, first and last depth, and head are not); the first `split` blocks
/// are in the first layer group.
fn blueprint(width: f64, depth: f64, split: usize) -> Blueprint {
    let mut net = GraphBuilder::body(format!("_conv_stem, _blocks 0..={}", split - 1));
    let conv = |input, output, kernel| {
        ConvSpec::new(input, output, kernel).padding(Padding::Same).norm(NORM).activation(Activation::Relu6)
    };
    let mut nodes = vec![net.conv_norm("_conv_stem", "_bn0", conv(3, 32, 3).stride(2))];
    let (mut input, mut number) = (32, 0);
    let deepened = |stage: usize, blocks: usize| {
        let ends = stage == 0 || stage == STAGES.len() - 1;
        if ends { blocks } else { (blocks as f64 * depth).ceil() as usize }
    };
    let last = STAGES.iter().enumerate().map(|(stage, (.., blocks))| deepened(stage, *blocks)).sum::<usize>() - 1;
    for (stage, (kernel, first_stride, expansion, channels, blocks)) in STAGES.into_iter().enumerate() {
        let output = round_to_8(channels as f64 * width);
        for block in 0..deepened(stage, blocks) {
            let name = format!("_blocks.{number}");
            net.module(&nodes, number, split, format!("_blocks {split}..={last}, _conv_head"), &name);
            let stride = if block == 0 { first_stride } else { 1 };
            let wide = input * expansion;
            let depthwise = conv(wide, wide, kernel).stride(stride).groups(wide);
            let names = |part: BlockPart, _: usize| {
                let layers = match part {
                    BlockPart::Expand => ["_expand_conv", "_bn0"],
                    BlockPart::Depthwise => ["_depthwise_conv", "_bn1"],
                    BlockPart::Excite => unreachable!("these networks have no squeeze and excitation"),
                    BlockPart::Project => ["_project_conv", "_bn2"],
                };
                layers.map(|layer| format!("{name}.{layer}"))
            };
            nodes.push(inverted(&mut net, names, [input, output], depthwise, None));
            input = output;
            number += 1;
        }
    }
    net.cut_point(&nodes, "_conv_head");
    nodes.push(net.conv_norm("_conv_head", "_bn1", conv(input, 1280, 1)));
    Blueprint { body: net.finish(nodes), top: linear_top("_fc", 1280) }
}
