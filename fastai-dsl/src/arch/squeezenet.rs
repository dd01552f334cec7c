//! SqueezeNet 1.1, <https://arxiv.org/abs/1602.07360>, as torchvision has it.

use super::architectures;
use super::graph::{Blueprint, GraphBuilder, Node};
use super::unit::{ConvSpec, Padding, PoolArgs};
use crate::stats::Stats;

architectures! {
    min_size: 32, stats: Stats::IMAGENET;
    /// SqueezeNet 1.1: 0.7 million parameters in the body, no batch norm, quick on a CPU.
    squeezenet1_1 => squeezenet1_1;
}

/// Place in torchvision's `features` and squeezed channels of each fire module; a pool comes before those of the second
/// list.
const FIRES: [(usize, usize); 8] = [(3, 16), (4, 16), (6, 32), (7, 32), (9, 48), (10, 48), (11, 64), (12, 64)];
const AFTER_POOLS: [usize; 3] = [3, 6, 9];

/// `features.0` to `features.12`, 512 channels; the first layer group ends with `features.4`.
fn squeezenet1_1() -> Blueprint {
    let mut net = GraphBuilder::body("features 0..=4");
    let stem = ConvSpec::new(3, 64, 3).stride(2).padding(Padding::Valid);
    let mut nodes = vec![net.conv("features.0", stem)];
    let mut input = 64;
    for (place, squeezed) in FIRES {
        net.module(&nodes, place, 6, "features 5..=12", format!("features.{place}"));
        if AFTER_POOLS.contains(&place) {
            nodes.push(Node::MaxPool(PoolArgs { kernel: 3, stride: 2, pad: 0, ceil: true }));
        }
        let mut conv = |name, input, output, kernel| {
            net.conv(format!("features.{place}.{name}"), ConvSpec::new(input, output, kernel))
        };
        let expanded = 4 * squeezed;
        nodes.push(conv("squeeze", input, squeezed, 1));
        let expand = vec![conv("expand1x1", squeezed, expanded, 1), conv("expand3x3", squeezed, expanded, 3)];
        nodes.push(Node::Concat(expand));
        input = 2 * expanded;
    }
    let mut top = GraphBuilder::top();
    let classifier = top.conv("classifier.1", ConvSpec::new(512, 1000, 1));
    Blueprint { body: net.finish(nodes), top: top.finish(vec![classifier, Node::AdaptiveAvg(1)]) }
}
