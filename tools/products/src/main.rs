//! How fast the 1x1 convolutions of networks are as matrix products of the crates that offer them, and as this library's
//! convolution: `cargo run --manifest-path tools/products/Cargo.toml`, on 2 threads.
//!
//! Pixels times weights: `[pixels, inputs] x [inputs, outputs]`, 16 images, all row by row. The crates get the weights as they lie;
//! each packs what it wants. This library packs weights once per freeze, outside of the time. GFLOP/s, the best of the runs that
//! fit into half a second, all contenders in turn.

use std::time::{Duration, Instant};

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use fastai_kernels::conv::Window;
use fastai_kernels::convolution::{Convolution, Sides};
use fastai_kernels::{Finish, Isa, Map, MapMut, MapShape};

const THREADS: usize = 2;
const BATCH: usize = 16;
/// Inputs, outputs, side.
const LAYERS: [[usize; 3]; 9] = [
    [64, 16, 55],
    [16, 64, 55],
    [64, 64, 56],
    [64, 256, 56],
    [256, 64, 56],
    [256, 1024, 14],
    [1024, 256, 14],
    [512, 2048, 7],
    [2048, 512, 7],
];
const CONTENDERS: [&str; 4] = ["matrixmultiply", "gemm", "faer", "this library"];

struct Layer<'a> {
    pixels: usize,
    inputs: usize,
    outputs: usize,
    x: &'a [f32],
    weights: &'a [f32],
}

fn by_matrixmultiply(layer: &Layer<'_>, y: &mut [f32]) {
    let (m, k, n) = (layer.pixels, layer.inputs, layer.outputs);
    assert!(layer.x.len() == m * k && layer.weights.len() == k * n && y.len() == m * n);
    let (rows, columns) = (k as isize, n as isize);
    // SAFETY: the lengths are those of the strides, as asserted.
    unsafe {
        let (x, weights) = (layer.x.as_ptr(), layer.weights.as_ptr());
        matrixmultiply::sgemm(m, k, n, 1.0, x, rows, 1, weights, columns, 1, 0.0, y.as_mut_ptr(), columns, 1);
    }
}

fn by_gemm(layer: &Layer<'_>, y: &mut [f32]) {
    let (m, k, n) = (layer.pixels, layer.inputs, layer.outputs);
    assert!(layer.x.len() == m * k && layer.weights.len() == k * n && y.len() == m * n);
    let (rows, columns) = (k as isize, n as isize);
    let threads = gemm::Parallelism::Rayon(THREADS);
    // SAFETY: the lengths are those of the strides, as asserted.
    unsafe {
        let (x, weights) = (layer.x.as_ptr(), layer.weights.as_ptr());
        gemm::gemm(
            m, n, k, y.as_mut_ptr(), 1, columns, false, x, 1, rows, weights, 1, columns, 0.0, 1.0, false, false, false,
            threads,
        );
    }
}

fn by_faer(layer: &Layer<'_>, y: &mut [f32]) {
    let x = MatRef::from_row_major_slice(layer.x, layer.pixels, layer.inputs);
    let weights = MatRef::from_row_major_slice(layer.weights, layer.inputs, layer.outputs);
    let y = MatMut::from_row_major_slice_mut(y, layer.pixels, layer.outputs);
    matmul(y, Accum::Replace, x, weights, 1.0, Par::rayon(THREADS));
}

fn seconds(run: &mut dyn FnMut()) -> f64 {
    run();
    let begin = Instant::now();
    let mut best = f64::INFINITY;
    while begin.elapsed() < Duration::from_millis(500) {
        let one = Instant::now();
        run();
        best = best.min(one.elapsed().as_secs_f64());
    }
    best
}

fn main() {
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("MATMUL_NUM_THREADS", THREADS.to_string()) };
    rayon::ThreadPoolBuilder::new().num_threads(THREADS).build_global().expect("the first pool");
    let isa = Isa::detect();
    println!("| 1x1 convolution, {} | {} |", isa.name(), CONTENDERS.join(" | "));
    println!("|---|{}", "---:|".repeat(CONTENDERS.len()));
    for [inputs, outputs, side] in LAYERS {
        let from = MapShape { batch: BATCH, height: side, width: side, channels: inputs };
        let to = MapShape { channels: outputs, ..from };
        let fill = |len: usize| (0..len).map(|i| (i * 7919 % 1000) as f32 / 1000.0 - 0.5).collect::<Vec<_>>();
        let (x, weights) = (fill(from.numbers()), fill(inputs * outputs));
        let layer = Layer { pixels: from.pixels(), inputs, outputs, x: &x, weights: &weights };
        // The library's weights are [output, input].
        let turned: Vec<f32> = (0..outputs * inputs).map(|n| weights[n % inputs * outputs + n / inputs]).collect();
        let sides = Sides { input: inputs, output: outputs, kernel: [1; 2], stride: 1, groups: 1 };
        let window = Window { kernel: [1; 2], stride: 1, pad: [0; 2], input: [side; 2], output: [side; 2] };
        let convolution = Convolution::new(isa, &turned, sides);
        let mut results = [(); CONTENDERS.len()].map(|()| vec![0f32; to.numbers()]);
        let [a, b, c, d] = &mut results;
        let flops = 2.0 * (layer.pixels * inputs * outputs) as f64;
        let times = [
            seconds(&mut || by_matrixmultiply(&layer, a)),
            seconds(&mut || by_gemm(&layer, b)),
            seconds(&mut || by_faer(&layer, c)),
            seconds(&mut || convolution.run(Map::new(&x, from), window, &mut MapMut::new(d, to), Finish::PLAIN)),
        ];
        for (name, result) in CONTENDERS.iter().zip(&results) {
            let far = result.iter().zip(&results[0]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far < 1e-2, "{name} computes something else: {far}");
        }
        let cells: Vec<_> = times.iter().map(|seconds| format!("{:.0}", flops / seconds / 1e9)).collect();
        println!("| {inputs} to {outputs} at {side} x {side} | {} |", cells.join(" | "));
    }
}
