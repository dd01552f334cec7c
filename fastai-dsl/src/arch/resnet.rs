//! ResNet, <https://arxiv.org/abs/1512.03385>, and its wider relatives, as torchvision has them: the stride is in the 3x3
//! convolution.

use super::architectures;
use super::graph::{Blueprint, GraphBuilder, Node, linear_top};
use super::unit::{Activation, ConvSpec, NormSpec, Padding, PoolArgs};
use crate::stats::Stats;

architectures! {
    min_size: 32, stats: Stats::IMAGENET;
    /// ResNet-18.
    resnet18 => || blueprint(Blocks::basic([2, 2, 2, 2]));
    /// ResNet-34: what the course starts with.
    resnet34 => || blueprint(Blocks::basic([3, 4, 6, 3]));
    /// ResNet-50.
    resnet50 => || blueprint(Blocks::bottleneck([3, 4, 6, 3]));
    /// ResNet-101.
    resnet101 => || blueprint(Blocks::bottleneck([3, 4, 23, 3]));
    /// ResNet-152.
    resnet152 => || blueprint(Blocks::bottleneck([3, 8, 36, 3]));
    /// ResNeXt-50, 32 groups.
    resnext50_32x4d | resnext50 => || blueprint(Blocks::bottleneck([3, 4, 6, 3]).groups(32, 4));
    /// ResNeXt-101, 32 groups.
    resnext101_32x4d | resnext101 => || blueprint(Blocks::bottleneck([3, 4, 23, 3]).groups(32, 4));
    /// ResNeXt-101, 64 groups: the course's most accurate.
    resnext101_64x4d | resnext101_64 => || blueprint(Blocks::bottleneck([3, 4, 23, 3]).groups(64, 4));
    /// wide ResNet-50, twice the channels inside a block.
    wide_resnet50_2 | wrn => || blueprint(Blocks::bottleneck([3, 4, 6, 3]).groups(1, 128));
}

/// The parameters that distinguish members of the family.
#[derive(Clone, Copy, Debug)]
struct Blocks {
    /// Blocks of each stage.
    depths: [usize; 4],
    /// Three convolutions per block, the last with four times the channels, instead of two.
    bottleneck: bool,
    /// Groups of the 3x3 convolution.
    groups: usize,
    /// Channels of a group's 3x3 convolution in the first stage.
    width: usize,
}

impl Blocks {
    fn basic(depths: [usize; 4]) -> Self {
        Self { depths, bottleneck: false, groups: 1, width: 64 }
    }
    fn bottleneck(depths: [usize; 4]) -> Self {
        Self { bottleneck: true, ..Self::basic(depths) }
    }
    /// Sets the groups and width of the 3x3 convolution: ResNeXt, <https://arxiv.org/abs/1611.05431>, and wide ResNet,
    /// <https://arxiv.org/abs/1605.07146>.
    fn groups(self, groups: usize, width: usize) -> Self {
        Self { groups, width, ..self }
    }
}

/// The network of these blocks; the first layer group ends after the second stage.
fn blueprint(blocks: Blocks) -> Blueprint {
    let mut net = GraphBuilder::body("conv1, layer1, layer2");
    let stem = ConvSpec::new(3, 64, 7).stride(2).norm(NormSpec::PYTORCH);
    let pool = PoolArgs { kernel: 3, stride: 2, pad: 1, ceil: false };
    let mut nodes = vec![net.conv_norm("conv1", "bn1", stem), Node::MaxPool(pool)];
    let mut input = 64;
    for (stage, depth) in blocks.depths.into_iter().enumerate() {
        net.module(&nodes, stage, 2, "layer3, layer4", format!("layer{}", stage + 1));
        let output = (64 << stage) * if blocks.bottleneck { 4 } else { 1 };
        for number in 0..depth {
            let stride = if stage > 0 && number == 0 { 2 } else { 1 };
            let name = format!("layer{}.{number}", stage + 1);
            nodes.push(block(&mut net, &name, blocks, [input, 64 << stage, output], stride));
            input = output;
        }
    }
    Blueprint { body: net.finish(nodes), top: linear_top("fc", input) }
}

fn block(net: &mut GraphBuilder, name: &str, blocks: Blocks, channels: [usize; 3], stride: usize) -> Node {
    let [input, planes, output] = channels;
    let wide = planes * blocks.width / 64 * blocks.groups;
    let conv = |input, output, kernel| ConvSpec::new(input, output, kernel).norm(NormSpec::PYTORCH);
    let specs = if blocks.bottleneck {
        vec![conv(input, wide, 1), conv(wide, wide, 3).stride(stride).groups(blocks.groups), conv(wide, output, 1)]
    } else {
        vec![conv(input, output, 3).stride(stride), conv(output, output, 3)]
    };
    let branch =
        (1..).zip(specs).map(|(n, spec)| net.conv_norm(format!("{name}.conv{n}"), format!("{name}.bn{n}"), spec));
    let branch = branch.collect();
    let shortcut = if stride == 1 && input == output {
        Node::identity()
    } else {
        let spec = conv(input, output, 1).stride(stride).padding(Padding::Valid).activation(Activation::None);
        net.conv_norm(format!("{name}.downsample.0"), format!("{name}.downsample.1"), spec)
    };
    GraphBuilder::residual(branch, shortcut)
}
