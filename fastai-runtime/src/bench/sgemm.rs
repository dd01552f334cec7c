//! A device's speed in a large matrix product.

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use fastai_kernels::conv::{Forward, PackedWeights, Window};
use fastai_kernels::{Finish, Isa, Map, MapMut, MapShape};

use super::report::SgemmSpeed;

/// Side of the matrices on a GPU.
const SIDE_OF_GPU: usize = 8192;
/// Side of the matrices on the CPU: a measurement takes less than a second.
const SIDE: usize = 2048;
/// Height and width of the left matrix as an image of `SIDE` pixels.
const IMAGE: [usize; 2] = [32, 64];
/// Timed products after an untimed one.
const PRODUCTS: usize = 5;

/// Measures the fastest of several products of two square matrices of f32: 2048 x 2048 on all threads of this process on the
/// CPU, 8192 x 8192 on a GPU.
///
/// The CPU's product is this library's own, a 1x1 convolution whose right operand is packed beforehand, a GPU's is burn's.
/// `tools/bench_networks.py` measures PyTorch's product too.
pub fn sgemm_speed(device: &Device) -> SgemmSpeed {
    if *device == Device::flex() { of_cpu() } else { of_gpu(device) }
}

fn of_gpu(device: &Device) -> SgemmSpeed {
    let matrix = || Tensor::<2>::random([SIDE_OF_GPU; 2], Distribution::Uniform(-0.5, 0.5), device);
    let (left, right) = (matrix(), matrix());
    let time = |_| {
        device.sync().expect("the device computes");
        let started = Instant::now();
        let product = left.clone().matmul(right.clone());
        device.sync().expect("the device computes");
        drop(product);
        started.elapsed().as_secs_f64()
    };
    let best = (0..=PRODUCTS).map(time).skip(1).fold(f64::INFINITY, f64::min);
    SgemmSpeed {
        gflops: 2e-9 * (SIDE_OF_GPU as f64).powi(3) / best,
        by: format!("{SIDE_OF_GPU} x {SIDE_OF_GPU} x {SIDE_OF_GPU} by burn, best of {PRODUCTS}"),
    }
}

fn of_cpu() -> SgemmSpeed {
    let isa = Isa::detect();
    let numbers = |seed: usize| (0..SIDE * SIDE).map(|i| ((i + seed) % 1009) as f32 / 1009.0 - 0.5).collect::<Vec<_>>();
    let (left, right) = (numbers(0), numbers(7));
    let mut product = vec![0f32; SIDE * SIDE];
    let forward = Forward::new(isa, PackedWeights::new(&right, SIDE, SIDE, [1, 1]));
    let shape = MapShape { batch: 1, height: IMAGE[0], width: IMAGE[1], channels: SIDE };
    let window = Window { kernel: [1, 1], stride: 1, pad: [0, 0], input: IMAGE, output: IMAGE };
    let mut time = |_| {
        let started = Instant::now();
        forward.run(Map::new(&left, shape), window, &mut MapMut::new(&mut product, shape), Finish::PLAIN);
        started.elapsed().as_secs_f64()
    };
    let best = (0..=PRODUCTS).map(&mut time).skip(1).fold(f64::INFINITY, f64::min);
    SgemmSpeed {
        gflops: 2e-9 * (SIDE as f64).powi(3) / best,
        by: format!("{SIDE} x {SIDE} x {SIDE} by this library's {} kernel, best of {PRODUCTS}", isa.name()),
    }
}
