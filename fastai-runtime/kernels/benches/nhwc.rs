//! Speed of the kernels over maps on typical shapes, batch 16, one thread: the best of several runs, in processor time where
//! the system tells it, so that other programs disturb less.
//!
//! `cargo bench -p fastai-kernels --bench nhwc [-- name]`. Bytes are those that must be read and written at least.

use std::time::Instant;

use fastai_kernels::activation::{SmoothActivation, activate, activation_gradient};
use fastai_kernels::conv::Window;
use fastai_kernels::layer_norm::{LayerNormWeights, layer_norm, layer_norm_gradient};
use fastai_kernels::norm::{self, Clamped, GradientFactors};
use fastai_kernels::pool::{self, PoolWindow};
use fastai_kernels::{Finish, Isa, Map, MapMut, MapShape, depthwise, gate, layout};

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
    while runs < 4 || begin.elapsed().as_secs_f64() < 0.3 {
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

/// Numbers that begin with a cache line.
struct Aligned(Vec<f32>);

impl Aligned {
    fn new(len: usize) -> Self {
        Self((0..len + 16).map(|i| (i as u32 & 1023) as f32 / 512.0 - 1.0).collect())
    }

    fn first(&self) -> usize {
        self.0.as_ptr().align_offset(64).min(16)
    }
}

impl std::ops::Deref for Aligned {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        let first = self.first();
        &self.0[first..self.0.len() - 16 + first]
    }
}

impl std::ops::DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        let (first, len) = (self.first(), self.0.len() - 16);
        &mut self.0[first..first + len]
    }
}

fn map(channels: usize, side: usize) -> (MapShape, Aligned) {
    let shape = MapShape { batch: BATCH, height: side, width: side, channels };
    (shape, Aligned::new(shape.numbers()))
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
        let forward = depthwise::DepthwisePass::new(isa, &weights, channels, [kernel; 2]);
        line(&name("forward"), isa, numbers, products as f64, || {
            let finish = Finish { clamp: [0.0, 6.0], bias: Some(&weights[..channels]), ..Finish::PLAIN };
            forward.run(Map::new(&x, shape), window, &mut MapMut::new(&mut y, to_shape), finish);
        });
        let mut dx = Aligned::new(x.len());
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
        let (mut y, mut dx) = (Aligned::new(to_shape.numbers()), Aligned::new(x.len()));
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
        let (mut y, mut dx) = (Aligned::new(to_shape.numbers()), Aligned::new(x.len()));
        line(&format!("mean {channels}@{side}"), isa, x.len(), 0.0, || {
            pool::adaptive_average(isa, Map::new(&x, shape), &mut MapMut::new(&mut y, to_shape));
        });
        line(&format!("mean dx {channels}@{side}"), isa, x.len(), 0.0, || {
            let dx = &mut MapMut::new(&mut dx, shape);
            pool::adaptive_average_gradient(isa, Map::new(&y, to_shape), dx, false);
        });
    }
}

fn norm(isa: Isa) {
    for (channels, side) in [(64, 112), (256, 56), (40, 28), (960, 7)] {
        let (shape, x) = map(channels, side);
        let (_, dy) = map(channels, side);
        let (mut y, mut g) = (Aligned::new(x.len()), Aligned::new(x.len()));
        let name = |what: &str| format!("{what} {channels}@{side}");
        let (x, dy) = (Map::new(&x, shape), Map::new(&dy, shape));
        let numbers = shape.numbers();
        line(&name("moments"), isa, numbers, 0.0, || drop(norm::moments(isa, x)));
        let each = vec![0.5; channels];
        line(&name("affine clamp"), isa, 2 * numbers, 0.0, || {
            norm::affine(isa, x, &each, &each, None, [0.0, 6.0], &mut MapMut::new(&mut y, shape));
        });
        line(&name("affine residual clamp"), isa, 3 * numbers, 0.0, || {
            norm::affine(isa, x, &each, &each, Some(dy), [0.0, 6.0], &mut MapMut::new(&mut y, shape));
        });
        let out = Map::new(&y, shape);
        line(&name("clamp gradient"), isa, 4 * numbers, 0.0, || {
            let g = &mut MapMut::new(&mut g, shape);
            drop(norm::clamp_gradient(isa, Some(dy), Clamped::Map(out), [0.0, 6.0], Some((x, &each)), g));
        });
        line(&name("clamp gradient in place"), isa, 4 * numbers, 0.0, || {
            let g = &mut MapMut::new(&mut g, shape);
            drop(norm::clamp_gradient(isa, None, Clamped::Map(out), [0.0, 6.0], Some((x, &each)), g));
        });
        let factors = GradientFactors { gradient: &each, distance: &each, mean: &each, shift: &each };
        line(&name("input gradient in place"), isa, 3 * numbers, 0.0, || {
            norm::input_gradient(isa, None, x, &factors, &mut MapMut::new(&mut g, shape));
        });
        let layer = LayerNormWeights { weight: &each, bias: &each, epsilon: 1e-6 };
        line(&name("layer norm"), isa, 2 * numbers, 0.0, || {
            layer_norm(isa, Some(x), layer, &mut MapMut::new(&mut g, shape));
        });
        line(&name("layer norm gradient"), isa, 3 * numbers, 0.0, || {
            drop(layer_norm_gradient(isa, x, layer, Some(dy), &mut MapMut::new(&mut g, shape)));
        });
    }
}

fn activation(isa: Isa) {
    let (channels, side) = (96, 56);
    let (shape, x) = map(channels, side);
    let (mut y, mut g) = (Aligned::new(x.len()), Aligned::new(x.len()));
    let x = Map::new(&x, shape);
    for activation in [SmoothActivation::Silu, SmoothActivation::Gelu, SmoothActivation::HardSwish] {
        line(&format!("{activation:?} {channels}@{side}"), isa, 2 * shape.numbers(), 0.0, || {
            activate(isa, activation, Some(x), &mut MapMut::new(&mut y, shape));
        });
        line(&format!("{activation:?} gradient {channels}@{side}"), isa, 3 * shape.numbers(), 0.0, || {
            activation_gradient(isa, activation, x, None, &mut MapMut::new(&mut g, shape));
        });
    }
    let (small, gates) = map(channels, 1);
    let mut dgates = Aligned::new(gates.len());
    let gates = Map::new(&gates, small);
    line(&format!("gate {channels}@{side}"), isa, 2 * shape.numbers(), 0.0, || {
        gate::gate(isa, Some(x), gates, &mut MapMut::new(&mut y, shape));
    });
    line(&format!("gate gradient {channels}@{side}"), isa, 3 * shape.numbers(), 0.0, || {
        let (g, dgates) = (&mut MapMut::new(&mut g, shape), &mut MapMut::new(&mut dgates, small));
        gate::gate_gradient(isa, x, gates, None, g, dgates);
    });
}

fn layout() {
    for (channels, side) in [(3, 224), (512, 7), (64, 56)] {
        let (shape, x) = map(channels, side);
        let mut y = Aligned::new(x.len());
        line(&format!("from planes {channels}@{side}"), Isa::detect(), 2 * x.len(), 0.0, || {
            layout::from_planes(&x, shape, &mut y);
        });
        line(&format!("to planes {channels}@{side}"), Isa::detect(), 2 * x.len(), 0.0, || {
            layout::to_planes(Map::new(&x, shape), &mut y);
        });
        line(&format!("add {channels}@{side}"), Isa::detect(), 3 * x.len(), 0.0, || {
            layout::add(Map::new(&x, shape), &mut MapMut::new(&mut y, shape));
        });
    }
}

/// What the memory gives: the standard library's copy.
fn copy(channels: usize, side: usize) {
    let (shape, x) = map(channels, side);
    let mut y = Aligned::new(x.len());
    line(&format!("copy {channels}@{side}"), Isa::detect(), 2 * shape.numbers(), 0.0, || y.copy_from_slice(&x));
}

fn main() {
    // Everything on the one thread of a pool, which need not be woken.
    let thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    thread.install(|| {
        for (channels, side) in [(32, 112), (240, 28), (960, 7)] {
            copy(channels, side);
        }
        layout();
        for isa in Isa::available().into_iter().skip(1).rev() {
            depthwise(isa);
            pool(isa);
            norm(isa);
            activation(isa);
        }
    });
}
