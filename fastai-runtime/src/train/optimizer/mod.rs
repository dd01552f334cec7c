//! Optimizers: updates of the weights from their gradients.
//!
//! An [`Optimizer`] performs a step with a learning rate and a weight decay per layer group. An optimizer that updates
//! every tensor independently is a [`Rule`] of a few lines; [`ByTensor`] supplies the rest.

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
    fn restore(&mut self, network: &Network, state: OptimizerState) -> Result<(), String>;
}

/// The state of an optimizer on the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptimizerState {
    /// Steps so far.
    pub steps: u64,
    /// State tensors by name and parameter: `velocity/head.layers.0.linear.weight`.
    pub tensors: BTreeMap<String, TensorData>,
}
