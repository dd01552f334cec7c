//! Speed of the kernels over maps on typical shapes, batch 16, one thread: the best of several runs, in processor time where
//! the system tells it, so that other programs disturb less.
//!
//! `cargo bench -p fastai-kernels --bench nhwc [-- name]`. Bytes are those that must be read and written at least.

use std::time::Instant;

use fastai_kernels::conv::Window;
use fastai_kernels::pool::{self, PoolWindow};
use fastai_kernels::{Finish, Isa, Map, MapMut, MapShape, depthwise};

const BATCH: usize = 16;

/// Seconds of processor time that this program took so far.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn now() -> f64 {
    #[repr(C)]
    struct Time {
        seconds: i64,
        nanoseconds: i64,
    }
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut Time) -> i32;
    }
    const PROCESS_CPU: i32 = 2;
    let mut time = Time { seconds: 0, nanoseconds: 0 };
    // SAFETY: the C library's function writes a `timespec`, which is two 64-bit numbers here.
    assert_eq!(unsafe { clock_gettime(PROCESS_CPU, &mut time) }, 0);
    time.seconds as f64 + 1e-9 * time.nanoseconds as f64
}

/// Seconds since the first call.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
fn now() -> f64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}

/// Seconds of the fastest run.
fn best(mut work: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let mut best = f64::INFINITY;
    let mut runs = 0;
    while runs < 5 || begin.elapsed().as_secs_f64() < 0.5 {
        let start = now();
        work();
        best = best.min(now() - start);
        runs += 1;
    }
    best
}

/// Prints a line of the table if `name` holds what was asked for.
fn line(name: &str, isa: Isa, numbers: usize, operations: f64, work: impl FnMut()) {
    if std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).any(|arg| !name.contains(&arg)) {
        return;
    }
    let seconds = best(work);
    let (bytes, ops) = (4e-9 * numbers as f64 / seconds, operations * 1e-9 / seconds);
    println!("{name:36} {:8} {:9.3} ms {bytes:7.1} GB/s {ops:7.1} GFLOP/s", isa.name(), seconds * 1e3);
}

fn map(channels: usize, side: usize) -> (MapShape, Vec<f32>) {
    let shape = MapShape { batch: BATCH, height: side, width: side, channels };
    let values = (0..shape.numbers()).map(|i| (i * 7919 % 1013) as f32 / 512.0 - 1.0).collect();
    (shape, values)
}

fn depthwise(isa: Isa) {
    for (channels, side, kernel, stride) in
        [(32, 112, 3, 1), (96, 112, 3, 2), (144, 56, 3, 1), (240, 28, 5, 1), (384, 14, 7, 1), (960, 7, 3, 1)]
    {
        let (shape, x) = map(channels, side);
        let (to_shape, mut y) = map(channels, side / stride);
        let window =
            Window { kernel: [kernel; 2], stride, pad: [kernel / 2; 2], input: [side; 2], output: [side / stride; 2] };
        let weights = vec![0.1; channels * kernel * kernel];
        let name = |what: &str| format!("depthwise {what} {channels}@{side} {kernel}x{kernel} s{stride}");
        let (numbers, products) = (shape.numbers() + to_shape.numbers(), 2 * to_shape.numbers() * kernel * kernel);
        let forward = depthwise::Forward::new(isa, &weights, channels, [kernel; 2]);
        line(&name("forward"), isa, numbers, products as f64, || {
            let finish = Finish { clamp: [0.0, 6.0], bias: Some(&weights[..channels]), ..Finish::PLAIN };
            forward.run(Map::new(&x, shape), window, &mut MapMut::new(&mut y, to_shape), finish);
        });
        let mut dx = x.clone();
        line(&name("dx"), isa, numbers, products as f64, || {
            let dx = &mut MapMut::new(&mut dx, shape);
            depthwise::input_gradient(isa, Map::new(&y, to_shape), &weights, window, dx, false);
        });
        let mut dw = weights.clone();
        line(&name("dw"), isa, numbers, products as f64, || {
            let (x, y) = (Map::new(&x, shape), Map::new(&y, to_shape));
            depthwise::weight_gradient(isa, x, y, window, &mut dw, None);
        });
    }
}

fn pool(isa: Isa) {
    for (channels, side, pool) in
        [(64, 112, PoolWindow { kernel: 3, stride: 2, pad: 1 }), (64, 112, PoolWindow { kernel: 2, stride: 2, pad: 0 })]
    {
        let (shape, x) = map(channels, side);
        let to_shape = MapShape { height: side / 2, width: side / 2, ..shape };
        let (mut y, mut dx) = (vec![0.0; to_shape.numbers()], x.clone());
        let mut winners = vec![0; y.len()];
        let name = |what: &str| format!("{what} {channels}@{side} {k}x{k}", k = pool.kernel);
        let numbers = x.len() + y.len();
        line(&name("max"), isa, numbers, 0.0, || {
            pool::max_pool(isa, Map::new(&x, shape), pool, &mut MapMut::new(&mut y, to_shape));
        });
        line(&name("max winners"), isa, numbers, 0.0, || {
            let y = &mut MapMut::new(&mut y, to_shape);
            pool::max_pool_winners(isa, Map::new(&x, shape), pool, y, &mut winners);
        });
        line(&name("max dx"), isa, numbers, 0.0, || {
            let dx = &mut MapMut::new(&mut dx, shape);
            pool::winners_gradient(isa, &winners, Map::new(&y, to_shape), pool, dx, false);
        });
        line(&name("max dx without winners"), isa, numbers + x.len(), 0.0, || {
            let dx = &mut MapMut::new(&mut dx, shape);
            pool::max_pool_gradient(isa, Map::new(&x, shape), Map::new(&y, to_shape), pool, dx);
        });
        line(&name("average"), isa, numbers, 0.0, || {
            pool::average_pool(isa, Map::new(&x, shape), pool, &mut MapMut::new(&mut y, to_shape));
        });
        line(&name("average dx"), isa, numbers, 0.0, || {
            let dx = &mut MapMut::new(&mut dx, shape);
            pool::average_pool_gradient(isa, Map::new(&y, to_shape), pool, dx, false);
        });
    }
    for (channels, side) in [(144, 56), (1280, 7)] {
        let (shape, x) = map(channels, side);
        let to_shape = MapShape { height: 1, width: 1, ..shape };
        let (mut y, mut dx) = (vec![0.0; to_shape.numbers()], x.clone());
        line(&format!("mean {channels}@{side}"), isa, x.len(), 0.0, || {
            pool::adaptive_average(isa, Map::new(&x, shape), &mut MapMut::new(&mut y, to_shape));
        });
        line(&format!("mean dx {channels}@{side}"), isa, x.len(), 0.0, || {
            let dx = &mut MapMut::new(&mut dx, shape);
            pool::adaptive_average_gradient(isa, Map::new(&y, to_shape), dx, false);
        });
    }
}

/// What the memory gives: the standard library's copy.
fn copy(channels: usize, side: usize) {
    let (shape, x) = map(channels, side);
    let mut y = x.clone();
    line(&format!("copy {channels}@{side}"), Isa::detect(), 2 * shape.numbers(), 0.0, || y.copy_from_slice(&x));
}

fn main() {
    // Everything on the one thread of a pool, which need not be woken.
    let thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    thread.install(|| {
        for (channels, side) in [(32, 112), (240, 28), (960, 7)] {
            copy(channels, side);
        }
        for isa in Isa::available().into_iter().skip(1).rev() {
            depthwise(isa);
            pool(isa);
        }
    });
}
