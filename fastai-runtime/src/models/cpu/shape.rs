//! Shapes of maps on their way through a graph.
//!
//! A unit with a layer norm has neither activation nor factors, and no residual is added to it: no network needs more.

use fastai_kernels::conv::Window;
use fastai_kernels::convolution::Sides;
use fastai_kernels::pool::PoolWindow;
use fastai_kernels::{Finish, MapShape, activation};

use fastai_dsl::arch::graph::{Graph, Node, UnitSpec};
use fastai_dsl::arch::unit::{Activation, ConvSpec, PoolArgs};

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

#[cfg(test)]
mod tests {
    use fastai_dsl::arch::ARCHS;
    use fastai_dsl::arch::unit::NormSpec;

    use super::*;

    /// Units at which a residual is added.
    fn last_units(node: &Node, found: &mut Vec<usize>) {
        match node {
            Node::Unit(_) | Node::MaxPool(_) | Node::AvgPool(_) | Node::AdaptiveAvg(_) | Node::Activate(_) => {}
            Node::Chain(nodes) | Node::Concat(nodes) => nodes.iter().for_each(|node| last_units(node, found)),
            Node::Residual { branch, last, shortcut, .. } => {
                found.push(*last);
                branch.iter().for_each(|node| last_units(node, found));
                last_units(shortcut, found);
            }
            Node::Gate(gate) => last_units(gate, found),
        }
    }

    #[test]
    fn no_network_has_more_beside_a_layer_norm_than_the_kernels_compute() {
        for arch in ARCHS.iter() {
            let blueprint = arch.blueprint();
            for graph in [blueprint.body, blueprint.top] {
                let mut last = Vec::new();
                last_units(&graph.root, &mut last);
                for (number, UnitSpec { spec, .. }) in graph.units.iter().enumerate() {
                    let alone = spec.activation == Activation::None && spec.scale == 1.0 && !spec.layer_scale;
                    let has_norm = matches!(spec.norm, Some(NormSpec::Layer { .. }));
                    assert!(!has_norm || (alone && !last.contains(&number)), "{}: {spec:?}", arch.name);
                }
            }
        }
    }
}
