//! Stochastic gradient descent with momentum, as fastai trains.

use burn::tensor::Tensor;

use super::{Rule, TensorStep};

/// SGD with momentum, without dampening and Nesterov: `v <- m v + g + wd w`, `w <- w - lr v`.
///
/// The L2 decay goes into the gradient of every trained parameter, as in PyTorch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sgd;

impl Rule for Sgd {
    const KEEPS: &'static [&'static str] = &["velocity"];

    fn update<const D: usize>(
        &self,
        weight: Tensor<D>,
        mut grad: Tensor<D>,
        kept: &mut [Option<Tensor<D>>],
        step: TensorStep,
    ) -> Tensor<D> {
        if step.decay != 0.0 {
            grad = grad + weight.clone().mul_scalar(step.decay);
        }
        let velocity = match kept[0].take() {
            Some(velocity) => velocity.mul_scalar(step.momentum) + grad,
            None => grad,
        };
        let weight = weight - velocity.clone().mul_scalar(step.rate);
        kept[0] = Some(velocity);
        weight
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn momentum_and_decay_go_in_as_pytorch_does() {
        let tensor = |values: [f32; 2]| Tensor::<1>::from_data(values, &Device::flex());
        let close = |tensor: &Tensor<1>, want: [f32; 2]| {
            let got: Vec<f32> = tensor.clone().into_data().try_to_vec().unwrap();
            assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?} {want:?}");
        };
        let mut kept = [None];
        let step = |number| TensorStep { rate: 0.1, decay: 0.5, momentum: 0.9, number };
        let weight = Sgd.update(tensor([1.0, -2.0]), tensor([3.0, 4.0]), &mut kept, step(1));
        close(kept[0].as_ref().unwrap(), [3.5, 3.0]);
        close(&weight, [0.65, -2.3]);
        let weight = Sgd.update(weight, tensor([3.0, 4.0]), &mut kept, step(2));
        close(kept[0].as_ref().unwrap(), [6.475, 5.55]);
        close(&weight, [0.0025, -2.855]);
    }
}
