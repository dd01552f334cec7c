//! The operations that networks consist of: the unit (convolution, norm, residual, activation) and the pools.

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
    /// `x` times [`HardSigmoid`](Activation::HardSigmoid).
    HardSwish,
    /// `min(max(x / 6 + 1 / 2, 0), 1)`.
    HardSigmoid,
    /// `x` times the share of the normal distribution below it.
    Gelu,
}

/// Bounds of a clamp without effect.
pub const UNBOUNDED: [f32; 2] = [f32::NEG_INFINITY, f32::INFINITY];

impl Activation {
    /// The bounds of an activation that is a clamp.
    pub fn bounds(self) -> Option<[f32; 2]> {
        match self {
            Activation::None => Some(UNBOUNDED),
            Activation::Relu => Some([0.0, f32::INFINITY]),
            Activation::Relu6 => Some([0.0, 6.0]),
            Activation::Silu
            | Activation::Sigmoid
            | Activation::HardSwish
            | Activation::HardSigmoid
            | Activation::Gelu => None,
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

/// The shape of a unit: convolution, norm, a factor for each channel, a residual, the activation.
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

/// The parameters of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolArgs {
    /// Side of the square window, pixels.
    pub kernel: usize,
    /// Pixels between two windows.
    pub stride: usize,
    /// Pixels by which windows extend beyond each border; pixels outside are ignored.
    pub pad: usize,
    /// Whether the last window may extend beyond the right and bottom borders (PyTorch's `ceil_mode`).
    pub ceil: bool,
}

impl PoolArgs {
    /// Number of windows along a side, by PyTorch's rule: no window lies completely outside.
    pub fn windows(self, side: usize) -> usize {
        let reach = side + 2 * self.pad - self.kernel;
        let windows = if self.ceil { reach.div_ceil(self.stride) } else { reach / self.stride } + 1;
        windows - usize::from((windows - 1) * self.stride >= side + self.pad)
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
