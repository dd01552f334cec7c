//! DenseNet, <https://arxiv.org/abs/1608.06993>, as torchvision has it. The last batch norm has no ReLU: the head reads its
//! output as it is, and the published classifier begins with one.

use super::architectures;
use super::graph::{Blueprint, GraphBuilder, Node};
use super::unit::{Activation, ConvSpec, NormSpec, PoolArgs};
use crate::stats::Stats;

architectures! {
    min_size: 32, stats: Stats::IMAGENET;
    /// DenseNet-121.
    densenet121 | dn121 => || blueprint(64, 32, [6, 12, 24, 16]);
    /// DenseNet-161.
    densenet161 | dn161 => || blueprint(96, 48, [6, 12, 36, 24]);
    /// DenseNet-169.
    densenet169 | dn169 => || blueprint(64, 32, [6, 12, 32, 32]);
    /// DenseNet-201.
    densenet201 | dn201 => || blueprint(64, 32, [6, 12, 48, 32]);
}

/// Ratio of the channels of a dense layer's 1x1 convolution to those that the layer adds.
const BOTTLENECK: usize = 4;

/// The network with `stem` channels in the stem, `growth` channels per layer and `depths` layers per block. The second
/// layer group begins after the second block.
fn blueprint(stem: usize, growth: usize, depths: [usize; 4]) -> Blueprint {
    let mut net = GraphBuilder::body("conv0, denseblock1, denseblock2");
    let conv = |input, output, kernel| ConvSpec::new(input, output, kernel).norm(NormSpec::PYTORCH);
    let pool = PoolArgs { kernel: 3, stride: 2, pad: 1, ceil: false };
    let mut nodes =
        vec![net.conv_norm("features.conv0", "features.norm0", conv(3, stem, 7).stride(2)), Node::MaxPool(pool)];
    let mut channels = stem;
    for (block, depth) in (1..).zip(depths) {
        if block > 2 {
            net.cut_point(&nodes, format!("features.denseblock{block}"));
        }
        for layer in 1..=depth {
            nodes.push(dense(&mut net, &format!("features.denseblock{block}.denselayer{layer}"), channels, growth));
            channels += growth;
        }
        if block == 2 {
            net.next_group("transition2 to norm5");
        }
        let ends = block == depths.len();
        let name = if ends { "features.norm5".to_owned() } else { format!("features.transition{block}") };
        if block >= 2 {
            net.cut_point(&nodes, &name);
        }
        if !ends {
            nodes.push(net.norm(format!("{name}.norm"), ConvSpec::norm_only(channels, NormSpec::PYTORCH)));
            nodes.push(net.conv(format!("{name}.conv"), plain(channels, channels / 2, 1)));
            nodes.push(Node::AvgPool(PoolArgs { kernel: 2, stride: 2, pad: 0, ceil: false }));
            channels /= 2;
        }
    }
    let last = ConvSpec::norm_only(channels, NormSpec::PYTORCH).activation(Activation::None);
    nodes.push(net.norm("features.norm5", last));
    let mut top = GraphBuilder::top();
    let linear = top.conv("classifier", ConvSpec::new(channels, 1000, 1).activation(Activation::None));
    let top = top.finish(vec![Node::Activate(Activation::Relu), Node::AdaptiveAvg(1), linear]);
    Blueprint { body: net.finish(nodes), top }
}

/// Concatenates the input and the layer's output.
fn dense(net: &mut GraphBuilder, name: &str, input: usize, growth: usize) -> Node {
    let squeezed = BOTTLENECK * growth;
    let squeeze = ConvSpec::new(input, squeezed, 1).norm(NormSpec::PYTORCH);
    let layer = vec![
        net.norm(format!("{name}.norm1"), ConvSpec::norm_only(input, NormSpec::PYTORCH)),
        net.conv_norm(format!("{name}.conv1"), format!("{name}.norm2"), squeeze),
        net.conv(format!("{name}.conv2"), plain(squeezed, growth, 3)),
    ];
    Node::Concat(vec![Node::identity(), Node::Chain(layer)])
}

/// A convolution without norm and activation.
fn plain(input: usize, output: usize, kernel: usize) -> ConvSpec {
    ConvSpec { bias: false, ..ConvSpec::new(input, output, kernel).activation(Activation::None) }
}
