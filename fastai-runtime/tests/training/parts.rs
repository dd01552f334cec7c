//! Steps whose batch passes the body in parts, against steps of the whole batch.

use burn::tensor::{Device, Distribution, Tensor};
use fastai_dsl::HeadSpec;
use fastai_runtime::metrics::Truth;
use fastai_runtime::models::Network;
use fastai_runtime::random::Stream;
use fastai_runtime::train::{Descent, GroupRates, Inputs, Learner, Loss};

use crate::device::{self, close, worst};
use crate::tensors::tensors;

const BATCH: usize = 7;

/// What a step in so many parts makes of the network, and its loss.
fn stepped(network: &Network, images: &Tensor<4>, parts: usize, device: &Device) -> (Vec<(String, Vec<f32>)>, f32) {
    let mut learner = Learner::new(network.clone(), device.clone());
    learner.set_parts(parts);
    let loss = Loss::new(Truth::Classes((0..BATCH as u32).map(|i| i % 3).collect()), None, device);
    let mut optimizer = learner.optimizer(&Descent::default());
    let rates = GroupRates { lrs: vec![0.1; network.groups()], wds: Vec::new(), momentum: 0.9 };
    let rows: Vec<usize> = (0..BATCH).collect();
    let mut rng = Stream::new(3, "test").at(&[]);
    let loss = learner.step(&mut *optimizer, Inputs::Images(images.clone()), &rows, &loss, &rates, &mut rng);
    (tensors(learner.network()), loss.read().unwrap() as f32)
}

/// Dropout, stochastic depth and the head's batch norms included.
#[test]
fn a_step_in_parts_is_the_step_of_the_whole_batch() {
    let device = device::under_test().autodiff();
    let head = HeadSpec { hidden: vec![16], dropout: vec![0.25, 0.5] };
    // Without batch norms; with layer norms; with batch norms that do not learn; with a body that does not.
    for (arch, first, bn_frozen) in
        [("squeezenet1_1", 0, false), ("convnext_tiny", 0, false), ("resnet18", 0, true), ("resnet18", 2, false)]
    {
        let network = Network::new(arch, &head, 3, 1, &device).set_frozen(first, bn_frozen).with_stochastic_depth(0.3);
        let images = Tensor::random([BATCH, 3, 64, 64], Distribution::Normal(0.0, 1.0), &device);
        let (whole, loss) = stepped(&network, &images, 1, &device);
        let before = tensors(&network);
        for parts in [2, 3, 7] {
            let (split, split_loss) = stepped(&network, &images, parts, &device);
            // The pass without gradients folds batch norms that do not learn into their convolutions.
            close(&[split_loss], &[loss], 3e-5, &format!("{arch}: loss in {parts} parts")).unwrap();
            let mut moved = 0;
            for (((name, whole), (_, split)), (_, before)) in whole.iter().zip(&split).zip(&before) {
                let step = worst(whole, before);
                moved += usize::from(step > 0.0);
                let apart = worst(whole, split);
                assert!(apart <= 2e-3 * step + 1e-6, "{arch}: {name} in {parts} parts: {apart:.1e} of {step:.1e}");
            }
            assert!(moved > if first == 0 { 20 } else { 4 }, "{arch}: {moved} moved");
        }
    }
}

#[test]
fn batch_norms_that_learn_take_the_mean_over_the_parts() {
    let device = device::under_test().autodiff();
    let head = HeadSpec { hidden: vec![], dropout: vec![0.0] };
    let network = Network::new("resnet18", &head, 3, 1, &device);
    let images = Tensor::random([BATCH, 3, 64, 64], Distribution::Normal(2.0, 1.0), &device);
    let (whole, _) = stepped(&network, &images, 1, &device);
    let (split, _) = stepped(&network, &images, 3, &device);
    let of =
        |state: &[(String, Vec<f32>)], name: &str| state.iter().find(|(n, _)| n.ends_with(name)).unwrap().1.clone();
    let mean = "bn1.running_mean";
    assert!(worst(&of(&split, mean), &of(&tensors(&network), mean)) > 1e-3, "it learned");
    close(&of(&split, mean), &of(&whole, mean), 0.05, mean).unwrap();
    let variance = "layer4.1.bn2.running_var";
    assert!(worst(&of(&split, variance), &of(&whole, variance)) > 1e-4, "parts have their own variance");
}
