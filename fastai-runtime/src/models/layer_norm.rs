//! Layer normalisation over channels.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::init;

/// Normalises the channels of each pixel of `[batch, channel, height, width]`; parameter names are PyTorch's.
///
/// It uses neither batch nor running statistics, so training and evaluation are identical.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// Scale of each channel.
    pub weight: Param<Tensor<1>>,
    /// Shift of each channel.
    pub bias: Param<Tensor<1>>,
    epsilon: f64,
}

impl LayerNorm {
    /// Weight 1, bias 0.
    pub fn new(channels: usize, epsilon: f64, device: &Device) -> Self {
        Self { weight: init::constant(1.0, channels, device), bias: init::constant(0.0, channels, device), epsilon }
    }

    /// The term added to the variance.
    pub(super) fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// Normalises `x` by each pixel's mean and biased variance.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let sides = [1, x.dims()[1], 1, 1];
        let centred = x.clone() - x.mean_dim(1);
        let deviation = (centred.clone().square().mean_dim(1) + self.epsilon).sqrt();
        centred / deviation * self.weight.val().reshape(sides) + self.bias.val().reshape(sides)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pixel_is_normalised_by_itself() {
        let device = Device::flex();
        let norm = LayerNorm::new(2, 1e-6, &device);
        let x = Tensor::from_floats([[[[1.0, 5.0]], [[3.0, 5.0]]]], &device);
        let got: Vec<f32> = norm.forward(x).into_data().try_to_vec().unwrap();
        for (got, want) in got.iter().zip([-1.0f32, 0.0, 1.0, 0.0]) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
    }
}
