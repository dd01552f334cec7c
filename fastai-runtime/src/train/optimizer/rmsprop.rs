//! RMSprop.

use burn::tensor::Tensor;
use fastai_kernels::descent::{self, RmspropStep};

use super::{Rule, TensorStep};

/// RMSprop as in PyTorch, not centered: gradients over the root of their mean square. The decay goes into the gradient.
#[derive(Clone, Copy, Debug)]
pub struct Rmsprop {
    /// Share of the past in the average of the squares.
    pub alpha: f64,
    /// Added to the root of the average square.
    pub eps: f64,
}

impl Rule for Rmsprop {
    const KEEPS: &'static [&'static str] = &["square", "velocity"];

    type Factors = RmspropStep;

    fn factors(&self, step: &TensorStep) -> RmspropStep {
        RmspropStep {
            rate: step.rate as f32,
            decay: step.decay as f32,
            alpha: self.alpha as f32,
            eps: self.eps as f32,
            momentum: step.momentum as f32,
        }
    }

    fn kernel(weight: &mut [f32], grad: &mut [f32], kept: &mut [&mut [f32]], step: RmspropStep) {
        let [v, moving] = kept else { unreachable!("two tensors are kept") };
        descent::rmsprop(weight, grad, v, moving, step);
    }

    fn composed<const D: usize>(
        weight: Tensor<D>,
        mut grad: Tensor<D>,
        kept: &mut [Option<Tensor<D>>],
        step: RmspropStep,
    ) -> Tensor<D> {
        if step.decay != 0.0 {
            grad = grad + weight.clone().mul_scalar(step.decay);
        }
        let zeros = grad.zeros_like();
        let v = kept[0].take().unwrap_or_else(|| zeros.clone());
        let moving = kept[1].take().unwrap_or(zeros);
        let v = v.mul_scalar(step.alpha) + grad.clone().square().mul_scalar(1.0 - step.alpha);
        let moving = moving.mul_scalar(step.momentum) + grad / v.clone().sqrt().add_scalar(step.eps);
        kept[0] = Some(v);
        kept[1] = Some(moving.clone());
        weight - moving.mul_scalar(step.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::super::agree;
    use super::*;

    #[test]
    fn one_pass_agrees_with_burns_operations() {
        agree(Rmsprop { alpha: 0.99, eps: 1e-8 }, 1e-5);
    }
}
