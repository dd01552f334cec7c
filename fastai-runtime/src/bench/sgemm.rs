//! The CPU's speed in a large matrix product.

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};

use super::report::SgemmSpeed;

/// Side of the matrices: packing costs little at this size, and a measurement takes about a second.
const SIDE: usize = 2048;
/// Timed products after an untimed one.
const PRODUCTS: usize = 5;

/// Measures the fastest of several products of two 2048 x 2048 matrices of f32 on all threads of this process.
///
/// burn computes them by the `gemm` crate, so this is the speed of that crate's kernels on this CPU. A library with wider
/// vectors can be faster: `tools/bench_networks.py` measures PyTorch's product too.
pub fn sgemm_speed() -> SgemmSpeed {
    let device = Device::flex();
    let [a, b] = [0, 1].map(|_| Tensor::<2>::random([SIDE, SIDE], Distribution::Default, &device));
    let time = |_| {
        let started = Instant::now();
        drop(a.clone().matmul(b.clone()));
        started.elapsed().as_secs_f64()
    };
    let best = (0..=PRODUCTS).map(time).skip(1).fold(f64::INFINITY, f64::min);
    SgemmSpeed {
        gflops: 2e-9 * (SIDE as f64).powi(3) / best,
        by: format!("{SIDE} x {SIDE} x {SIDE} by the gemm crate through burn, best of {PRODUCTS}"),
    }
}
