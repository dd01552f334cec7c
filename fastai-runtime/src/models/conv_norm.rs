//! The unit that networks consist of: convolution, batch norm, residual, activation.

use burn::module::{Module, Param};
use burn::tensor::activation::{gelu, hard_sigmoid, hard_swish, relu, sigmoid, silu};
use burn::tensor::module::conv2d;
use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use fastai_dsl::arch::unit::{Activation, ConvSpec, NormSpec, UNBOUNDED};

use super::init::{self, NetworkPart};
use super::layer_norm::LayerNorm;
use super::norm::{BatchNorm, Pass};

/// The initial value of a channel's trained factor.
const LAYER_SCALE: f32 = 1e-6;

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

impl Folded {
    /// The fold in numbers of another type.
    pub(super) fn cast(self, to: FloatDType) -> Self {
        match self {
            Folded::Conv(weight, bias) => Folded::Conv(weight.cast(to), bias.cast(to)),
            Folded::Affine(scale, shift) => Folded::Affine(scale.cast(to), shift.cast(to)),
        }
    }

    /// The fold on the device without gradients.
    pub(super) fn inner(self) -> Self {
        match self {
            Folded::Conv(weight, bias) => Folded::Conv(weight.inner(), bias.inner()),
            Folded::Affine(scale, shift) => Folded::Affine(scale.inner(), shift.inner()),
        }
    }
}

impl ConvNorm {
    /// Creates a unit with Kaiming normal weights from stream `index` of the seed's body, and biases 0. Without `convolves`
    /// it consists of a norm only.
    pub fn new(spec: ConvSpec, convolves: bool, seed: u64, index: u64, device: &Device) -> Self {
        let inner = spec.input / spec.groups;
        let [height, width] = spec.kernel;
        let conv = convolves.then(|| {
            let rng = init::stream(seed, NetworkPart::Body, index);
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
    /// before the activation, to the output times the factors of the images in `depth`.
    ///
    /// The convolution and the result are of the type `numbers`, as `x` and `residual` are; norms and the factors of
    /// channels compute in 32-bit floats.
    pub fn forward(
        &self,
        x: Tensor<4>,
        residual: Option<Tensor<4>>,
        depth: Option<Vec<f32>>,
        numbers: FloatDType,
        pass: &mut Pass,
    ) -> Tensor<4> {
        let mut y = x;
        if let Some(conv) = &self.conv {
            let bias = conv.bias.as_ref().map(|bias| bias.val().cast(numbers));
            y = self.convolve(y, conv.weight.val().cast(numbers), bias);
        }
        // Casts to the type that a tensor has already do nothing.
        let full = |y: Tensor<4>| y.cast(FloatDType::F32);
        match &self.norm {
            Some(Norm::Batch(norm)) => {
                let alone = residual.is_none() && self.spec.scale == 1.0 && self.layer_scale.is_none();
                if let Some(bounds) = self.spec.activation.bounds().filter(|_| alone) {
                    return norm.forward_clamped(full(y), bounds, pass).cast(numbers);
                }
                y = norm.forward_clamped(full(y), UNBOUNDED, pass).cast(numbers);
            }
            Some(Norm::Layer(norm)) => y = norm.forward(full(y)).cast(numbers),
            None => {}
        }
        self.end(y, residual, depth)
    }

    /// Computes the result of [`forward`](Self::forward) in evaluation from the folded values.
    pub(super) fn forward_folded(
        &self,
        x: Tensor<4>,
        residual: Option<Tensor<4>>,
        depth: Option<Vec<f32>>,
        folded: &Folded,
    ) -> Tensor<4> {
        let y = match folded {
            Folded::Conv(weight, bias) => self.convolve(x, weight.clone(), Some(bias.clone())),
            Folded::Affine(scale, shift) => x * scale.clone() + shift.clone(),
        };
        self.end(y, residual, depth)
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

    /// Its shape.
    pub(super) fn spec(&self) -> &ConvSpec {
        &self.spec
    }

    /// One of the tensors that a backward pass gives a gradient.
    pub(super) fn trained(&self) -> Option<burn::backend::DispatchTensor> {
        let weight = self.conv.as_ref().map(|conv| &conv.weight).filter(|weight| weight.is_require_grad());
        let scale = self.layer_scale.as_ref().filter(|scale| scale.is_require_grad());
        weight
            .map(|weight| weight.val().into_dispatch())
            .or_else(|| scale.map(|scale| scale.val().into_dispatch()))
            .or_else(|| self.vectors().find(|vector| vector.is_require_grad()).map(|v| v.val().into_dispatch()))
    }

    /// The bias of its convolution, and weight and bias of its norm.
    fn vectors(&self) -> impl Iterator<Item = &Param<Tensor<1>>> {
        let norm = self.norm.as_ref().map(|norm| match norm {
            Norm::Batch(norm) => [&norm.weight, &norm.bias],
            Norm::Layer(norm) => [&norm.weight, &norm.bias],
        });
        self.conv.iter().flat_map(|conv| &conv.bias).chain(norm.into_iter().flatten())
    }

    /// Its batch norm, if it has one, to change.
    pub(super) fn batch_norm_mut(&mut self) -> Option<&mut BatchNorm> {
        match &mut self.norm {
            Some(Norm::Batch(norm)) => Some(norm),
            _ => None,
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
        self.conv.as_ref().is_some_and(|conv| conv.weight.is_require_grad())
            || self.layer_scale.as_ref().is_some_and(|scale| scale.is_require_grad())
            || self.vectors().any(|vector| vector.is_require_grad())
    }

    fn end(&self, y: Tensor<4>, residual: Option<Tensor<4>>, depth: Option<Vec<f32>>) -> Tensor<4> {
        let numbers = FloatDType::from(y.dtype());
        let y = if self.spec.scale == 1.0 { y } else { y * self.spec.scale };
        let y = match &self.layer_scale {
            Some(scale) => (y.cast(FloatDType::F32) * scale.val().unsqueeze()).cast(numbers),
            None => y,
        };
        let y = match depth {
            Some(factors) => {
                let images = factors.len();
                let factors = Tensor::<1>::from_data(TensorData::new(factors, [images]), &y.device());
                y * factors.cast(numbers).reshape([images, 1, 1, 1])
            }
            None => y,
        };
        let y = match residual {
            Some(residual) => y + residual,
            None => y,
        };
        activate(self.spec.activation, y)
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
        conv2d(x, weight, bias, ConvOptions::new([stride; 2], pad, [1, 1], groups))
    }
}

/// The activation of a tensor.
pub(super) fn activate(activation: Activation, x: Tensor<4>) -> Tensor<4> {
    match activation {
        Activation::None => x,
        Activation::Relu => relu(x),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::Silu => silu(x),
        Activation::Sigmoid => sigmoid(x),
        Activation::HardSwish => hard_swish(x),
        Activation::HardSigmoid => hard_sigmoid(x, 1.0 / 6.0, 0.5),
        Activation::Gelu => gelu(x),
    }
}
