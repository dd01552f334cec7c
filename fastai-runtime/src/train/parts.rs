//! A batch whose body does not fit into memory as a whole.

use std::ops::Range;

use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;

use super::accumulated::Accumulated;
use crate::data::batch_ranges;
use crate::models::{Network, Pass};

/// Features `[batch, head_input]` of images in evaluation, where they pass the body in so many parts. Those of an image do not
/// depend on the others, so they are the features of one pass.
pub(crate) fn features_in_parts(network: &Network, images: Tensor<4>, parts: usize) -> Tensor<2> {
    if parts <= 1 {
        return network.features(images);
    }
    let of_part = |range| network.features(images.clone().slice([range]));
    Tensor::cat(ranges_of(&images, parts).into_iter().map(of_part).collect(), 0)
}

/// The images of each part.
fn ranges_of(images: &Tensor<4>, parts: usize) -> Vec<Range<usize>> {
    let count = images.dims()[0];
    batch_ranges(count, count.div_ceil(parts))
}

/// The loss of a batch, and what its gradient is taken of: the same times a factor.
pub(super) struct ScaledLoss {
    pub(super) loss: Tensor<1>,
    pub(super) scaled: Tensor<1>,
}

/// Returns the network after a training pass, the gradients of `loss_of` its logits, and the loss, where the images pass the
/// body in so many parts.
///
/// The head, the loss and the draws are those of the whole batch: the body computes the features of each part twice, first without
/// gradients for their values, and then again with the gradient of these features. So the gradients are those of one pass,
/// except that batch norms of the body normalise each part by its own statistics; what they learn is the mean over the parts.
pub(super) fn gradients_in_parts(
    mut network: Network,
    images: &Tensor<4>,
    parts: usize,
    loss_of: impl FnOnce(Tensor<2>) -> ScaledLoss,
    rng: &mut ChaCha8Rng,
) -> (Network, GradientsParams, Tensor<1>) {
    let count = images.dims()[0];
    let depth = network.body.draw_depth(count, rng);
    let ranges = ranges_of(images, parts);
    let pass = |network: &Network, images: &Tensor<4>, range: &Range<usize>| {
        let part = |(unit, factors): (&usize, &Vec<f32>)| (*unit, factors[range.clone()].to_vec());
        let mut pass = Pass::train().with_depth(depth.iter().map(part).collect());
        let features = network.pooled(images.clone().slice([range.clone()]), &mut pass);
        (features, pass)
    };
    // burn keeps the maps of a tracked pass until the next backward pass, even if its output is detached. A frozen body is not
    // tracked, and a clone of it would forget what the pass makes of its weights.
    let untracked = network.body.requires_grad().then(|| (network.without_gradients(), images.clone().inner()));
    let (first, values) = untracked.as_ref().map_or((&network, images), |(network, images)| (network, images));
    let (features, passes): (Vec<_>, Vec<_>) = ranges.iter().map(|range| pass(first, values, range)).unzip();
    let trains = untracked.is_some();
    drop(untracked);
    let features = Tensor::cat(features, 0).autodiff().require_grad();
    let logits = network.logits_train(features.clone(), rng);
    let ScaledLoss { loss, scaled } = loss_of(logits);
    let mut grads = scaled.backward();
    let of_features = features.grad_remove(&mut grads);
    let mut sum = Accumulated::default();
    sum.add(&network, GradientsParams::from_grads(grads, &network));
    if let Some(of_features) = of_features.filter(|_| trains) {
        for range in &ranges {
            let (features, _) = pass(&network, images, range);
            let along = of_features.clone().slice([range.clone()]).autodiff();
            let grads = (features * along).sum().backward();
            sum.add(&network, GradientsParams::from_grads(grads, &network));
        }
    }
    network.body = Pass::mean(passes).apply(network.body.clone());
    (network, sum.take(), loss)
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::tensor::Device;
    use fastai_dsl::HeadSpec;

    use super::*;
    use crate::device::HalfFloat;
    use crate::random::Stream;

    #[test]
    fn frozen_units_are_folded_once_for_all_steps() {
        let device = Device::flex().autodiff();
        let head = HeadSpec { hidden: Vec::new(), dropout: vec![0.0] };
        let images = Tensor::ones([4, 3, 32, 32], &device);
        let step = |network: Network| {
            let loss_of = |logits: Tensor<2>| {
                let loss = logits.square().mean();
                ScaledLoss { scaled: loss.clone(), loss }
            };
            gradients_in_parts(network, &images, 2, loss_of, &mut Stream::new(1, "test").at(&[])).0
        };
        // The first layer group is frozen, or the whole body.
        for (first, half) in [(1, None), (1, Some(HalfFloat::Bf16)), (2, None), (2, Some(HalfFloat::Bf16))] {
            let network = Network::new("resnet18", &head, 3, 1, &device).set_frozen(first, false).with_half(half);
            let frozen = network.body.graph().units.iter().filter(|unit| unit.group < first).count();
            let network = step(network);
            assert_eq!(network.body.folded(), frozen, "groups from {first} train, {half:?}");
            let kept = network.without_gradients();
            assert_eq!(kept.body.folded(), frozen, "groups from {first} train, {half:?}");
            // A body that moves forgets its folds.
            let anew = network.to_device(&device).without_gradients();
            assert_eq!(anew.body.folded(), 0);
            let features = |network: &Network| -> Vec<f32> {
                let features = network.pooled(images.clone().inner(), &mut Pass::train());
                features.into_data().try_to_vec().unwrap()
            };
            assert_eq!(features(&kept), features(&anew), "groups from {first} train, {half:?}");
        }
    }
}
