//! Inception v4 and Inception-ResNet v2, <https://arxiv.org/abs/1602.07261>, as Cadene's pretrained-models has them, which
//! fastai 0.7 used.

use super::architectures;
use super::graph::{Blueprint, Graph, GraphBuilder, Node, linear_top};
use super::unit::{Activation, ConvSpec, NormSpec, Padding, PoolArgs};
use crate::stats::Stats;

architectures! {
    min_size: 75, stats: Stats::INCEPTION;
    /// Inception v4 without its last module, as fastai cuts it.
    inception_v4 | inception_4 => inception_v4;
    /// Inception-ResNet v2.
    inception_resnet_v2 | inceptionresnet_2 => inception_resnet_v2;
}

const NORM: NormSpec = NormSpec::Batch { epsilon: 1e-3, momentum: 0.1 };
/// Halves the map, without padding.
const HALVE: Node = Node::MaxPool(PoolArgs { kernel: 3, stride: 2, pad: 0, ceil: false });
/// Preserves the map's size.
const SMOOTH: Node = Node::AvgPool(PoolArgs { kernel: 3, stride: 1, pad: 1, ceil: false });

/// A convolution that preserves the map's size.
fn keep(input: usize, output: usize, kernel: usize) -> ConvSpec {
    ConvSpec::new(input, output, kernel).norm(NORM)
}
/// A 3x3 convolution without padding.
fn shrink(input: usize, output: usize) -> ConvSpec {
    keep(input, output, 3).padding(Padding::Valid)
}
/// A 3x3 convolution without padding at stride 2.
fn halve(input: usize, output: usize) -> ConvSpec {
    shrink(input, output).stride(2)
}
/// A kernel of one row and `n` columns.
fn across(input: usize, output: usize, n: usize) -> ConvSpec {
    keep(input, output, 1).kernel([1, n])
}
/// A kernel of `n` rows and one column.
fn down(input: usize, output: usize, n: usize) -> ConvSpec {
    keep(input, output, 1).kernel([n, 1])
}

fn conv(net: &mut GraphBuilder, name: &str, spec: ConvSpec) -> Node {
    net.conv_norm(format!("{name}.conv"), format!("{name}.bn"), spec)
}

/// A branch called `name` of one unit, or of several called `name.0`, `name.1`, ..
fn branch(net: &mut GraphBuilder, name: &str, specs: &[ConvSpec]) -> Node {
    match specs {
        [one] => conv(net, name, *one),
        many => Node::Chain(many.iter().enumerate().map(|(n, s)| conv(net, &format!("{name}.{n}"), *s)).collect()),
    }
}

/// Branches `name.branch0`, `name.branch1`, .. side by side.
fn branches(net: &mut GraphBuilder, name: &str, all: &[&[ConvSpec]]) -> Vec<Node> {
    all.iter().enumerate().map(|(n, specs)| branch(net, &format!("{name}.branch{n}"), specs)).collect()
}

/// A module of branches, the last of averages and a 1x1 convolution.
fn averaged(net: &mut GraphBuilder, name: &str, all: &[&[ConvSpec]], input: usize, output: usize) -> Node {
    let mut all = branches(net, name, all);
    let last = conv(net, &format!("{name}.branch3.1"), keep(input, output, 1));
    all.push(Node::Chain(vec![SMOOTH, last]));
    Node::Concat(all)
}

/// A module of branches that halve the map, the last of maxima.
fn halved(net: &mut GraphBuilder, name: &str, all: &[&[ConvSpec]]) -> Node {
    let mut all = branches(net, name, all);
    all.push(HALVE);
    Node::Concat(all)
}

/// `features.0` to `features.20`, 1536 channels; fastai removes the last module.
fn inception_v4() -> Blueprint {
    let mut net = GraphBuilder::body("features 0..=8");
    let mut nodes = Vec::new();
    for (place, spec) in [halve(3, 32), shrink(32, 32), keep(32, 64, 3)].into_iter().enumerate() {
        nodes.push(conv(&mut net, &format!("features.{place}"), spec));
    }
    nodes.push(Node::Concat(vec![HALVE, conv(&mut net, "features.3.conv", halve(64, 96))]));
    let four: [&[ConvSpec]; 2] =
        [&[keep(160, 64, 1), shrink(64, 96)], &[keep(160, 64, 1), across(64, 64, 7), down(64, 64, 7), shrink(64, 96)]];
    nodes.push(Node::Concat(branches(&mut net, "features.4", &four)));
    nodes.push(Node::Concat(vec![conv(&mut net, "features.5.conv", halve(192, 192)), HALVE]));
    for place in 6..=9 {
        let name = format!("features.{place}");
        net.module(&nodes, place, 9, "features 9..=20", &name);
        let specs: [&[ConvSpec]; 3] = [
            &[keep(384, 96, 1)],
            &[keep(384, 64, 1), keep(64, 96, 3)],
            &[keep(384, 64, 1), keep(64, 96, 3), keep(96, 96, 3)],
        ];
        nodes.push(averaged(&mut net, &name, &specs, 384, 96));
    }
    net.cut_point(&nodes, "features.10");
    let specs: [&[ConvSpec]; 2] = [&[halve(384, 384)], &[keep(384, 192, 1), keep(192, 224, 3), halve(224, 256)]];
    nodes.push(halved(&mut net, "features.10", &specs));
    for place in 11..=17 {
        net.cut_point(&nodes, format!("features.{place}"));
        let name = format!("features.{place}");
        let down_across =
            [keep(1024, 192, 1), down(192, 192, 7), across(192, 224, 7), down(224, 224, 7), across(224, 256, 7)];
        let specs: [&[ConvSpec]; 3] =
            [&[keep(1024, 384, 1)], &[keep(1024, 192, 1), across(192, 224, 7), down(224, 256, 7)], &down_across];
        nodes.push(averaged(&mut net, &name, &specs, 1024, 128));
    }
    net.cut_point(&nodes, "features.18");
    let specs: [&[ConvSpec]; 2] = [
        &[keep(1024, 192, 1), halve(192, 192)],
        &[keep(1024, 256, 1), across(256, 256, 7), down(256, 320, 7), halve(320, 320)],
    ];
    nodes.push(halved(&mut net, "features.18", &specs));
    for place in 19..=20 {
        net.cut_point(&nodes, format!("features.{place}"));
        nodes.push(inception_c(&mut net, &format!("features.{place}")));
    }
    Blueprint { body: net.finish(nodes), top: last_module_and_linear() }
}

/// The module that fastai removes, and the classifier.
fn last_module_and_linear() -> Graph {
    let mut net = GraphBuilder::top();
    let module = inception_c(&mut net, "features.21");
    let linear = net.conv("last_linear", ConvSpec::new(1536, 1000, 1).activation(Activation::None));
    net.finish(vec![module, Node::AdaptiveAvg(1), linear])
}

fn inception_c(net: &mut GraphBuilder, name: &str) -> Node {
    let mut conv = |part: &str, spec| conv(net, &format!("{name}.{part}"), spec);
    let first = conv("branch0", keep(1536, 256, 1));
    let second = Node::Chain(vec![
        conv("branch1_0", keep(1536, 384, 1)),
        Node::Concat(vec![conv("branch1_1a", across(384, 256, 3)), conv("branch1_1b", down(384, 256, 3))]),
    ]);
    let third = Node::Chain(vec![
        conv("branch2_0", keep(1536, 384, 1)),
        conv("branch2_1", down(384, 448, 3)),
        conv("branch2_2", across(448, 512, 3)),
        Node::Concat(vec![conv("branch2_3a", across(512, 256, 3)), conv("branch2_3b", down(512, 256, 3))]),
    ]);
    let fourth = Node::Chain(vec![SMOOTH, conv("branch3.1", keep(1536, 256, 1))]);
    Node::Concat(vec![first, second, third, fourth])
}

/// `conv2d_1a` to `conv2d_7b`, 1536 channels; the second layer group begins with `mixed_6a`.
fn inception_resnet_v2() -> Blueprint {
    let mut net = GraphBuilder::body("conv2d_1a to repeat");
    let mut nodes = vec![
        conv(&mut net, "conv2d_1a", halve(3, 32)),
        conv(&mut net, "conv2d_2a", shrink(32, 32)),
        conv(&mut net, "conv2d_2b", keep(32, 64, 3)),
        HALVE,
        conv(&mut net, "conv2d_3b", keep(64, 80, 1)),
        conv(&mut net, "conv2d_4a", shrink(80, 192)),
        HALVE,
    ];
    let specs: [&[ConvSpec]; 3] = [
        &[keep(192, 96, 1)],
        &[keep(192, 48, 1), keep(48, 64, 5)],
        &[keep(192, 64, 1), keep(64, 96, 3), keep(96, 96, 3)],
    ];
    nodes.push(averaged(&mut net, "mixed_5b", &specs, 192, 64));
    for block in 0..10 {
        let specs: [&[ConvSpec]; 3] = [
            &[keep(320, 32, 1)],
            &[keep(320, 32, 1), keep(32, 32, 3)],
            &[keep(320, 32, 1), keep(32, 48, 3), keep(48, 64, 3)],
        ];
        nodes.push(scaled(&mut net, &format!("repeat.{block}"), &specs, ConvSpec::new(128, 320, 1).scale(0.17)));
    }
    net.next_group("mixed_6a to conv2d_7b");
    net.cut_point(&nodes, "mixed_6a");
    let specs: [&[ConvSpec]; 2] = [&[halve(320, 384)], &[keep(320, 256, 1), keep(256, 256, 3), halve(256, 384)]];
    nodes.push(halved(&mut net, "mixed_6a", &specs));
    net.cut_point(&nodes, "repeat_1");
    for block in 0..20 {
        let specs: [&[ConvSpec]; 2] =
            [&[keep(1088, 192, 1)], &[keep(1088, 128, 1), across(128, 160, 7), down(160, 192, 7)]];
        nodes.push(scaled(&mut net, &format!("repeat_1.{block}"), &specs, ConvSpec::new(384, 1088, 1).scale(0.1)));
    }
    net.cut_point(&nodes, "mixed_7a");
    let specs: [&[ConvSpec]; 3] = [
        &[keep(1088, 256, 1), halve(256, 384)],
        &[keep(1088, 256, 1), halve(256, 288)],
        &[keep(1088, 256, 1), keep(256, 288, 3), halve(288, 320)],
    ];
    nodes.push(halved(&mut net, "mixed_7a", &specs));
    let specs: [&[ConvSpec]; 2] =
        [&[keep(2080, 192, 1)], &[keep(2080, 192, 1), across(192, 224, 3), down(224, 256, 3)]];
    let last = ConvSpec::new(448, 2080, 1);
    net.cut_point(&nodes, "repeat_2");
    for block in 0..9 {
        nodes.push(scaled(&mut net, &format!("repeat_2.{block}"), &specs, last.scale(0.2)));
    }
    net.cut_point(&nodes, "block8");
    nodes.push(scaled(&mut net, "block8", &specs, last.activation(Activation::None)));
    net.cut_point(&nodes, "conv2d_7b");
    nodes.push(conv(&mut net, "conv2d_7b", keep(2080, 1536, 1)));
    Blueprint { body: net.finish(nodes), top: linear_top("last_linear", 1536) }
}

/// A residual block: branches side by side, then `last`, a 1x1 convolution with a bias, called `name.conv2d`.
fn scaled(net: &mut GraphBuilder, name: &str, specs: &[&[ConvSpec]], last: ConvSpec) -> Node {
    let all = Node::Concat(branches(net, name, specs));
    let last = net.conv(format!("{name}.conv2d"), last);
    GraphBuilder::residual(vec![all, last], Node::identity())
}
