//! Shapes of maps on their way through a graph, and which graphs the CPU's kernels know.

use fastai_kernels::MapShape;
use fastai_kernels::conv::Window;
use fastai_kernels::convolution::Sides;
use fastai_kernels::pool::PoolWindow;

use fastai_dsl::arch::graph::{Graph, Node, UnitSpec};
use fastai_dsl::arch::unit::{ConvSpec, NormSpec, PoolArgs};

/// Channels and kernel of a unit's convolution.
pub(super) fn sides(spec: &ConvSpec) -> Sides {
    let ConvSpec { input, output, kernel, stride, groups, .. } = *spec;
    Sides { input, output, kernel, stride, groups }
}

/// Where a unit's convolution reads an input of that height and width.
pub(super) fn window(spec: &ConvSpec, input: MapShape) -> Window {
    let sides = [input.height, input.width];
    let pad = [0, 1].map(|axis| spec.padding.along(sides[axis], spec.kernel[axis], spec.stride).0);
    Window { kernel: spec.kernel, stride: spec.stride, pad, input: sides, output: spec.output_side(sides) }
}

pub(super) fn pool(args: &PoolArgs) -> PoolWindow {
    PoolWindow { kernel: args.kernel, stride: args.stride, pad: args.pad }
}

/// The output of a pool.
pub(super) fn pooled(args: &PoolArgs, input: MapShape) -> MapShape {
    MapShape { height: args.windows(input.height), width: args.windows(input.width), ..input }
}

/// The output of a unit.
pub(super) fn unit(unit: &UnitSpec, input: MapShape) -> MapShape {
    let [height, width] = match unit.conv {
        Some(_) => unit.spec.output_side([input.height, input.width]),
        None => [input.height, input.width],
    };
    MapShape { height, width, channels: unit.spec.output, ..input }
}

/// The output of a node.
pub(super) fn node(graph: &Graph, at: &Node, input: MapShape) -> MapShape {
    match at {
        Node::Unit(number) => unit(&graph.units[*number], input),
        Node::Chain(nodes) => nodes.iter().fold(input, |shape, at| node(graph, at, shape)),
        Node::Residual { branch, last, .. } => {
            let shape = branch.iter().fold(input, |shape, at| node(graph, at, shape));
            unit(&graph.units[*last], shape)
        }
        Node::Concat(nodes) => {
            let shapes = nodes.iter().map(|at| node(graph, at, input));
            shapes.reduce(|all, next| next.with_channels(all.channels + next.channels)).unwrap_or(input)
        }
        Node::MaxPool(args) | Node::AvgPool(args) => pooled(args, input),
        Node::AdaptiveAvg(side) => MapShape { height: *side, width: *side, ..input },
        Node::Activate(_) | Node::Gate(_) => input,
    }
}

/// Whether there is a kernel for every part of the graph.
pub(super) fn is_known(graph: &Graph) -> bool {
    let unit = |unit: &UnitSpec| {
        unit.spec.activation.bounds().is_some() && !matches!(unit.spec.norm, Some(NormSpec::Layer { .. }))
    };
    graph.units.iter().all(unit) && is_known_node(&graph.root)
}

fn is_known_node(node: &Node) -> bool {
    match node {
        Node::Unit(_) | Node::MaxPool(_) | Node::AvgPool(_) | Node::AdaptiveAvg(_) => true,
        Node::Chain(nodes) | Node::Concat(nodes) => nodes.iter().all(is_known_node),
        Node::Residual { branch, shortcut, .. } => branch.iter().all(is_known_node) && is_known_node(shortcut),
        Node::Activate(_) | Node::Gate(_) => false,
    }
}
