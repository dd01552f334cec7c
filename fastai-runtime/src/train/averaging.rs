//! The moving average of the weights of a fit.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::models::Network;

/// The exponential moving average of a network's weights and running statistics, over the steps of a fit. It has the ids of the
/// network that it averages; frozen tensors, which do not change, have no average.
pub struct WeightAverage {
    decay: f64,
    steps: u64,
    moving: HashSet<ParamId>,
    kept: GradientsParams,
}

impl WeightAverage {
    /// Begins with the weights of `network` itself.
    pub fn begin(decay: f64, network: &Network) -> Self {
        let names = network.parameters().into_iter().map(|p| (p.name, p.id)).collect();
        Self::from_network(decay, 0, network, network, &names)
    }

    /// Goes on after so many steps of `network` from `average`, the network with the averages as its weights.
    pub fn restore(decay: f64, steps: u64, network: &Network, average: &Network) -> Self {
        let names = network.parameters().into_iter().map(|p| (p.name, p.id)).collect();
        Self::from_network(decay, steps, network, average, &names)
    }

    fn from_network(
        decay: f64,
        steps: u64,
        network: &Network,
        average: &Network,
        ids: &HashMap<String, ParamId>,
    ) -> Self {
        // Statistics move only where their layer trains; to average those of a frozen one would only round them.
        let trains = |name: &str| name.rsplit_once('.').map(|(layer, _)| layer.to_string());
        let parameters = network.parameters();
        let layers: HashSet<String> =
            parameters.iter().filter(|p| p.trainable && !p.buffer).filter_map(|p| trains(&p.name)).collect();
        let moves = |p: &&crate::models::ParameterInfo| match p.buffer {
            false => p.trainable,
            true => trains(&p.name).is_some_and(|layer| layers.contains(&layer)),
        };
        let moving: HashSet<ParamId> = parameters.iter().filter(moves).map(|p| p.id).collect();
        let places: HashMap<ParamId, ParamId> =
            average.parameters().into_iter().filter_map(|p| Some((p.id, *ids.get(&p.name)?))).collect();
        let mut kept = GradientsParams::new();
        average.visit(&mut Take { places: &places, moving: &moving, kept: &mut kept });
        WeightAverage { decay, steps, moving, kept }
    }

    /// Counts a step of the network: `average <- d average + (1 - d) weights`, with the decay d, but at most `(1 + t) / (10 + t)`
    /// in step t from 0, so that the first weights do not linger.
    pub fn add(&mut self, network: &Network) {
        let warm = (1.0 + self.steps as f64) / (10.0 + self.steps as f64);
        let decay = self.decay.min(warm);
        self.steps += 1;
        network.visit(&mut Blend { moving: &self.moving, kept: &mut self.kept, decay });
    }

    /// Steps so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// `network` with the averages as its weights.
    pub fn network(&self, network: &Network) -> Network {
        network.clone().map(&mut Put { kept: &self.kept })
    }
}

struct Take<'a> {
    places: &'a HashMap<ParamId, ParamId>,
    moving: &'a HashSet<ParamId>,
    kept: &'a mut GradientsParams,
}

impl ModuleVisitor for Take<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(id) = self.places.get(&param.id).filter(|id| self.moving.contains(id)) {
            self.kept.register(*id, param.val().inner());
        }
    }
}

struct Blend<'a> {
    moving: &'a HashSet<ParamId>,
    kept: &'a mut GradientsParams,
    decay: f64,
}

impl ModuleVisitor for Blend<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.moving.contains(&param.id) {
            return;
        }
        let Some(average) = self.kept.remove::<D>(param.id) else { return };
        let weight = param.val().inner();
        self.kept.register(param.id, average.mul_scalar(self.decay) + weight.mul_scalar(1.0 - self.decay));
    }
}

struct Put<'a> {
    kept: &'a GradientsParams,
}

impl ModuleMapper for Put<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(average) = self.kept.get::<D>(param.id) else { return param };
        let (id, weight, mapper) = param.consume();
        let average = Tensor::from_inner(average).set_require_grad(weight.is_require_grad());
        Param::from_mapped_value(id, average, mapper)
    }
}
