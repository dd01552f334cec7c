//! How fast convolutions are on this CPU: `cargo bench --profile dev -p fastai-kernels --bench conv`. GFLOP/s count the
//! products of the plain convolution, for Winograd too. `LAYER=/32`
//! measures the layers whose name contains it, `BATCH=1` another batch.

use std::time::Instant;

use fastai_kernels::conv::{Forward, PackedWeights, Window};
use fastai_kernels::convolution::{self, Convolution, Sides};
use fastai_kernels::{Finish, Isa, Map, MapMut, MapShape};

/// Input channels, output channels, side, kernel, stride, groups.
const LAYERS: [[usize; 6]; 21] = [
    [3, 64, 224, 7, 2, 1],
    [64, 64, 56, 3, 1, 1],
    [64, 128, 56, 3, 2, 1],
    [128, 128, 28, 3, 1, 1],
    [256, 256, 14, 3, 1, 1],
    [512, 512, 7, 3, 1, 1],
    [64, 64, 56, 1, 1, 1],
    [256, 64, 56, 1, 1, 1],
    [64, 256, 56, 1, 1, 1],
    [256, 1024, 14, 1, 1, 1],
    [1024, 256, 14, 1, 1, 1],
    [512, 2048, 7, 1, 1, 1],
    [16, 64, 55, 3, 1, 1],
    [64, 16, 55, 1, 1, 1],
    [128, 128, 56, 3, 1, 32],
    [256, 256, 56, 3, 2, 32],
    [256, 256, 28, 3, 1, 32],
    [512, 512, 28, 3, 2, 32],
    [512, 512, 14, 3, 1, 32],
    [1024, 1024, 14, 3, 2, 32],
    [1024, 1024, 7, 3, 1, 32],
];

fn main() {
    let batch: usize = std::env::var("BATCH").ok().and_then(|v| v.parse().ok()).unwrap_or(16);
    let isa = Isa::detect();
    println!("{}, {} threads, batch {batch}: ms (GFLOP/s)", isa.name(), rayon::current_num_threads());
    println!("{:>24} {:>16} {:>16} {:>16} {:>16} {:>12}", "layer", "products", "chosen", "dx", "dw", "pack, ms");
    let wanted = std::env::var("LAYER").unwrap_or_default();
    for [input, output, side, kernel, stride, groups] in LAYERS {
        let name = format!("{kernel}x{kernel} s{stride} {input}-{output}/{groups} @{side}");
        if !name.contains(&wanted) {
            continue;
        }
        let pad = kernel / 2;
        let out = (side + 2 * pad - kernel) / stride + 1;
        let window = Window { kernel: [kernel; 2], stride, pad: [pad; 2], input: [side; 2], output: [out; 2] };
        let from = MapShape { batch, height: side, width: side, channels: input };
        let to = MapShape { batch, height: out, width: out, channels: output };
        let fill = |len: usize| (0..len).map(|i| (i * 7919 % 1000) as f32 / 1000.0 - 0.5).collect::<Vec<_>>();
        let (x, dy, values) =
            (fill(from.numbers()), fill(to.numbers()), fill(input * output / groups * kernel * kernel));
        let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), values.clone());
        let flops = 2.0 * (to.numbers() * input / groups * kernel * kernel) as f64;
        let cell = |seconds: f64| format!("{:.2} ({:.0})", seconds * 1e3, flops / seconds / 1e9);
        let (input_map, dy) = (Map::new(&x, from), Map::new(&dy, to));
        let finish = Finish { clamp: [0.0, f32::INFINITY], ..Finish::PLAIN };
        let products = if groups == 1 {
            let forward = Forward::new(isa, PackedWeights::new(&values, output, input, [kernel; 2]));
            cell(best(|| forward.run(input_map, window, &mut MapMut::new(&mut y, to), finish)))
        } else {
            "-".to_owned()
        };
        let sides = Sides { input, output, kernel: [kernel; 2], stride, groups };
        let pack = best(|| drop(std::hint::black_box(Convolution::new(isa, &values, sides))));
        let convolution = Convolution::new(isa, &values, sides);
        let chosen = best(|| convolution.run(input_map, window, &mut MapMut::new(&mut y, to), finish));
        let back = best(|| {
            let mut dx = MapMut::new(&mut dx, from);
            convolution::input_gradient(isa, dy, &values, sides, window, &mut dx, false);
        });
        let gradient = best(|| convolution::kernel_gradient(isa, input_map, dy, sides, window, &mut dw));
        println!(
            "{name:>24} {products:>16} {:>16} {:>16} {:>16} {:>12.2}",
            cell(chosen),
            cell(back),
            cell(gradient),
            pack * 1e3,
        );
    }
}

/// The best of several runs after a warm-up, seconds.
fn best(mut run: impl FnMut()) -> f64 {
    run();
    let timed = |run: &mut dyn FnMut()| {
        let started = Instant::now();
        run();
        started.elapsed().as_secs_f64()
    };
    (0..9).map(|_| timed(&mut run)).fold(f64::INFINITY, f64::min)
}
