//! LAMB.

use burn::tensor::Tensor;
use fastai_kernels::descent::{self, AdamStep};

use super::adam::{direction, factors};
use super::{Rule, TensorStep};

/// LAMB as in timm, without its clipping of the global norm, which is `clip` here: Adam's direction plus `decay * weight`,
/// scaled in each tensor with a decay by the norm of its weights over that of the direction.
#[derive(Clone, Copy, Debug)]
pub struct Lamb {
    /// Share of the past in the average of the squares.
    pub beta2: f64,
    /// Added to the root of the average square.
    pub eps: f64,
}

impl Rule for Lamb {
    const KEEPS: &'static [&'static str] = &["mean", "square"];

    type Factors = AdamStep;

    fn factors(&self, step: &TensorStep) -> AdamStep {
        factors(step, self.beta2, self.eps, true)
    }

    fn kernel(weight: &mut [f32], grad: &mut [f32], kept: &mut [&mut [f32]], step: AdamStep) {
        let [m, v] = kept else { unreachable!("two tensors are kept") };
        descent::lamb(weight, grad, m, v, step);
    }

    fn composed<const D: usize>(
        weight: Tensor<D>,
        grad: Tensor<D>,
        kept: &mut [Option<Tensor<D>>],
        step: AdamStep,
    ) -> Tensor<D> {
        let mut direction = direction(grad, kept, &step);
        if step.decay != 0.0 {
            direction = direction + weight.clone().mul_scalar(step.decay);
            let (weights, directions) = (norm(&weight), norm(&direction));
            // 1 where one of them is 0; without reading it from the device.
            let nothing = (weights.clone() * directions.clone()).equal_elem(0.0);
            let trust = (weights / directions).mask_fill(nothing, 1.0);
            direction = direction * trust.reshape([1; D]);
        }
        weight - direction.mul_scalar(step.rate)
    }
}

/// The L2 norm of all numbers.
fn norm<const D: usize>(tensor: &Tensor<D>) -> Tensor<1> {
    tensor.clone().square().sum().sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::agree;
    use super::*;

    #[test]
    fn one_pass_agrees_with_burns_operations() {
        agree(Lamb { beta2: 0.99, eps: 1e-6 }, 1e-5);
    }
}
