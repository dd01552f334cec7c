//! Running statistics of batch norms, estimated again.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};

use super::averaging::{Put, Take};
use super::examples::{Examples, Inputs};
use crate::RunError;
use crate::data::Traversal;
use crate::error::Reached;
use crate::models::Network;
use crate::progress::Watch;
use crate::random::Stream;

/// Returns `network` with new running statistics in the batch norms that learn: each the mean over the batches of one pass of
/// training, as PyTorch's `update_bn`. The weights stay. Dropout is drawn from a stream of `seed` and `stage`; images are not
/// mixed. `device` has autodiff.
///
/// # Errors
/// Errors of the examples; [`RunError::Stopped`] on a stop request.
pub fn estimate_statistics(
    network: &Network,
    examples: &dyn Examples,
    pass: &Traversal,
    device: &Device,
    (seed, stage): (u64, u64),
    watch: Watch<'_>,
) -> Result<Network, RunError> {
    let Watch { progress, stop } = watch;
    // No backward pass follows, so nothing is kept for one.
    let mut estimated = network.clone().map(&mut WithoutGradients);
    progress.begin("images, statistics of the average", examples.len() as u64);
    let mut done = 0;
    for (number, batch) in (0..).zip(examples.batches(pass, 0, device)?) {
        let batch = batch?;
        let mut rng = Stream::new(seed, "statistics").at(&[stage, number]);
        match batch.inputs {
            Inputs::Features(features) => estimated.estimate_from_features(features, &mut rng, number),
            Inputs::Images(images) => estimated.estimate_from_images(images, &mut rng, number),
        }
        done += batch.images.len() as u64;
        progress.advance(done, "");
        if stop.requested() {
            progress.finish();
            return Err(RunError::Stopped(Reached::Batch));
        }
    }
    progress.finish();
    Ok(with_statistics(network.clone(), &estimated))
}

/// `network` with the running statistics of `estimated`, a copy of it.
fn with_statistics(network: Network, estimated: &Network) -> Network {
    let statistics = estimated.parameters().into_iter().filter(|p| p.buffer);
    let places: HashMap<ParamId, ParamId> = statistics.map(|p| (p.id, p.id)).collect();
    let mut kept = GradientsParams::new();
    estimated.visit(&mut Take { places: &places, kept: &mut kept });
    network.map(&mut Put { kept: &kept })
}

struct WithoutGradients;

impl ModuleMapper for WithoutGradients {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.set_require_grad(false)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use fastai_dsl::HeadSpec;

    use super::*;
    use crate::progress::{Silent, StopSignal};
    use crate::train::{ExampleBatch, ExampleBatches};

    const SIDE: usize = 32;

    /// Batches of images, each a function of its number.
    struct Made<'a>(&'a [f32]);

    impl Examples for Made<'_> {
        fn len(&self) -> usize {
            4 * self.0.len()
        }

        fn batches<'a>(&'a self, _: &Traversal, skip: usize, device: &Device) -> Result<ExampleBatches<'a>, RunError> {
            let device = device.clone();
            Ok(Box::new(self.0.iter().skip(skip).map(move |step| {
                let values = (0..4 * 3 * SIDE * SIDE).map(|i| (i as f32 * step).sin()).collect::<Vec<f32>>();
                let images = Tensor::from_data(TensorData::new(values, [4, 3, SIDE, SIDE]), &device);
                Ok(ExampleBatch { inputs: Inputs::Images(images), images: vec![0; 4] })
            })))
        }
    }

    fn values(network: &Network) -> HashMap<String, Vec<f32>> {
        struct Read<'a>(&'a HashMap<ParamId, String>, HashMap<String, Vec<f32>>);
        impl burn::module::ModuleVisitor for Read<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let values = param.val().into_data().try_to_vec::<f32>().unwrap();
                self.1.insert(self.0[&param.id].clone(), values);
            }
        }
        let names = network.parameters().into_iter().map(|p| (p.id, p.name)).collect();
        let mut read = Read(&names, HashMap::new());
        network.visit(&mut read);
        read.1
    }

    #[test]
    fn statistics_are_the_means_over_the_batches_whatever_they_were() {
        let device = Device::flex().autodiff();
        let head = HeadSpec { hidden: vec![8], dropout: vec![0.25, 0.5] };
        let fresh = Network::new("resnet18", &head, 3, 7, &device).set_frozen(1, false);
        let estimated = |network: &Network, batches: &[f32]| {
            let watch = Watch { progress: &mut Silent, stop: &StopSignal::default() };
            let pass = Traversal::Plain;
            let found = estimate_statistics(network, &Made(batches), &pass, &device, (1, 2), watch).unwrap();
            let trains = |network: &Network| network.parameters().iter().map(|p| p.trainable).collect::<Vec<_>>();
            assert_eq!(trains(&found), trains(network), "what trains still does");
            found
        };
        let other = estimated(&fresh, &[0.31, 0.007]);
        let (before, both) = (values(&fresh), values(&estimated(&fresh, &[0.7, 0.011])));
        assert_eq!(both, values(&estimated(&other, &[0.7, 0.011])), "earlier statistics do not matter");
        let group = |name: &str| fresh.group_of(name);
        for (name, values) in &before {
            let statistic = name.ends_with("running_mean") || name.ends_with("running_var");
            let learns = statistic && group(name) >= 1;
            assert_eq!(values != &both[name], learns, "{name}");
        }
        // The input of the first norm that learns depends on no other statistic that is estimated.
        let first = "body.layer3.0.bn1";
        assert_eq!(group(&format!("{first}.weight")), 1);
        let single = [0.7, 0.011].map(|step| values(&estimated(&fresh, &[step])));
        for what in ["running_mean", "running_var"] {
            let of = |found: &HashMap<String, Vec<f32>>| found[&format!("{first}.{what}")].clone();
            for ((mean, a), b) in of(&both).iter().zip(of(&single[0])).zip(of(&single[1])) {
                assert!((mean - (a + b) / 2.0).abs() <= 1e-6 * (1.0 + mean.abs()), "{what}: {mean} {a} {b}");
            }
        }
    }
}
