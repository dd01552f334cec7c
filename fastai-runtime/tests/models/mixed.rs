//! Training in 16-bit floats: as near to float64 as PyTorch's automatic mixed precision, and nothing but training is touched.

use burn::module::Module;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::activation::log_softmax;
use burn::tensor::{FloatDType, Int, Tensor};
use fastai_dsl::HeadSpec;
use fastai_runtime::device::HalfFloat;
use fastai_runtime::models::{Classifier, Network, Pass};

use crate::device;
use crate::parity::{Golden, classifier, find, golden, golden_of, samples};
use crate::reference::{noise_images, values};

/// The root mean square of the differences, as a share of that of `want`.
fn distance(got: &[f32], want: &[f32]) -> f64 {
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>();
    assert_eq!(got.len(), want.len());
    (square(&mut got.iter().zip(want).map(|(g, w)| g - w)) / square(&mut want.iter().copied())).sqrt()
}

/// The distances from float64 of a step's loss and gradients, and of the running statistics after two steps, by name.
fn distances(arch: &str, golden: &Golden, mut network: Classifier) -> Vec<(String, f64)> {
    let device = device::under_test().autodiff();
    let wanted = |name: &str| golden.get(&format!("{arch}/train0/{name}"));
    let images = noise_images("images 0", [4, 3, 64, 64], &device);
    let labels = Tensor::<2, Int>::from_ints([[3], [10], [17], [24]], &device);
    let (mut optimizer, mut found) = (SgdConfig::new().init(), Vec::new());
    for step in 0..2 {
        let logits = network.forward_in(images.clone(), Pass::train());
        let loss = -log_softmax(logits, 1).gather(1, labels.clone()).mean();
        let grads = GradientsParams::from_grads(loss.clone().backward(), &network);
        if step == 0 {
            found.push(("loss".to_string(), distance(&[loss.into_scalar()], &wanted("loss").unwrap()[..1])));
            for (name, id, _) in find(&network, |name| name.ends_with(".weight") && wanted(name).is_some()) {
                let grad = grads.get::<4>(id).unwrap();
                assert_eq!(FloatDType::from(grad.dtype()), FloatDType::F32, "{arch}: gradient of {name}");
                found.push((format!("gradient of {name}"), distance(&samples(&values(grad)), wanted(&name).unwrap())));
            }
        }
        network = optimizer.step(0.001, network, grads);
    }
    for (name, _, value) in find(&network, |name| name.contains(".running_") && wanted(name).is_some()) {
        found.push((name.clone(), distance(&samples(&value), wanted(&name).unwrap())));
    }
    found
}

/// Rounding to 8 bits is noise of its own kind on each side, so one may be a few times nearer by chance.
#[test]
fn mixed_precision_is_as_near_as_pytorchs() {
    let (golden, mixed) = (golden(), golden_of("mixed.safetensors"));
    let device = device::under_test().autodiff();
    let (mut ours, mut theirs) = (0.0, 0.0);
    let archs =
        ["resnet18", "resnext50_32x4d", "densenet121", "mobilenet_v3_large", "efficientnet_b0", "convnext_tiny"];
    for arch in archs {
        let mut network = classifier(arch, 3.0, &device);
        network.body = network.body.with_half(Some(HalfFloat::Bf16));
        for (name, ours_here) in distances(arch, &golden, network) {
            let key = name.strip_prefix("gradient of ").unwrap_or(&name);
            let (want, torch) = (&golden[&format!("{arch}/train0/{key}")], &mixed[&format!("{arch}/bf16_0/{key}")]);
            let n = if key == "loss" { 1 } else { want.len() };
            let theirs_here = distance(&torch[..n], &want[..n]);
            println!("{arch:20} {name:45} {ours_here:.1e}   PyTorch {theirs_here:.1e}");
            assert!(ours_here > 1e-6, "{arch}: {name} is not of 16 bits");
            assert!(
                ours_here < 3.0 * theirs_here + 0.005,
                "{arch}: {name}: {ours_here:.1e}, PyTorch {theirs_here:.1e}"
            );
            (ours, theirs) = (ours + ours_here, theirs + theirs_here);
        }
    }
    assert!(ours < 1.5 * theirs, "in sum {ours:.2}, PyTorch {theirs:.2}");
}

#[test]
fn evaluation_and_frozen_statistics_stay_in_32_bits() {
    let device = device::under_test().autodiff();
    let head = HeadSpec { hidden: vec![], dropout: vec![0.0] };
    let network = Network::new("resnet18", &head, 3, 1, &device).set_frozen(2, false);
    let mut mixed = network.clone().with_half(Some(HalfFloat::Bf16));
    let images = || noise_images("images 0", [4, 3, 64, 64], &device);
    assert_eq!(values(network.forward(images())), values(mixed.forward(images())));
    assert_eq!(values(network.valid().features(images())), values(mixed.valid().features(images())));
    let features = |network: &mut Network| values(network.features_in(images(), Pass::train()));
    let [full, half] = [features(&mut network.clone()), features(&mut mixed)];
    let apart = distance(&half, &full);
    assert!(apart > 1e-4 && apart < 0.05, "a frozen body in training: {apart:.1e}");
    // The pass in 16 bits leaves nothing in what evaluation uses.
    assert_eq!(values(network.features(images())), values(mixed.features(images())));
}
