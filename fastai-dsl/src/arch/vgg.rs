//! VGG with batch norm, <https://arxiv.org/abs/1409.1556>, as torchvision has it.

use super::architectures;
use super::graph::{Blueprint, GraphBuilder, Node};
use super::unit::{Activation, ConvSpec, NormSpec, Padding, PoolArgs};
use crate::stats::Stats;

architectures! {
    min_size: 32, stats: Stats::IMAGENET;
    /// VGG-16 with batch norm.
    vgg16_bn | vgg16 => || blueprint([2, 2, 3, 3, 3]);
    /// VGG-19 with batch norm.
    vgg19_bn | vgg19 => || blueprint([2, 2, 4, 4, 4]);
}

/// The first place in torchvision's `features` of the second layer group.
const SPLIT: usize = 22;

/// The network with so many convolutions before each pool.
fn blueprint(depths: [usize; 5]) -> Blueprint {
    let mut net = GraphBuilder::body(format!("features 0..={}", SPLIT - 1));
    let last = 3 * depths.iter().sum::<usize>() + depths.len() - 1;
    let (mut nodes, mut input, mut place) = (Vec::new(), 3, 0);
    let mut split = false;
    for (depth, output) in depths.into_iter().zip([64, 128, 256, 512, 512]) {
        for number in 0..depth {
            let begins = place >= SPLIT && !split;
            if begins {
                net.next_group(format!("features {SPLIT}..={last}"));
                split = true;
            }
            if begins || (split && number == 0) {
                net.cut_point(&nodes, format!("features.{place}"));
            }
            // Convolution, batch norm and ReLU take three positions.
            let spec = ConvSpec::new(input, output, 3).norm(NormSpec::PYTORCH).biased();
            nodes.push(net.conv_norm(format!("features.{place}"), format!("features.{}", place + 1), spec));
            input = output;
            place += 3;
        }
        nodes.push(Node::MaxPool(PoolArgs { kernel: 2, stride: 2, pad: 0, ceil: false }));
        place += 1;
    }
    let mut top = GraphBuilder::top();
    let linear = |input, output, kernel| ConvSpec::new(input, output, kernel).padding(Padding::Valid);
    let layers = vec![
        Node::AdaptiveAvg(7),
        top.conv("classifier.0", linear(512, 4096, 7)),
        top.conv("classifier.3", linear(4096, 4096, 1)),
        top.conv("classifier.6", linear(4096, 1000, 1).activation(Activation::None)),
    ];
    Blueprint { body: net.finish(nodes), top: top.finish(layers) }
}
