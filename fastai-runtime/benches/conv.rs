//! The convolution kernel against burn's own, and the networks on it: `cargo bench -p fastai-runtime --bench conv`.
//!
//! `depthwise_network` has the layers of EfficientNet-lite0 without its batch norms: a stem, sixteen inverted residual
//! blocks (1x1 expansion, depthwise 3x3 or 5x5, 1x1 projection) and a last 1x1.

use burn::tensor::activation::relu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Distribution, Tensor};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use fastai_dsl::HeadSpec;
use fastai_runtime::kernels::{ConvArgs, conv};
use fastai_runtime::models::Network;

fn main() {
    divan::main();
}

/// Which convolution.
#[derive(Clone, Copy, Debug)]
enum By {
    Burn,
    Kernel,
}

fn convolve(by: By, x: Tensor<4>, weight: Tensor<4>, stride: usize, groups: usize) -> Tensor<4> {
    let pad = [weight.dims()[2] / 2; 2];
    match by {
        By::Burn => conv2d(x, weight, None, ConvOptions::new([stride; 2], pad, [1, 1], groups)),
        By::Kernel => conv(x, weight, None, ConvArgs { stride, pad, groups }),
    }
}

/// `(output channels, input channels of a group, kernel, stride, groups)`, and whether a ReLU follows.
type Layer = (usize, usize, usize, usize, usize, bool);

fn depthwise_network() -> Vec<Layer> {
    let mut layers = vec![(32, 3, 3, 2, 1, true)];
    let mut input = 32;
    let stages = [
        (1, 3, 1, 1, 16),
        (2, 3, 2, 6, 24),
        (2, 5, 2, 6, 40),
        (3, 3, 2, 6, 80),
        (3, 5, 1, 6, 112),
        (4, 5, 2, 6, 192),
        (1, 3, 1, 6, 320),
    ];
    for (repeats, kernel, first_stride, expand, output) in stages {
        for block in 0..repeats {
            let wide = input * expand;
            if expand > 1 {
                layers.push((wide, input, 1, 1, 1, true));
            }
            layers.push((wide, 1, kernel, if block == 0 { first_stride } else { 1 }, wide, true));
            layers.push((output, wide, 1, 1, 1, false));
            input = output;
        }
    }
    layers.push((1280, 320, 1, 1, 1, true));
    layers
}

fn random(shape: [usize; 4], device: &Device) -> Tensor<4> {
    Tensor::random(shape, Distribution::Normal(0.0, 0.05), device)
}

fn weights(device: &Device) -> Vec<Tensor<4>> {
    depthwise_network().iter().map(|&(out, inner, k, ..)| random([out, inner, k, k], device)).collect()
}

fn run(by: By, mut x: Tensor<4>, weights: &[Tensor<4>]) -> Tensor<4> {
    for (&(_, _, _, stride, groups, activate), weight) in depthwise_network().iter().zip(weights) {
        x = convolve(by, x, weight.clone(), stride, groups);
        if activate {
            x = relu(x);
        }
    }
    x
}

const IMAGES: usize = 16;

#[divan::bench(args = [By::Burn, By::Kernel], sample_count = 3, sample_size = 1)]
fn depthwise_forward(bencher: Bencher<'_, '_>, by: By) {
    let device = Device::flex();
    let (x, weights) = (random([IMAGES, 3, 224, 224], &device), weights(&device));
    bencher.counter(ItemsCount::new(IMAGES)).bench_local(|| run(by, x.clone(), &weights).into_data());
}

#[divan::bench(args = [By::Burn, By::Kernel], sample_count = 2, sample_size = 1)]
fn depthwise_training(bencher: Bencher<'_, '_>, by: By) {
    let device = Device::flex().autodiff();
    let x = random([IMAGES, 3, 224, 224], &device);
    let weights: Vec<_> = weights(&device).into_iter().map(Tensor::require_grad).collect();
    bencher.counter(ItemsCount::new(IMAGES)).bench_local(|| {
        let grads = run(by, x.clone(), &weights).mean().backward();
        weights.iter().map(|w| w.grad(&grads).expect("every weight trains").into_data()).collect::<Vec<_>>()
    });
}

#[divan::bench(args = [64, 128], sample_count = 5, sample_size = 1)]
fn squeezenet_features(bencher: Bencher<'_, '_>, side: usize) {
    let device = Device::flex();
    let head = HeadSpec { hidden: vec![], dropout: vec![0.0] };
    let network = Network::new("squeezenet1_1", &head, 2, 1, &device);
    let x = random([64, 3, side, side], &device);
    bencher.counter(ItemsCount::new(64usize)).bench_local(|| black_box(network.features(x.clone()).into_data()));
}
