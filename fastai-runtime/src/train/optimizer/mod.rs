//! What changes the weights by their gradients.
//!
//! An [`Optimizer`] takes a step with a rate and a weight decay per layer group. One that treats every tensor by itself is
//! a [`Rule`] of a few lines: [`ByTensor`] does the rest.

mod by_tensor;
mod sgd;

use std::collections::BTreeMap;

use burn::optim::GradientsParams;
use burn::tensor::TensorData;

pub use by_tensor::{ByTensor, Rule, TensorStep};
pub use sgd::Sgd;

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

/// Changes a network by its gradients. One is made for each `fit`, and begins without any history.
pub trait Optimizer: Send {
    /// Takes one step. Parameters without a gradient stay as they are.
    ///
    /// Tensors that nobody else holds are changed in place, so hand over the network rather than a clone of it.
    fn step(&mut self, network: Network, grads: GradientsParams, rates: &GroupRates) -> Network;

    /// Bytes of the tensors that it keeps from one step to the next.
    fn state_bytes(&self) -> u64;

    /// Everything that the next step depends on. [`restore`](Self::restore) puts a new optimizer there, bit for bit.
    fn snapshot(&self, network: &Network) -> OptimizerState;

    /// Goes on where `state` was taken.
    ///
    /// # Errors
    /// If a tensor in `state` is none of this optimizer's and this network's, or has other sides.
    fn restore(&mut self, network: &Network, state: OptimizerState) -> Result<(), String>;
}

/// What an optimizer remembers, in plain memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptimizerState {
    /// Steps so far.
    pub steps: u64,
    /// Tensors by what they are and the parameter that they belong to: `velocity/head.layers.0.linear.weight`.
    pub tensors: BTreeMap<String, TensorData>,
}
