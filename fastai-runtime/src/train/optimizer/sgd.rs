//! Stochastic gradient descent with momentum, as fastai trains.

use burn::tensor::Tensor;
use fastai_kernels::descent::{self, SgdStep};

use super::{Rule, TensorStep};
use crate::float;

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

    fn update<const D: usize>(
        &self,
        weight: Tensor<D>,
        grad: Tensor<D>,
        kept: &mut [Option<Tensor<D>>],
        step: TensorStep,
    ) -> Tensor<D> {
        match fused(weight, grad, &mut kept[0], step, self.nesterov) {
            Ok(weight) => weight,
            Err((weight, grad)) => composed(weight, grad, &mut kept[0], step, self.nesterov),
        }
    }
}

/// The step by burn's operations.
fn composed<const D: usize>(
    weight: Tensor<D>,
    mut grad: Tensor<D>,
    velocity: &mut Option<Tensor<D>>,
    step: TensorStep,
    nesterov: bool,
) -> Tensor<D> {
    if step.decay != 0.0 {
        grad = grad + weight.clone().mul_scalar(step.decay);
    }
    let moving = match velocity.take() {
        Some(velocity) => velocity.mul_scalar(step.momentum) + grad.clone(),
        None => grad.clone(),
    };
    let direction = if nesterov { grad + moving.clone().mul_scalar(step.momentum) } else { moving.clone() };
    let weight = weight - direction.mul_scalar(step.rate);
    *velocity = Some(moving);
    weight
}

/// The step in one pass over the CPU's memory, with the result of burn's operations bit for bit, or the operands where they
/// are on another device.
#[allow(clippy::result_large_err)] // the operands themselves come back
fn fused<const D: usize>(
    weight: Tensor<D>,
    grad: Tensor<D>,
    velocity: &mut Option<Tensor<D>>,
    step: TensorStep,
    nesterov: bool,
) -> Result<Tensor<D>, (Tensor<D>, Tensor<D>)> {
    let mut weight = match float::owned(weight) {
        Ok(weight) => weight,
        Err(weight) => return Err((weight, grad)),
    };
    let grad = match float::owned(grad) {
        Ok(grad) => grad,
        Err(grad) => return Err((float::wrap(weight), grad)),
    };
    let kept = match velocity.take().map(float::owned) {
        Some(Err(other)) => {
            *velocity = Some(other);
            return Err((float::wrap(weight), float::wrap(grad)));
        }
        Some(Ok(kept)) => Some(kept),
        None => None,
    };
    let fresh = kept.is_none();
    // What a first step writes has the gradient's sides; its numbers do not matter.
    let mut moving = kept.unwrap_or_else(|| grad.clone());
    let step = SgdStep { rate: step.rate as f32, decay: step.decay as f32, momentum: step.momentum as f32, nesterov };
    descent::sgd(weight.storage_mut(), grad.storage(), moving.storage_mut(), fresh, step);
    *velocity = Some(float::wrap(moving));
    Ok(float::wrap(weight))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn one_pass_gives_the_bits_of_burns_operations() {
        let device = Device::flex();
        let random = || Tensor::<2>::random([70, 600], burn::tensor::Distribution::Default, &device);
        let bits = |tensor: &Tensor<2>| tensor.clone().into_data().try_to_vec::<f32>().unwrap();
        for (decay, nesterov) in [(0.0, false), (1e-2, false), (1e-2, true)] {
            let (mut ours, mut velocity) = (random(), None);
            let (mut theirs, mut other) = (ours.clone(), None);
            for number in 1..4 {
                let (grad, step) = (random(), TensorStep { rate: 0.03, decay, momentum: 0.9, number });
                ours = fused(ours, grad.clone(), &mut velocity, step, nesterov).expect("tensors on the CPU");
                theirs = composed(theirs, grad, &mut other, step, nesterov);
                assert!(bits(&ours) == bits(&theirs), "step {number}");
                assert!(bits(velocity.as_ref().unwrap()) == bits(other.as_ref().unwrap()), "velocity {number}");
            }
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
