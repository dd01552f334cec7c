//! Stochastic gradient descent with momentum, as fastai trains.

use burn::tensor::Tensor;
use fastai_kernels::descent::{self, SgdStep};

use super::{Rule, TensorStep};

/// SGD with momentum, without dampening: `v <- m v + g + wd w`, `w <- w - lr v`; with Nesterov's momentum
/// `w <- w - lr (g + wd w + m v)`.
///
/// The L2 decay goes into the gradient of every trained parameter, as in PyTorch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sgd {
    /// Whether the momentum is Nesterov's.
    pub nesterov: bool,
}

impl Rule for Sgd {
    const KEEPS: &'static [&'static str] = &["velocity"];

    type Factors = SgdStep;

    fn factors(&self, step: &TensorStep) -> SgdStep {
        SgdStep {
            rate: step.rate as f32,
            decay: step.decay as f32,
            momentum: step.momentum as f32,
            nesterov: self.nesterov,
        }
    }

    fn kernel(weight: &mut [f32], grad: &mut [f32], kept: &mut [&mut [f32]], step: SgdStep) {
        let [velocity] = kept else { unreachable!("one tensor is kept") };
        descent::sgd(weight, grad, velocity, step);
    }

    fn composed<const D: usize>(
        weight: Tensor<D>,
        mut grad: Tensor<D>,
        kept: &mut [Option<Tensor<D>>],
        step: SgdStep,
    ) -> Tensor<D> {
        if step.decay != 0.0 {
            grad = grad + weight.clone().mul_scalar(step.decay);
        }
        let moving = match kept[0].take() {
            Some(velocity) => velocity.mul_scalar(step.momentum) + grad.clone(),
            None => grad.clone(),
        };
        let direction = if step.nesterov { grad + moving.clone().mul_scalar(step.momentum) } else { moving.clone() };
        kept[0] = Some(moving);
        weight - direction.mul_scalar(step.rate)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::super::agree;
    use super::*;

    #[test]
    fn one_pass_gives_the_bits_of_burns_operations() {
        for nesterov in [false, true] {
            agree(Sgd { nesterov }, 0.0);
        }
    }

    #[test]
    fn momentum_and_decay_go_in_as_pytorch_does() {
        let tensor = |values: [f32; 2]| Tensor::<1>::from_data(values, &Device::flex());
        let close = |tensor: &Tensor<1>, want: [f32; 2]| {
            let got: Vec<f32> = tensor.clone().into_data().try_to_vec().unwrap();
            assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?} {want:?}");
        };
        let mut kept = [None];
        let step = |number| TensorStep { rate: 0.1, decay: 0.5, momentum: 0.9, number };
        let weight = Sgd::default().update(tensor([1.0, -2.0]), tensor([3.0, 4.0]), &mut kept, step(1));
        close(kept[0].as_ref().unwrap(), [3.5, 3.0]);
        close(&weight, [0.65, -2.3]);
        let weight = Sgd::default().update(weight, tensor([3.0, 4.0]), &mut kept, step(2));
        close(kept[0].as_ref().unwrap(), [6.475, 5.55]);
        close(&weight, [0.0025, -2.855]);
    }
}
