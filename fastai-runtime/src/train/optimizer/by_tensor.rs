//! Optimizers that update every tensor independently.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use super::{Clip, GroupRates, Optimizer, OptimizerState, Rule, TensorStep};
use crate::error::StateError;
use crate::models::Network;

/// Applies a [`Rule`] to every tensor that has a gradient, with the settings of its layer group.
pub struct ByTensor<R> {
    rule: R,
    groups: HashMap<ParamId, usize>,
    clip: Clip,
    steps: u64,
    // Gradients and what is kept are all one tensor per parameter, of any rank: one container for each of the rule's names.
    kept: Vec<GradientsParams>,
    bytes: u64,
}

impl<R: Rule> ByTensor<R> {
    /// Creates an optimizer for parameters of these layer groups.
    pub fn new(rule: R, groups: HashMap<ParamId, usize>, clip: Clip) -> Self {
        let kept = R::KEEPS.iter().map(|_| GradientsParams::new()).collect();
        ByTensor { rule, groups, clip, steps: 0, kept, bytes: 0 }
    }

    /// [`Optimizer::step`] for any module.
    pub fn step_module<M: Module>(&mut self, module: M, mut grads: GradientsParams, rates: &GroupRates) -> M {
        let scale =
            self.clip.norm.map(|clip| (clip / (gradient_norm(&module, &grads) + 1e-6)).min(1.0)).filter(|s| *s < 1.0);
        self.steps += 1;
        module.map(&mut Apply { optimizer: self, grads: &mut grads, rates, scale })
    }
}

impl<R: Rule> Optimizer for ByTensor<R> {
    fn step(&mut self, network: Network, grads: GradientsParams, rates: &GroupRates) -> Network {
        #[cfg(test)]
        super::recording::note(rates);
        self.step_module(network, grads, rates)
    }

    fn state_bytes(&self) -> u64 {
        self.bytes
    }

    fn snapshot(&self, network: &Network) -> OptimizerState {
        let mut state = OptimizerState { steps: self.steps, ..OptimizerState::default() };
        let names = names(network);
        for (what, kept) in R::KEEPS.iter().zip(&self.kept) {
            network.visit(&mut Save { what, kept, names: &names, state: &mut state });
        }
        state
    }

    fn restore(&mut self, network: &Network, mut state: OptimizerState) -> Result<(), StateError> {
        self.kept = R::KEEPS.iter().map(|_| GradientsParams::new()).collect();
        self.bytes = 0;
        self.steps = state.steps;
        let names = names(network);
        let mut wrong = None;
        for (what, kept) in R::KEEPS.iter().zip(&mut self.kept) {
            let (bytes, state, wrong) = (&mut self.bytes, &mut state, &mut wrong);
            network.visit(&mut Load { what, kept, names: &names, state, bytes, wrong });
        }
        match wrong.or_else(|| state.tensors.into_keys().next()) {
            Some(tensor) => Err(StateError::Optimizer { tensor }),
            None => Ok(()),
        }
    }
}

fn names(network: &Network) -> HashMap<ParamId, String> {
    network.parameters().into_iter().map(|p| (p.id, p.name)).collect()
}

/// The global L2 norm of the gradients.
pub(in super::super) fn gradient_norm<M: Module>(module: &M, grads: &GradientsParams) -> f64 {
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

struct Apply<'a, R> {
    optimizer: &'a mut ByTensor<R>,
    grads: &'a mut GradientsParams,
    rates: &'a GroupRates,
    scale: Option<f64>,
}

impl<R: Rule> ModuleMapper for Apply<'_, R> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(mut grad) = self.grads.remove::<D>(param.id) else { return param };
        let ByTensor { rule, groups, steps, kept, bytes, clip } = &mut *self.optimizer;
        let group = groups.get(&param.id).copied().unwrap_or(0);
        let step = TensorStep {
            rate: self.rates.lrs.get(group).copied().unwrap_or(0.0),
            decay: self.rates.wds.get(group).copied().unwrap_or(0.0),
            momentum: self.rates.momentum,
            number: *steps,
        };
        let (id, weight, mapper) = param.consume();
        if let Some(scale) = self.scale {
            grad = grad.mul_scalar(scale);
        }
        if let Some(bound) = clip.value {
            grad = grad.clamp(-bound, bound);
        }
        let mut places: Vec<Option<Tensor<D>>> = kept.iter_mut().map(|kept| kept.remove::<D>(id)).collect();
        let before = places.iter().flatten().map(bytes_of).sum::<u64>();
        let weight = rule.update(weight.inner(), grad, &mut places, step);
        *bytes = *bytes + places.iter().flatten().map(bytes_of).sum::<u64>() - before;
        for (kept, place) in kept.iter_mut().zip(places) {
            if let Some(tensor) = place {
                kept.register(id, tensor);
            }
        }
        Param::from_mapped_value(id, Tensor::from_inner(weight).require_grad(), mapper)
    }
}

/// Bytes of a tensor of 32-bit numbers.
fn bytes_of<const D: usize>(tensor: &Tensor<D>) -> u64 {
    4 * tensor.dims().iter().map(|side| *side as u64).product::<u64>()
}

struct Save<'a> {
    what: &'a str,
    kept: &'a GradientsParams,
    names: &'a HashMap<ParamId, String>,
    state: &'a mut OptimizerState,
}

impl ModuleVisitor for Save<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let (Some(tensor), Some(name)) = (self.kept.get::<D>(param.id), self.names.get(&param.id)) {
            self.state.tensors.insert(format!("{}/{name}", self.what), tensor.into_data());
        }
    }
}

struct Load<'a> {
    what: &'a str,
    kept: &'a mut GradientsParams,
    names: &'a HashMap<ParamId, String>,
    state: &'a mut OptimizerState,
    bytes: &'a mut u64,
    wrong: &'a mut Option<String>,
}

impl ModuleVisitor for Load<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(name) = self.names.get(&param.id).map(|name| format!("{}/{name}", self.what)) else { return };
        let Some(data) = self.state.tensors.remove(&name) else { return };
        let weight = param.val().inner();
        if data.shape().as_slice() != weight.dims() {
            *self.wrong = Some(name);
            return;
        }
        let tensor = Tensor::<D>::from_data(data, &weight.device());
        *self.bytes += bytes_of(&tensor);
        self.kept.register(param.id, tensor);
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{Device, TensorData};
    use fastai_dsl::HeadSpec;

    use super::super::Sgd;
    use super::*;
    use crate::random::Stream;

    fn layer() -> Linear {
        let device = Device::flex().autodiff();
        let mut layer = LinearConfig::new(2, 1).with_bias(false).init(&device);
        layer.weight = Param::from_tensor(Tensor::from_data([[1.0f32], [-2.0]], &device)).set_require_grad(true);
        layer
    }

    fn values(layer: &Linear) -> Vec<f32> {
        layer.weight.val().into_data().try_to_vec().unwrap()
    }

    #[test]
    fn the_norm_is_clipped_over_everything() {
        let layer = layer();
        // The gradient of `3 w0 + 4 w1` is `[3, 4]`, of norm 5.
        let x = Tensor::<2>::from_data([[3.0f32, 4.0]], &Device::flex().autodiff());
        let grads = GradientsParams::from_grads(layer.forward(x).sum().backward(), &layer);
        let rates = GroupRates { lrs: vec![1.0], wds: Vec::new(), momentum: 0.9 };
        let after = values(
            &ByTensor::new(Sgd::default(), HashMap::new(), Clip { norm: Some(1.0), value: None })
                .step_module(layer, grads, &rates),
        );
        assert!((after[0] - 0.4).abs() < 1e-5 && (after[1] + 2.8).abs() < 1e-5, "{after:?}");
    }

    #[test]
    fn each_number_of_a_gradient_is_bounded() {
        let layer = layer();
        let x = Tensor::<2>::from_data([[3.0f32, -0.25]], &Device::flex().autodiff());
        let grads = GradientsParams::from_grads(layer.forward(x).sum().backward(), &layer);
        let rates = GroupRates { lrs: vec![1.0], wds: Vec::new(), momentum: 0.9 };
        let clip = Clip { norm: None, value: Some(0.5) };
        let after = values(&ByTensor::new(Sgd::default(), HashMap::new(), clip).step_module(layer, grads, &rates));
        assert_eq!(after, [0.5, -1.75]);
    }

    #[test]
    fn frozen_parameters_stay() {
        let mut layer = layer();
        layer.weight = layer.weight.set_require_grad(false);
        let x = Tensor::<2>::from_data([[3.0f32, 4.0]], &Device::flex().autodiff()).require_grad();
        let grads = GradientsParams::from_grads(layer.forward(x).sum().backward(), &layer);
        let rates = GroupRates { lrs: vec![1.0], wds: vec![1.0], momentum: 0.9 };
        let after = ByTensor::new(Sgd::default(), HashMap::new(), Clip::default()).step_module(layer, grads, &rates);
        assert_eq!(values(&after), [1.0, -2.0]);
    }

    /// A network whose head of 8 hidden units alone trains.
    fn network(device: &Device) -> Network {
        let head = HeadSpec { hidden: vec![8], dropout: vec![0.0, 0.0] };
        Network::new("squeezenet1_1", &head, 3, 1, device).set_frozen(2, false)
    }

    fn optimizer(network: &Network) -> ByTensor<Sgd> {
        ByTensor::new(
            Sgd::default(),
            network.parameters().into_iter().map(|p| (p.id, p.group)).collect(),
            Clip::default(),
        )
    }

    fn train(mut network: Network, optimizer: &mut dyn Optimizer, steps: std::ops::Range<u64>) -> Network {
        let rates = GroupRates { lrs: vec![0.1; 3], wds: vec![0.01; 3], momentum: 0.9 };
        for step in steps {
            let width = network.head_input();
            let numbers = (0..4 * width).map(|i| ((i as u64 * (step + 3)) % 17) as f32 / 17.0).collect();
            let x = Tensor::<2>::from_data(TensorData::new::<f32, _>(numbers, [4, width]), &Device::flex().autodiff());
            let loss = network.logits_train(x, &mut Stream::new(0, "dropout").at(&[step])).square().mean();
            let grads = GradientsParams::from_grads(loss.backward(), &network);
            network = optimizer.step(network, grads, &rates);
        }
        network
    }

    fn head(network: &Network) -> Vec<f32> {
        network
            .head
            .layers
            .iter()
            .flat_map(|l| l.linear.weight.val().into_data().try_to_vec::<f32>().unwrap())
            .collect()
    }

    #[test]
    fn a_restored_optimizer_goes_on_bit_for_bit() {
        let device = Device::flex().autodiff();
        let start = network(&device);
        let mut whole = optimizer(&start);
        let through = train(start.clone(), &mut whole, 0..6);
        let mut first = optimizer(&start);
        let half = train(start.clone(), &mut first, 0..3);
        let state = first.snapshot(&half);
        let trained: u64 = half.parameters().iter().filter(|p| p.trainable && !p.buffer).map(|p| p.count()).sum();
        assert_eq!(first.state_bytes(), 4 * trained);
        let mut second = optimizer(&half);
        second.restore(&half, state.clone()).unwrap();
        assert_eq!((second.state_bytes(), second.snapshot(&half)), (first.state_bytes(), state.clone()));
        assert_eq!(head(&train(half, &mut second, 3..6)), head(&through));
        assert_ne!(head(&train(start.clone(), &mut optimizer(&start), 0..3)), head(&through));

        let mut foreign = state.clone();
        foreign.tensors.insert("velocity/body.nowhere".into(), TensorData::new(vec![0f32], [1]));
        let error = optimizer(&start).restore(&start, foreign).unwrap_err();
        assert_eq!(error, StateError::Optimizer { tensor: "velocity/body.nowhere".to_string() });
        let mut other = state;
        *other.tensors.first_entry().unwrap().get_mut() = TensorData::new(vec![0f32], [1]);
        assert!(optimizer(&start).restore(&start, other).is_err());
    }
}
