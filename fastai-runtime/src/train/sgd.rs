//! Stochastic gradient descent with momentum, as fastai trains.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

const MOMENTUM: f64 = 0.9;

/// What a step is made with: one rate and one weight decay a layer group, earliest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates {
    /// Learning rate of each group.
    pub lrs: Vec<f64>,
    /// L2 weight decay of each group, added to the gradient.
    pub wds: Vec<f64>,
}

/// SGD with momentum .9, no dampening and no Nesterov; the L2 decay goes into the gradient of every trained parameter.
///
/// One is made for each `fit`: it begins without momentum, and trains what has a gradient.
pub struct Sgd {
    groups: HashMap<ParamId, usize>,
    clip: Option<f64>,
    // Gradients and momentum are both one tensor a parameter, of any rank.
    momentum: GradientsParams,
}

impl Sgd {
    /// An optimizer for parameters of these groups; `clip` bounds the norm of all gradients together.
    pub fn new(groups: HashMap<ParamId, usize>, clip: Option<f64>) -> Self {
        Sgd { groups, clip, momentum: GradientsParams::new() }
    }

    /// Makes one step: `v <- .9 v + g + wd w`, `w <- w - lr v`.
    ///
    /// Tensors that nobody else holds are changed in place, so hand over the module rather than a clone of it.
    pub fn step<M: Module>(&mut self, module: M, mut grads: GradientsParams, rates: &Rates) -> M {
        let scale = self.clip.map(|clip| (clip / (norm(&module, &grads) + 1e-6)).min(1.0)).filter(|s| *s < 1.0);
        module.map(&mut Step { sgd: self, grads: &mut grads, rates, scale })
    }
}

/// L2 norm of all gradients together.
fn norm<M: Module>(module: &M, grads: &GradientsParams) -> f64 {
    struct Squares<'a> {
        grads: &'a GradientsParams,
        sum: Option<Tensor<1>>,
    }
    impl ModuleVisitor for Squares<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let Some(grad) = self.grads.get::<D>(param.id) else { return };
            // First along one dimension, then the rest: burn's sum of a very large tensor splits by threads.
            let rows = grad.dims()[0];
            let squares = grad.square().reshape::<2, _>([rows as i32, -1]).sum_dim(1).sum();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + squares,
                None => squares,
            });
        }
    }
    let mut squares = Squares { grads, sum: None };
    module.visit(&mut squares);
    squares.sum.map_or(0.0, |sum| f64::from(sum.into_scalar::<f32>()).sqrt())
}

struct Step<'a> {
    sgd: &'a mut Sgd,
    grads: &'a mut GradientsParams,
    rates: &'a Rates,
    scale: Option<f64>,
}

impl ModuleMapper for Step<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(mut grad) = self.grads.remove::<D>(param.id) else { return param };
        let group = self.sgd.groups.get(&param.id).copied().unwrap_or(0);
        let decay = self.rates.wds.get(group).copied().unwrap_or(0.0);
        let rate = self.rates.lrs.get(group).copied().unwrap_or(0.0);
        let (id, weight, mapper) = param.consume();
        let weight = weight.inner();
        if let Some(scale) = self.scale {
            grad = grad.mul_scalar(scale);
        }
        if decay != 0.0 {
            grad = grad + weight.clone().mul_scalar(decay);
        }
        let velocity = match self.sgd.momentum.remove::<D>(id) {
            Some(velocity) => velocity.mul_scalar(MOMENTUM) + grad,
            None => grad,
        };
        let weight = weight - velocity.clone().mul_scalar(rate);
        self.sgd.momentum.register(id, velocity);
        Param::from_mapped_value(id, Tensor::from_inner(weight).require_grad(), mapper)
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    fn layer() -> Linear {
        let device = Device::flex().autodiff();
        let mut layer = LinearConfig::new(2, 1).with_bias(false).init(&device);
        layer.weight = Param::from_tensor(Tensor::from_data([[1.0f32], [-2.0]], &device)).set_require_grad(true);
        layer
    }

    /// Gradient of `3 w0 + 4 w1` is `[3, 4]`, of norm 5.
    fn step(layer: Linear, sgd: &mut Sgd, rates: &Rates) -> Linear {
        let x = Tensor::<2>::from_data([[3.0f32, 4.0]], &Device::flex().autodiff());
        let grads = layer.forward(x).sum().backward();
        let grads = GradientsParams::from_grads(grads, &layer);
        sgd.step(layer, grads, rates)
    }

    fn values(layer: &Linear) -> Vec<f32> {
        layer.weight.val().into_data().try_to_vec().unwrap()
    }

    #[test]
    fn momentum_and_decay_go_in_as_pytorch_does() {
        let rates = Rates { lrs: vec![0.1], wds: vec![0.5] };
        let layer = layer();
        let mut sgd = Sgd::new(HashMap::from([(layer.weight.id, 0)]), None);
        let layer = step(layer, &mut sgd, &rates);
        // v = [3.5, 3], w = [.65, -2.3]
        let first = values(&layer);
        assert!((first[0] - 0.65).abs() < 1e-6 && (first[1] + 2.3).abs() < 1e-6, "{first:?}");
        // v = .9 [3.5, 3] + [3.325, 2.85] = [6.475, 5.55], w = [.0025, -2.855]
        let second = values(&step(layer, &mut sgd, &rates));
        assert!((second[0] - 0.0025).abs() < 1e-6 && (second[1] + 2.855).abs() < 1e-6, "{second:?}");
    }

    #[test]
    fn the_norm_is_clipped_over_everything() {
        let layer = layer();
        let mut sgd = Sgd::new(HashMap::new(), Some(1.0));
        let after = values(&step(layer, &mut sgd, &Rates { lrs: vec![1.0], wds: vec![] }));
        assert!((after[0] - 0.4).abs() < 1e-5 && (after[1] + 2.8).abs() < 1e-5, "{after:?}");
    }

    #[test]
    fn frozen_parameters_stay() {
        let mut layer = layer();
        layer.weight = layer.weight.set_require_grad(false);
        let x = Tensor::<2>::from_data([[3.0f32, 4.0]], &Device::flex().autodiff()).require_grad();
        let grads = GradientsParams::from_grads(layer.forward(x).sum().backward(), &layer);
        let after = Sgd::new(HashMap::new(), None).step(layer, grads, &Rates { lrs: vec![1.0], wds: vec![1.0] });
        assert_eq!(values(&after), [1.0, -2.0]);
    }
}
