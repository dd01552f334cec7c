//! Averages of the weights of a fit.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::models::Network;

/// How the networks of an average are weighted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weighting {
    /// An exponential moving average with this decay d, `average <- d average + (1 - d) weights`, of weights and running
    /// statistics. In step t from 0 the decay is at most `(1 + t) / (10 + t)`, so that the first weights do not linger.
    Moving(f64),
    /// The mean of the weights. Running statistics are those of the network that the mean is put into.
    Mean,
}

/// An average of a network's weights over the steps or epochs of a fit. It has the ids of the network that it averages; frozen
/// tensors, which do not change, have no average.
pub struct WeightAverage {
    weighting: Weighting,
    count: u64,
    // Of the tensors that move.
    kept: GradientsParams,
}

impl WeightAverage {
    /// Begins with the weights of `network` itself: a moving average from them, a mean that contains them.
    pub fn begin(weighting: Weighting, network: &Network) -> Self {
        let count = match weighting {
            Weighting::Moving(_) => 0,
            Weighting::Mean => 1,
        };
        Self::restore(weighting, count, network, network)
    }

    /// Goes on after so many networks from `average`, the network with the averages as its weights.
    pub fn restore(weighting: Weighting, count: u64, network: &Network, average: &Network) -> Self {
        // Statistics move only where their layer trains; to average those of a frozen one would only round them.
        let trains = |name: &str| name.rsplit_once('.').map(|(layer, _)| layer.to_string());
        let parameters = network.parameters();
        let layers: HashSet<String> =
            parameters.iter().filter(|p| p.trainable && !p.buffer).filter_map(|p| trains(&p.name)).collect();
        let moves = |p: &&crate::models::ParameterInfo| match p.buffer {
            false => p.trainable,
            true => weighting != Weighting::Mean && trains(&p.name).is_some_and(|layer| layers.contains(&layer)),
        };
        let ids: HashMap<&str, ParamId> = parameters.iter().filter(moves).map(|p| (p.name.as_str(), p.id)).collect();
        let places: HashMap<ParamId, ParamId> =
            average.parameters().into_iter().filter_map(|p| Some((p.id, *ids.get(p.name.as_str())?))).collect();
        let mut kept = GradientsParams::new();
        average.visit(&mut Take { places: &places, kept: &mut kept });
        WeightAverage { weighting, count, kept }
    }

    /// Counts another state of the network.
    pub fn add(&mut self, network: &Network) {
        let count = self.count as f64;
        let decay = match self.weighting {
            Weighting::Moving(decay) => decay.min((1.0 + count) / (10.0 + count)),
            Weighting::Mean => count / (count + 1.0),
        };
        self.count += 1;
        network.visit(&mut Blend { kept: &mut self.kept, decay });
    }

    /// Whether it is a moving average.
    pub fn is_moving(&self) -> bool {
        self.weighting != Weighting::Mean
    }

    /// Steps of a moving average so far, or networks of a mean.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// `network` with the averages as its weights.
    pub fn network(&self, network: &Network) -> Network {
        network.clone().map(&mut Put { kept: &self.kept })
    }
}

/// Takes the tensors that have a place into `kept`, under the id of the place.
pub(super) struct Take<'a> {
    pub(super) places: &'a HashMap<ParamId, ParamId>,
    pub(super) kept: &'a mut GradientsParams,
}

impl ModuleVisitor for Take<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(id) = self.places.get(&param.id) {
            self.kept.register(*id, param.val().inner());
        }
    }
}

struct Blend<'a> {
    kept: &'a mut GradientsParams,
    decay: f64,
}

impl ModuleVisitor for Blend<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(average) = self.kept.remove::<D>(param.id) else { return };
        let weight = param.val().inner();
        self.kept.register(param.id, average.mul_scalar(self.decay) + weight.mul_scalar(1.0 - self.decay));
    }
}

/// Puts the tensors of `kept` into a network.
pub(super) struct Put<'a> {
    pub(super) kept: &'a GradientsParams,
}

impl ModuleMapper for Put<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(average) = self.kept.get::<D>(param.id) else { return param };
        let (id, weight, mapper) = param.consume();
        let average = Tensor::from_inner(average).set_require_grad(weight.is_require_grad());
        Param::from_mapped_value(id, average, mapper)
    }
}
