//! Batch norms folded into convolutions change neither features nor digests, and are never out of date.

use crate::device;
use crate::reference::{formula, values, write_body};
use burn::module::Module;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor};
use fastai_dsl::HeadSpec;
use fastai_runtime::models::{self, Network, Pass};

fn new(arch: &str, device: &Device) -> Network {
    Network::new(arch, &HeadSpec { hidden: vec![], dropout: vec![0.0] }, 3, 1, device)
}

/// The bound for features that are computed twice.
const BOUND: f64 = 1e-4;

fn close(got: Tensor<2>, want: &[f32], what: &str) {
    device::close(&values(got), want, BOUND, what).unwrap();
}

#[test]
fn folded_features_are_the_features() {
    let device = device::under_test();
    let training = device.clone().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights.safetensors");
    // Units with and without residuals, batch norms before convolutions, gates, and none at all.
    for arch in ["resnet18", "efficientnet_lite0", "efficientnet_b0", "convnext_tiny", "densenet121", "squeezenet1_1"] {
        let network = new(arch, &training);
        write_body(&network, "", &file);
        let network = models::load_body(network, &file).unwrap();
        let digest = models::body_digest(&network);
        // Weights that could be trained are not folded.
        let plain = values(network.features(formula(2, 64, 80, &training)));
        let valid = network.valid();
        for _ in 0..2 {
            close(valid.features(formula(2, 64, 80, &device)), &plain, &format!("{arch} in evaluation"));
        }
        for (first_trainable, bn_frozen) in [(2, false), (1, true), (0, true)] {
            let mut network = network.clone().set_frozen(first_trainable, bn_frozen);
            let features = network.features_in(formula(2, 64, 80, &training), Pass::train());
            close(features, &plain, &format!("{arch} frozen up to {first_trainable}"));
            assert_eq!(models::body_digest(&network), digest, "{arch}");
        }
        assert_eq!(models::body_digest(&valid), digest, "{arch}");
    }
}

#[test]
fn folds_follow_the_weights() {
    let device = device::under_test();
    let training = device.clone().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first.safetensors"), folder.path().join("second.safetensors"));
    let network = new("resnet18", &training);
    write_body(&network, "", &first);
    write_body(&network, "other ", &second);
    let x = || formula(2, 64, 64, &training);
    let mut network = models::load_body(network, &first).unwrap().set_frozen(2, false);
    let before = values(network.features_in(x(), Pass::train()));

    // Other weights in a frozen body.
    let want = values(models::load_body(new("resnet18", &training), &second).unwrap().features(x()));
    let loaded = models::load_body(network.clone(), &second).unwrap();
    close(loaded.features(x()), &want, "after loading");
    close(network.features(x()), &before, "the clone before it");

    // A step in between.
    let mut trained = network.set_frozen(0, false);
    let loss = trained.features_in(x(), Pass::train()).square().mean();
    let grads = GradientsParams::from_grads(loss.backward(), &trained);
    let trained = SgdConfig::new().init().step(0.1, trained, grads);
    let want = values(trained.valid().features(formula(2, 64, 64, &device)));
    assert_ne!(want, before);
    let refrozen = trained.set_frozen(2, false);
    close(refrozen.features(x()), &want, "after a step");
}
