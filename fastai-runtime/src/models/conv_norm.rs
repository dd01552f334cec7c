//! The unit that networks are written from: convolution, batch norm, residual, activation.

use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::ops::PadMode;
use burn::tensor::{Device, Tensor};

use super::init::{self, Part};
use super::norm::{BatchNorm, Pass};
use crate::kernels::{ConvArgs, conv};

/// What follows the convolution (and the residual).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
}

/// Zeros around the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// So many on each of the four sides.
    Symmetric(usize),
    /// TensorFlow's SAME: output `ceil(input / stride)`; an odd zero goes right and below, so it depends on the
    /// input's size.
    Same,
}

impl Padding {
    /// Zeros `(before, after)` along an axis of `size` pixels.
    pub fn along(self, size: usize, kernel: usize, stride: usize) -> (usize, usize) {
        match self {
            Padding::Symmetric(p) => (p, p),
            Padding::Same => {
                let reach = (size.div_ceil(stride) - 1) * stride + kernel;
                let total = reach.saturating_sub(size);
                (total / 2, total - total / 2)
            }
        }
    }
}

/// Shape of a [`ConvNorm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvSpec {
    /// Channels of the input.
    pub input: usize,
    /// Channels of the output.
    pub output: usize,
    /// Side of the square kernel, pixels.
    pub kernel: usize,
    /// Pixels between two outputs.
    pub stride: usize,
    /// Groups of channels that do not see each other; `input` for a depthwise convolution.
    pub groups: usize,
    /// Zeros around the image.
    pub padding: Padding,
    /// A bias of the convolution's own.
    pub bias: bool,
    /// Epsilon and momentum of the batch norm, if there is one.
    pub norm: Option<(f64, f64)>,
    /// What comes last.
    pub activation: Activation,
}

impl ConvSpec {
    /// Stride 1, one group, padding that keeps the size, a bias, no batch norm, ReLU.
    pub fn new(input: usize, output: usize, kernel: usize) -> Self {
        Self {
            input,
            output,
            kernel,
            stride: 1,
            groups: 1,
            padding: Padding::Symmetric(kernel / 2),
            bias: true,
            norm: None,
            activation: Activation::Relu,
        }
    }
    /// The same with another stride.
    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }
    /// The same with other groups.
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }
    /// The same with other padding.
    pub fn padding(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }
    /// The same with a batch norm in place of the bias. `momentum` is the share of the new batch.
    pub fn norm(self, epsilon: f64, momentum: f64) -> Self {
        Self { norm: Some((epsilon, momentum)), bias: false, ..self }
    }
    /// The same with another activation.
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }
}

/// Convolution, then batch norm, then a residual is added, then the activation; all but the first are optional.
#[derive(Module, Debug)]
pub struct ConvNorm {
    /// Kernel `[output, input / groups, height, width]`.
    pub weight: Param<Tensor<4>>,
    /// Bias of each output channel.
    pub bias: Option<Param<Tensor<1>>>,
    /// Batch norm over the output channels.
    pub norm: Option<BatchNorm>,
    #[module(skip)]
    spec: ConvSpec,
}

impl ConvNorm {
    /// Kaiming normal weights from stream `index` of the seed's body, biases 0.
    pub fn new(spec: ConvSpec, seed: u64, index: u64, device: &Device) -> Self {
        let inner = spec.input / spec.groups;
        let shape = [spec.output, inner, spec.kernel, spec.kernel];
        let mut rng = init::stream(seed, Part::Body, index);
        Self {
            weight: init::kaiming(&mut rng, shape, inner * spec.kernel * spec.kernel, device),
            bias: spec.bias.then(|| init::constant(0.0, spec.output, device)),
            norm: spec.norm.map(|(epsilon, momentum)| BatchNorm::new(spec.output, epsilon, momentum, device)),
            spec,
        }
    }

    /// `[batch, input, height, width]` to `[batch, output, height', width']`.
    pub fn forward(&self, x: Tensor<4>, pass: &mut Pass) -> Tensor<4> {
        self.run(x, None, pass)
    }

    /// The same with `residual`, of the output's shape, added before the activation.
    pub fn forward_residual(&self, x: Tensor<4>, residual: Tensor<4>, pass: &mut Pass) -> Tensor<4> {
        self.run(x, Some(residual), pass)
    }

    fn run(&self, x: Tensor<4>, residual: Option<Tensor<4>>, pass: &mut Pass) -> Tensor<4> {
        let mut y = self.convolve(x);
        if let Some(norm) = &self.norm {
            y = norm.forward(y, pass);
        }
        if let Some(residual) = residual {
            y = y + residual;
        }
        match self.spec.activation {
            Activation::None => y,
            Activation::Relu => relu(y),
            Activation::Relu6 => y.clamp(0.0, 6.0),
        }
    }

    fn convolve(&self, x: Tensor<4>) -> Tensor<4> {
        let ConvSpec { kernel, stride, groups, padding, .. } = self.spec;
        let [_, _, height, width] = x.dims();
        let (top, bottom) = padding.along(height, kernel, stride);
        let (left, right) = padding.along(width, kernel, stride);
        let (x, pad) = if top == bottom && left == right {
            (x, [top, left])
        } else {
            (x.pad([(top, bottom), (left, right)], PadMode::Constant(0.0)), [0, 0])
        };
        conv(x, self.weight.val(), self.bias.as_ref().map(|b| b.val()), ConvArgs { stride, pad, groups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_depends_on_the_size() {
        assert_eq!(Padding::Same.along(224, 3, 2), (0, 1));
        assert_eq!(Padding::Same.along(224, 5, 2), (1, 2));
        assert_eq!(Padding::Same.along(203, 3, 2), (1, 1));
        assert_eq!(Padding::Same.along(51, 5, 2), (2, 2));
        assert_eq!(Padding::Same.along(7, 3, 1), (1, 1));
        assert_eq!(Padding::Same.along(8, 1, 2), (0, 0));
        let sizes = [203, 102, 51, 26, 13, 7];
        for pair in sizes.windows(2) {
            let (before, after) = Padding::Same.along(pair[0], 3, 2);
            assert_eq!((pair[0] + before + after - 3) / 2 + 1, pair[1]);
        }
    }
}
