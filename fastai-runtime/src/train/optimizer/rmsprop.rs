//! RMSprop.

use burn::tensor::Tensor;
use fastai_kernels::descent::{self, RmspropStep};

use super::in_place::in_place;
use super::{Rule, TensorStep};

/// RMSprop as in PyTorch, not centered: gradients over the root of their mean square. The decay goes into the gradient.
#[derive(Clone, Copy, Debug)]
pub struct Rmsprop {
    /// Share of the past in the average of the squares.
    pub alpha: f64,
    /// Added to the root of the average square.
    pub eps: f64,
}

impl Rmsprop {
    fn factors(&self, step: &TensorStep) -> RmspropStep {
        RmspropStep {
            rate: step.rate as f32,
            decay: step.decay as f32,
            alpha: self.alpha as f32,
            eps: self.eps as f32,
            momentum: step.momentum as f32,
        }
    }
}

impl Rule for Rmsprop {
    const KEEPS: &'static [&'static str] = &["square", "velocity"];

    fn update<const D: usize>(
        &self,
        weight: Tensor<D>,
        grad: Tensor<D>,
        kept: &mut [Option<Tensor<D>>],
        step: TensorStep,
    ) -> Tensor<D> {
        let step = self.factors(&step);
        let fused = in_place(weight, grad, kept, |weight, grad, [v, moving]| {
            descent::rmsprop(weight, grad, v, moving, step);
        });
        fused.unwrap_or_else(|(weight, grad)| composed(weight, grad, kept, step))
    }
}

/// The step by burn's operations.
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

#[cfg(test)]
mod tests {
    use super::super::agree;
    use super::*;

    #[test]
    fn one_pass_agrees_with_burns_operations() {
        let rmsprop = Rmsprop { alpha: 0.99, eps: 1e-8 };
        agree(rmsprop, |weight, grad, kept, step| composed(weight, grad, kept, rmsprop.factors(&step)));
    }
}
