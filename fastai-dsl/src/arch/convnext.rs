//! ConvNeXt, <https://arxiv.org/abs/2201.03545>, as torchvision has it.

use super::architectures;
use super::graph::{Blueprint, GraphBuilder, Node};
use super::unit::{Activation, ConvSpec, NormSpec, Padding};
use crate::stats::Stats;

architectures! {
    min_size: 32, stats: Stats::IMAGENET;
    /// ConvNeXt-T: depthwise 7x7 convolutions, layer norms instead of batch norms.
    convnext_tiny => || blueprint([96, 192, 384, 768], [3, 3, 9, 3]);
}

const NORM: NormSpec = NormSpec::Layer { epsilon: 1e-6 };
/// Ratio of the channels inside a block to those around it.
const EXPANSION: usize = 4;
/// The first stage of the second layer group.
const SPLIT: usize = 2;

/// `features.0` to `features.7`, with the channels and blocks of each stage.
fn blueprint(channels: [usize; 4], depths: [usize; 4]) -> Blueprint {
    let mut net = GraphBuilder::body(format!("features 0..={}", 2 * SPLIT - 1));
    let stem = patches(3, channels[0], 4).norm(NORM).biased();
    let mut nodes = vec![net.conv_norm("features.0.0", "features.0.1", stem)];
    let blocks = depths.iter().sum::<usize>();
    let (mut input, mut done) = (channels[0], 0);
    for (stage, (output, depth)) in channels.into_iter().zip(depths).enumerate() {
        if stage == SPLIT {
            net.next_group(format!("features {}..={}", 2 * SPLIT, 2 * channels.len() - 1));
        }
        let begin = |net: &mut GraphBuilder, nodes: &[Node], place: usize| {
            if stage >= SPLIT {
                net.cut_point(nodes, format!("features.{place}"));
            }
        };
        // Stages alternate with the downsampling before each stage except the first.
        let place = 2 * stage;
        if stage > 0 {
            begin(&mut net, &nodes, place);
            let norm = ConvSpec::norm_only(input, NORM).activation(Activation::None);
            nodes.push(net.norm(format!("features.{place}.0"), norm));
            nodes.push(net.conv(format!("features.{place}.1"), patches(input, output, 2)));
        }
        begin(&mut net, &nodes, place + 1);
        for number in 0..depth {
            let block = block(&mut net, &format!("features.{}.{number}", place + 1), output);
            nodes.push(GraphBuilder::skippable(block, done as f64 / (blocks - 1) as f64));
            done += 1;
        }
        input = output;
    }
    let mut top = GraphBuilder::top();
    let layers = vec![
        Node::AdaptiveAvg(1),
        top.norm("classifier.0", ConvSpec::norm_only(input, NORM).activation(Activation::None)),
        top.conv("classifier.2", ConvSpec::new(input, 1000, 1).activation(Activation::None)),
    ];
    Blueprint { body: net.finish(nodes), top: top.finish(layers) }
}

/// A convolution over non-overlapping squares of `side` pixels.
fn patches(input: usize, output: usize, side: usize) -> ConvSpec {
    ConvSpec::new(input, output, side).stride(side).padding(Padding::Valid).activation(Activation::None)
}

/// Depthwise 7x7 convolution, layer norm, and two linear layers (1x1 convolutions here) beside the input.
fn block(net: &mut GraphBuilder, name: &str, channels: usize) -> Node {
    let wide = EXPANSION * channels;
    let depthwise = ConvSpec::new(channels, channels, 7).groups(channels).norm(NORM).biased();
    let branch = vec![
        net.conv_norm(format!("{name}.block.0"), format!("{name}.block.2"), depthwise.activation(Activation::None)),
        net.conv(format!("{name}.block.3"), ConvSpec::new(channels, wide, 1).activation(Activation::Gelu)),
        net.conv_scaled(
            format!("{name}.block.5"),
            format!("{name}.layer_scale"),
            ConvSpec::new(wide, channels, 1).activation(Activation::None),
        ),
    ];
    GraphBuilder::residual(branch, Node::identity())
}
