//! The mean of several networks.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::network::Network;
use super::parameter;

/// The mean of the weights and running statistics of networks of one shape, summed in double precision.
#[derive(Debug, Default)]
pub struct NetworkMean {
    count: u64,
    tensors: BTreeMap<String, Summed>,
    /// The first layer group in which the weights of two networks differ.
    first_different: Option<usize>,
}

#[derive(Debug)]
struct Summed {
    first: Vec<f32>,
    sum: Vec<f64>,
}

impl NetworkMean {
    /// Adds a network.
    ///
    /// # Panics
    /// If its shape is another.
    pub fn add(&mut self, network: &Network) {
        self.count += 1;
        parameter::visit(network, |name, seen| {
            let values = (seen.read)();
            let Some(summed) = self.tensors.get_mut(name) else {
                let sum = values.iter().map(|value| f64::from(*value)).collect();
                self.tensors.insert(name.to_string(), Summed { first: values, sum });
                return;
            };
            assert_eq!(values.len(), summed.sum.len(), "networks of one shape");
            if !parameter::is_buffer(name) && values != summed.first {
                let group = network.group_of(name);
                self.first_different = Some(self.first_different.map_or(group, |first| first.min(group)));
            }
            summed.sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value));
        });
    }

    /// The first layer group in which the weights differ; `None` if all networks have the same.
    pub fn first_different(&self) -> Option<usize> {
        self.first_different
    }

    /// `network`, of that shape, with the means as its weights and running statistics.
    pub fn network(&self, network: Network) -> Network {
        let count = self.count as f64;
        let mean = |sum: &f64| (sum / count) as f32;
        let Ok::<_, Infallible>(network) =
            network.filled(|name| Some(Ok(self.tensors.get(name)?.sum.iter().map(mean).collect())));
        network
    }
}
