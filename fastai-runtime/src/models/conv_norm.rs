//! The unit that networks consist of: convolution, batch norm, residual, activation.

use burn::module::{Module, Param};
use burn::tensor::activation::{gelu, relu, sigmoid, silu};
use burn::tensor::ops::PadMode;
use burn::tensor::{Device, Tensor, TensorData};

use super::init::{self, Part};
use super::layer_norm::LayerNorm;
use super::norm::{BatchNorm, Pass};
use crate::kernels::{ConvArgs, conv};

/// The activation after the convolution and the residual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x / (1 + exp(-x))`, also called swish.
    Silu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `x` times the share of the normal distribution below it.
    Gelu,
}

/// The initial value of a channel's trained factor.
const LAYER_SCALE: f32 = 1e-6;

/// Bounds of a clamp without effect.
const UNBOUNDED: [f32; 2] = [f32::NEG_INFINITY, f32::INFINITY];

impl Activation {
    /// The bounds of an activation that is a clamp.
    fn bounds(self) -> Option<[f32; 2]> {
        match self {
            Activation::None => Some(UNBOUNDED),
            Activation::Relu => Some([0.0, f32::INFINITY]),
            Activation::Relu6 => Some([0.0, 6.0]),
            Activation::Silu | Activation::Sigmoid | Activation::Gelu => None,
        }
    }

    pub(super) fn of(self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Activation::None => x,
            Activation::Relu => relu(x),
            Activation::Relu6 => x.clamp(0.0, 6.0),
            Activation::Silu => silu(x),
            Activation::Sigmoid => sigmoid(x),
            Activation::Gelu => gelu(x),
        }
    }
}

/// Padding with zeros around the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// None.
    Valid,
    /// Half the kernel on every side: an odd kernel at stride 1 preserves the image size.
    Half,
    /// TensorFlow's SAME: output `ceil(input / stride)`; an odd zero goes right and below, so it depends on the
    /// input's size.
    Same,
}

impl Padding {
    /// Zeros `(before, after)` along an axis of `size` pixels.
    pub fn along(self, size: usize, kernel: usize, stride: usize) -> (usize, usize) {
        match self {
            Padding::Valid => (0, 0),
            Padding::Half => (kernel / 2, kernel / 2),
            Padding::Same => {
                let reach = (size.div_ceil(stride) - 1) * stride + kernel;
                let total = reach.saturating_sub(size);
                (total / 2, total - total / 2)
            }
        }
    }
}

/// The kind and parameters of a norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NormSpec {
    /// Each channel over the batch and the image.
    Batch {
        /// Added to the variance.
        epsilon: f64,
        /// Share of the new batch in the running statistics.
        momentum: f64,
    },
    /// Each pixel over its channels.
    Layer {
        /// Added to the variance.
        epsilon: f64,
    },
}

impl NormSpec {
    /// PyTorch's batch norm: epsilon 1e-5, momentum .1.
    pub const PYTORCH: NormSpec = NormSpec::Batch { epsilon: 1e-5, momentum: 0.1 };
}

/// A norm over the output channels of a convolution.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // nearly all are the large one
pub enum Norm {
    /// See [`NormSpec::Batch`].
    Batch(BatchNorm),
    /// See [`NormSpec::Layer`].
    Layer(LayerNorm),
}

impl Norm {
    fn new(spec: NormSpec, channels: usize, device: &Device) -> Self {
        match spec {
            NormSpec::Batch { epsilon, momentum } => Norm::Batch(BatchNorm::new(channels, epsilon, momentum, device)),
            NormSpec::Layer { epsilon } => Norm::Layer(LayerNorm::new(channels, epsilon, device)),
        }
    }

    fn requires_grad(&self) -> bool {
        let (weight, bias) = match self {
            Norm::Batch(norm) => (&norm.weight, &norm.bias),
            Norm::Layer(norm) => (&norm.weight, &norm.bias),
        };
        weight.is_require_grad() || bias.is_require_grad()
    }
}

/// Shape of a [`ConvNorm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvSpec {
    /// Channels of the input.
    pub input: usize,
    /// Channels of the output.
    pub output: usize,
    /// Height and width of the kernel, pixels.
    pub kernel: [usize; 2],
    /// Pixels between two outputs.
    pub stride: usize,
    /// Number of channel groups; `input` for a depthwise convolution.
    pub groups: usize,
    /// Padding with zeros around the image.
    pub padding: Padding,
    /// Whether the convolution has a bias.
    pub bias: bool,
    /// The norm, if there is one.
    pub norm: Option<NormSpec>,
    /// Factor of the output before a residual is added.
    pub scale: f32,
    /// Whether each channel of the output has a trained factor, before a residual is added.
    pub layer_scale: bool,
    /// The activation.
    pub activation: Activation,
}

impl ConvSpec {
    /// A square kernel, stride 1, one group, padding that keeps the size, a bias, no norm, ReLU.
    pub fn new(input: usize, output: usize, kernel: usize) -> Self {
        Self {
            input,
            output,
            kernel: [kernel; 2],
            stride: 1,
            groups: 1,
            padding: Padding::Half,
            bias: true,
            norm: None,
            scale: 1.0,
            layer_scale: false,
            activation: Activation::Relu,
        }
    }
    /// A norm of `channels` channels without a convolution, then ReLU.
    pub fn norm_only(channels: usize, norm: NormSpec) -> Self {
        Self::new(channels, channels, 1).norm(norm)
    }
    /// Sets the kernel's height and width.
    pub fn kernel(self, kernel: [usize; 2]) -> Self {
        Self { kernel, ..self }
    }
    /// Sets the stride.
    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }
    /// Sets the number of groups.
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }
    /// Sets the padding.
    pub fn padding(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }
    /// Replaces the bias by a norm.
    pub fn norm(self, norm: NormSpec) -> Self {
        Self { norm: Some(norm), bias: false, ..self }
    }
    /// Adds a bias, even beside a norm.
    pub fn biased(self) -> Self {
        Self { bias: true, ..self }
    }
    /// Sets the factor of the output before a residual is added.
    pub fn scale(self, scale: f32) -> Self {
        Self { scale, ..self }
    }
    /// Sets the activation.
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// Returns the output's height and width for those of the input.
    pub fn output_side(&self, input: [usize; 2]) -> [usize; 2] {
        std::array::from_fn(|axis| {
            let (before, after) = self.padding.along(input[axis], self.kernel[axis], self.stride);
            (input[axis] + before + after - self.kernel[axis]) / self.stride + 1
        })
    }
}

/// A convolution.
#[derive(Module, Debug)]
pub struct Conv {
    /// Kernel `[output, input / groups, height, width]`.
    pub weight: Param<Tensor<4>>,
    /// Bias of each output channel.
    pub bias: Option<Param<Tensor<1>>>,
}

/// Convolution, norm, a factor for each channel, a residual, the activation, in this order; each is optional.
#[derive(Module, Debug)]
pub struct ConvNorm {
    /// The convolution.
    pub conv: Option<Conv>,
    /// Norm over the output channels.
    pub norm: Option<Norm>,
    /// Factor of each output channel, `[output, 1, 1]`.
    pub layer_scale: Option<Param<Tensor<3>>>,
    #[module(skip)]
    spec: ConvSpec,
}

/// A unit with its batch norm folded into the convolution, which computes the unit's evaluation in fewer passes over
/// memory. It captures the values at one moment and does not follow later changes.
#[derive(Clone, Debug)]
pub(super) enum Folded {
    /// Kernel and bias of a convolution.
    Conv(Tensor<4>, Tensor<1>),
    /// Factor and shift of each channel, `[1, channel, 1, 1]`.
    Affine(Tensor<4>, Tensor<4>),
}

impl ConvNorm {
    /// Creates a unit with Kaiming normal weights from stream `index` of the seed's body, and biases 0. Without `convolves`
    /// it consists of a norm only.
    pub fn new(spec: ConvSpec, convolves: bool, seed: u64, index: u64, device: &Device) -> Self {
        let inner = spec.input / spec.groups;
        let [height, width] = spec.kernel;
        let conv = convolves.then(|| {
            let rng = init::stream(seed, Part::Body, index);
            let shape = [spec.output, inner, height, width];
            Conv {
                weight: init::kaiming(rng, shape, inner * height * width, device),
                bias: spec.bias.then(|| init::constant(0.0, spec.output, device)),
            }
        });
        let norm = spec.norm.map(|norm| Norm::new(norm, spec.output, device));
        let start = || TensorData::new(vec![LAYER_SCALE; spec.output], [spec.output, 1, 1]);
        let layer_scale = spec.layer_scale.then(|| Param::from_data(start(), device));
        Self { conv, norm, layer_scale, spec }
    }

    /// `[batch, input, height, width]` to `[batch, output, height', width']`; `residual`, of the output's shape, is added
    /// before the activation.
    pub fn forward(&self, x: Tensor<4>, residual: Option<Tensor<4>>, pass: &mut Pass) -> Tensor<4> {
        let mut y = x;
        if let Some(conv) = &self.conv {
            y = self.convolve(y, conv.weight.val(), conv.bias.as_ref().map(|b| b.val()));
        }
        match &self.norm {
            Some(Norm::Batch(norm)) => {
                let alone = residual.is_none() && self.spec.scale == 1.0 && self.layer_scale.is_none();
                if let Some(bounds) = self.spec.activation.bounds().filter(|_| alone) {
                    return norm.forward_clamped(y, bounds, pass);
                }
                y = norm.forward_clamped(y, UNBOUNDED, pass);
            }
            Some(Norm::Layer(norm)) => y = norm.forward(y),
            None => {}
        }
        self.end(y, residual)
    }

    /// Computes the result of [`forward`](Self::forward) in evaluation from the folded values.
    pub(super) fn forward_folded(&self, x: Tensor<4>, residual: Option<Tensor<4>>, folded: &Folded) -> Tensor<4> {
        let y = match folded {
            Folded::Conv(weight, bias) => self.convolve(x, weight.clone(), Some(bias.clone())),
            Folded::Affine(scale, shift) => x * scale.clone() + shift.clone(),
        };
        self.end(y, residual)
    }

    /// The batch norm folded into the convolution, without gradients.
    pub(super) fn fold(&self, norm: &BatchNorm) -> Folded {
        let (scale, shift) = norm.affine();
        let channels = self.spec.output;
        match &self.conv {
            Some(conv) => {
                let bias = match &conv.bias {
                    Some(bias) => shift + bias.val().detach() * scale.clone(),
                    None => shift,
                };
                Folded::Conv(conv.weight.val().detach() * scale.reshape([channels, 1, 1, 1]), bias)
            }
            None => Folded::Affine(scale.reshape([1, channels, 1, 1]), shift.reshape([1, channels, 1, 1])),
        }
    }

    /// Its batch norm, if it has one.
    pub(super) fn batch_norm(&self) -> Option<&BatchNorm> {
        match &self.norm {
            Some(Norm::Batch(norm)) => Some(norm),
            _ => None,
        }
    }

    /// Whether the weights exist already, drawn or replaced.
    pub(super) fn is_initialized(&self) -> bool {
        self.conv.as_ref().is_none_or(|conv| conv.weight.is_initialized())
    }

    /// Whether a backward pass computes a gradient for any of its tensors.
    pub(super) fn requires_grad(&self) -> bool {
        let conv = self
            .conv
            .as_ref()
            .is_some_and(|c| c.weight.is_require_grad() || c.bias.as_ref().is_some_and(|bias| bias.is_require_grad()));
        let scale = self.layer_scale.as_ref().is_some_and(|scale| scale.is_require_grad());
        conv || scale || self.norm.as_ref().is_some_and(Norm::requires_grad)
    }

    fn end(&self, y: Tensor<4>, residual: Option<Tensor<4>>) -> Tensor<4> {
        let y = if self.spec.scale == 1.0 { y } else { y * self.spec.scale };
        let y = match &self.layer_scale {
            Some(scale) => y * scale.val().unsqueeze(),
            None => y,
        };
        self.spec.activation.of(match residual {
            Some(residual) => y + residual,
            None => y,
        })
    }

    fn convolve(&self, x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
        let ConvSpec { kernel, stride, groups, padding, .. } = self.spec;
        let [_, _, height, width] = x.dims();
        let (top, bottom) = padding.along(height, kernel[0], stride);
        let (left, right) = padding.along(width, kernel[1], stride);
        let (x, pad) = if top == bottom && left == right {
            (x, [top, left])
        } else {
            (x.pad([(top, bottom), (left, right)], PadMode::Constant(0.0)), [0, 0])
        };
        conv(x, weight, bias, ConvArgs { stride, pad, groups })
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
