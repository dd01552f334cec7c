//! The inverted residual block, <https://arxiv.org/abs/1801.04381>.

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

/// A part of the block, of two layers: convolution and norm, or the two convolutions of `Excite`.
#[derive(Clone, Copy, Debug)]
pub(super) enum BlockPart {
    /// The expansion to more channels.
    Expand,
    /// The depthwise convolution.
    Depthwise,
    /// Squeeze and excitation.
    Excite,
    /// The projection to the channels of the output.
    Project,
}

/// The names of the layers of the block `name` in torchvision since MobileNet V3.
pub(super) fn torchvision(name: &str) -> impl Fn(BlockPart, usize) -> [String; 2] {
    move |part, at| match part {
        BlockPart::Excite => [format!("{name}.{at}.fc1"), format!("{name}.{at}.fc2")],
        BlockPart::Expand | BlockPart::Depthwise | BlockPart::Project => {
            [format!("{name}.{at}.0"), format!("{name}.{at}.1")]
        }
    }
}

/// Expansion, depthwise convolution, squeeze and excitation, projection; a residual where the map keeps its shape. All
/// convolutions have the norm of `depthwise`, and all but the last its activation. `names` gives the names of the two layers of a
/// part, which comes at a place of the block, from 0.
pub(super) fn inverted(
    net: &mut GraphBuilder,
    names: impl Fn(BlockPart, usize) -> [String; 2],
    [input, output]: [usize; 2],
    depthwise: ConvSpec,
    excitation: Option<Excitation>,
) -> Node {
    let wide = depthwise.input;
    let pointwise = |input, output| ConvSpec { input, output, kernel: [1; 2], stride: 1, groups: 1, ..depthwise };
    let mut branch = Vec::new();
    let mut push = |net: &mut GraphBuilder, part, spec| {
        let [convolution, norm] = names(part, branch.len());
        branch.push(net.conv_norm(convolution, norm, spec));
    };
    if wide > input {
        push(net, BlockPart::Expand, pointwise(input, wide));
    }
    push(net, BlockPart::Depthwise, depthwise);
    if let Some(Excitation { squeezed, inner, factor }) = excitation {
        let [squeeze, excite] = names(BlockPart::Excite, branch.len());
        branch.push(Node::Gate(Box::new(Node::Chain(vec![
            net.conv(squeeze, ConvSpec::new(wide, squeezed, 1).activation(inner)),
            net.conv(excite, ConvSpec::new(squeezed, wide, 1).activation(factor)),
        ]))));
    }
    let [convolution, norm] = names(BlockPart::Project, branch.len());
    branch.push(net.conv_norm(convolution, norm, pointwise(wide, output).activation(Activation::None)));
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
