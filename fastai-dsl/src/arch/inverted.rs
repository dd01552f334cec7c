//! The inverted residual block, <https://arxiv.org/abs/1801.04381>, under torchvision's names since MobileNet V3.

use super::graph::{GraphBuilder, Node};
use super::unit::{Activation, ConvSpec};

/// Squeeze and excitation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Excitation {
    /// Channels between its two convolutions.
    pub(super) squeezed: usize,
    /// The activation of the squeezed channels.
    pub(super) inner: Activation,
    /// The activation that gives the factors.
    pub(super) factor: Activation,
}

/// Expansion, depthwise convolution, squeeze and excitation, projection; a residual where the map keeps its shape. All
/// convolutions have the norm of `depthwise`, and all but the last its activation.
pub(super) fn inverted(
    net: &mut GraphBuilder,
    name: &str,
    [input, output]: [usize; 2],
    depthwise: ConvSpec,
    excitation: Option<Excitation>,
) -> Node {
    let wide = depthwise.input;
    let pointwise = |input, output| ConvSpec { input, output, kernel: [1; 2], stride: 1, groups: 1, ..depthwise };
    let mut branch = Vec::new();
    let mut push = |net: &mut GraphBuilder, spec| {
        let name = format!("{name}.{}", branch.len());
        branch.push(net.conv_norm(format!("{name}.0"), format!("{name}.1"), spec));
    };
    if wide > input {
        push(net, pointwise(input, wide));
    }
    push(net, depthwise);
    if let Some(Excitation { squeezed, inner, factor }) = excitation {
        let name = format!("{name}.{}", branch.len());
        branch.push(Node::Gate(Box::new(Node::Chain(vec![
            net.conv(format!("{name}.fc1"), ConvSpec::new(wide, squeezed, 1).activation(inner)),
            net.conv(format!("{name}.fc2"), ConvSpec::new(squeezed, wide, 1).activation(factor)),
        ]))));
    }
    let name = format!("{name}.{}", branch.len());
    let project = pointwise(wide, output).activation(Activation::None);
    branch.push(net.conv_norm(format!("{name}.0"), format!("{name}.1"), project));
    if depthwise.stride == 1 && input == output {
        GraphBuilder::residual(branch, Node::identity())
    } else {
        Node::Chain(branch)
    }
}

/// The nearest multiple of 8, but not below nine tenths of the number.
pub(super) fn round_to_8(channels: f64) -> usize {
    let rounded = (((channels + 4.0) / 8.0).floor() * 8.0).max(8.0);
    (if rounded < 0.9 * channels { rounded + 8.0 } else { rounded }) as usize
}
