//! Shapes of maps on their way through a graph, and which graphs the CPU's kernels know.

use fastai_kernels::conv::Window;
use fastai_kernels::convolution::Sides;
use fastai_kernels::pool::PoolWindow;
use fastai_kernels::{Finish, MapShape, activation};

use fastai_dsl::arch::graph::{Graph, Node, UnitSpec};
use fastai_dsl::arch::unit::{Activation, ConvSpec, NormSpec, PoolArgs};

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

/// The kernel of an activation that is not a clamp.
pub(super) fn smooth(activation: Activation) -> Option<activation::SmoothActivation> {
    match activation {
        Activation::None | Activation::Relu | Activation::Relu6 => None,
        Activation::Silu => Some(activation::SmoothActivation::Silu),
        Activation::Sigmoid => Some(activation::SmoothActivation::Sigmoid),
        Activation::Gelu => Some(activation::SmoothActivation::Gelu),
        Activation::HardSwish => Some(activation::SmoothActivation::HardSwish),
        Activation::HardSigmoid => Some(activation::SmoothActivation::HardSigmoid),
    }
}

/// The range that an activation clamps to; open for one that is not a clamp.
pub(super) fn clamp(activation: Activation) -> [f32; 2] {
    activation.bounds().unwrap_or(Finish::PLAIN.clamp)
}

/// Whether there is a kernel for every part of the graph: for all but what no network has beside a layer norm.
pub(super) fn is_known(graph: &Graph) -> bool {
    let unit = |unit: &UnitSpec| {
        let spec = &unit.spec;
        let alone = spec.activation == Activation::None && spec.scale == 1.0 && !spec.layer_scale;
        alone || !matches!(spec.norm, Some(NormSpec::Layer { .. }))
    };
    graph.units.iter().all(unit) && is_known_node(graph, &graph.root)
}

fn is_known_node(graph: &Graph, node: &Node) -> bool {
    match node {
        Node::Unit(_) | Node::MaxPool(_) | Node::AvgPool(_) | Node::AdaptiveAvg(_) | Node::Activate(_) => true,
        Node::Chain(nodes) | Node::Concat(nodes) => nodes.iter().all(|node| is_known_node(graph, node)),
        Node::Residual { branch, last, shortcut, .. } => {
            let adds = !matches!(graph.units[*last].spec.norm, Some(NormSpec::Layer { .. }));
            adds && branch.iter().all(|node| is_known_node(graph, node)) && is_known_node(graph, shortcut)
        }
        Node::Gate(gate) => is_known_node(graph, gate),
    }
}
