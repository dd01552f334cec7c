//! Optimizers: updates of the weights from their gradients.
//!
//! An [`Optimizer`] performs a step with a learning rate and a weight decay per layer group. An optimizer that updates
//! every tensor independently is a [`Rule`] of a few lines; [`ByTensor`] supplies the rest.

mod adam;
mod by_tensor;
mod in_place;
mod lamb;
#[cfg(test)]
mod recording;
mod rmsprop;
mod rule;
mod sgd;

use std::collections::{BTreeMap, HashMap};

use burn::module::ParamId;
use burn::optim::GradientsParams;
use burn::tensor::TensorData;
use fastai_dsl::OptimizerSpec;

pub use adam::Adam;
pub use by_tensor::ByTensor;
pub(super) use by_tensor::gradient_norm;
pub use lamb::Lamb;
#[cfg(test)]
pub(crate) use recording::received;
pub use rmsprop::Rmsprop;
pub use rule::{Rule, TensorStep};
pub use sgd::Sgd;

use crate::error::StateError;
use crate::models::Network;

/// The settings of one step: a rate and a weight decay per layer group, earliest first, and one momentum.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupRates {
    /// Learning rate of each group.
    pub lrs: Vec<f64>,
    /// Weight decay of each group; a group without one has none.
    pub wds: Vec<f64>,
    /// Share of the past in the moving average of the gradients.
    pub momentum: f64,
}

/// Bounds of the gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Clip {
    /// Largest global norm; larger gradients are scaled down to it.
    pub norm: Option<f64>,
    /// Largest absolute value of each number, after the norm has been bounded.
    pub value: Option<f64>,
}

/// A rule with its parameters, and the bounds of the gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Descent {
    /// The rule.
    pub rule: OptimizerSpec,
    /// The bounds.
    pub clip: Clip,
}

impl Descent {
    /// Whether bounding the gradients, which are not yet bounded, may keep training at these rates from losing the numbers. At high
    /// rates it does not: a step along a gradient of norm 1 is as long as the rate, and rules that scale the gradients themselves
    /// take steps of a length that hardly depends on theirs.
    pub(crate) fn may_need_clip(&self, rates: &[f64]) -> bool {
        let too_high = if matches!(self.rule, OptimizerSpec::Sgd { .. }) { 1.0 } else { 0.1 };
        self.clip == Clip::default() && rates.iter().all(|rate| *rate < too_high)
    }

    /// Creates the optimizer for parameters of these layer groups.
    pub(super) fn optimizer(&self, groups: HashMap<ParamId, usize>) -> Box<dyn Optimizer> {
        let clip = self.clip;
        match self.rule {
            OptimizerSpec::Sgd { nesterov, .. } => Box::new(ByTensor::new(Sgd { nesterov }, groups, clip)),
            OptimizerSpec::Adam { betas: [_, beta2], eps } => {
                Box::new(ByTensor::new(Adam { beta2, eps, decoupled: false }, groups, clip))
            }
            OptimizerSpec::Adamw { betas: [_, beta2], eps } => {
                Box::new(ByTensor::new(Adam { beta2, eps, decoupled: true }, groups, clip))
            }
            OptimizerSpec::Rmsprop { alpha, eps, .. } => Box::new(ByTensor::new(Rmsprop { alpha, eps }, groups, clip)),
            OptimizerSpec::Lamb { betas: [_, beta2], eps } => {
                Box::new(ByTensor::new(Lamb { beta2, eps }, groups, clip))
            }
        }
    }
}

/// Updates a network from its gradients. Each `fit` creates a new optimizer without history.
pub trait Optimizer: Send {
    /// Performs one step. Parameters without a gradient stay unchanged.
    ///
    /// Tensors without other owners change in place, so pass the network itself rather than a clone.
    fn step(&mut self, network: Network, grads: GradientsParams, rates: &GroupRates) -> Network;

    /// Bytes of the state tensors.
    fn state_bytes(&self) -> u64;

    /// Returns the state that the next step depends on. [`restore`](Self::restore) gives a new optimizer this state, bit
    /// for bit.
    fn snapshot(&self, network: &Network) -> OptimizerState;

    /// Restores `state`.
    ///
    /// # Errors
    /// If a tensor in `state` belongs to another optimizer or network, or has another shape.
    fn restore(&mut self, network: &Network, state: OptimizerState) -> Result<(), StateError>;
}

/// The state of an optimizer on the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptimizerState {
    /// Steps so far.
    pub steps: u64,
    /// State tensors by name and parameter: `velocity/head.layers.0.linear.weight`.
    pub tensors: BTreeMap<String, TensorData>,
}

/// Holds a rule's pass over memory to the same step by burn's operations, over some steps with and without a decay. Numbers
/// differ by at most `tolerance`, relative to those above 1.
#[cfg(test)]
fn agree<R: Rule>(rule: R, tolerance: f32) {
    use burn::tensor::{Device, Distribution, Tensor};

    let device = Device::flex();
    let random = || Tensor::<2>::random([70, 600], Distribution::Default, &device);
    let values = |tensor: &Tensor<2>| tensor.clone().into_data().try_to_vec::<f32>().unwrap();
    for decay in [0.0, 1e-2] {
        let none = || -> Vec<Option<Tensor<2>>> { R::KEEPS.iter().map(|_| None).collect() };
        let (mut ours, mut kept) = (random(), none());
        let (mut theirs, mut other) = (ours.clone(), none());
        let first = values(&ours);
        for number in 1..5 {
            let (grad, step) = (random(), TensorStep { rate: 0.03, decay, momentum: 0.9, number });
            let factors = rule.factors(&step);
            let updated = in_place::in_place(ours, grad.clone(), &mut kept, |weight, grad, kept| {
                R::kernel(weight, grad, kept, factors);
            });
            ours = updated.expect("tensors on the CPU");
            theirs = R::composed(theirs, grad, &mut other, factors);
            let near = |(a, b): (&f32, &f32)| (a - b).abs() <= tolerance * b.abs().max(1.0);
            assert!(values(&ours).iter().zip(&values(&theirs)).all(near), "weights of step {number}");
            for (kept, other) in kept.iter().zip(&other) {
                let (kept, other) = (values(kept.as_ref().unwrap()), values(other.as_ref().unwrap()));
                assert!(kept.iter().zip(&other).all(near), "state of step {number}");
            }
        }
        assert_ne!(values(&ours), first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_of_the_gradients_is_no_cure_of_high_rates() {
        let sgd = Descent::default();
        assert!(sgd.may_need_clip(&[0.01, 0.1, 0.5]) && !sgd.may_need_clip(&[0.1, 1.0, 10.0]));
        let adam = Descent { rule: OptimizerSpec::Adam { betas: [0.9, 0.999], eps: 1e-8 }, ..sgd };
        assert!(adam.may_need_clip(&[1e-3]) && !adam.may_need_clip(&[0.5]));
        let bounded = Descent { clip: Clip { norm: Some(1.0), value: None }, ..sgd };
        assert!(!bounded.may_need_clip(&[0.01]), "it is bounded");
    }
}
