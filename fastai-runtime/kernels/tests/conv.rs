//! Convolutions and their gradients against float64, over random shapes and every instruction set of this CPU.

use fastai_kernels::conv::{Forward, PackedWeights, Window, input_gradient};
use fastai_kernels::convolution::{self, Convolution, Sides};
use fastai_kernels::{Finish, Isa, Map, MapMut, MapShape, Winograd, weight_gradient};
use proptest::prelude::*;

/// Numbers between -1 and 1, the same for the same seed.
fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

#[derive(Clone, Debug)]
struct Case {
    batch: usize,
    input: usize,
    output: usize,
    window: Window,
    /// Numbers between pixels that belong to neither map.
    gap: usize,
}

impl Case {
    fn from(&self) -> MapShape {
        let [height, width] = self.window.input;
        MapShape { batch: self.batch, height, width, channels: self.input }
    }
    fn to(&self) -> MapShape {
        let [height, width] = self.window.output;
        MapShape { batch: self.batch, height, width, channels: self.output }
    }

    /// Calls `see` with the numbers of an output, an input and a weight for every product of the convolution.
    fn products(&self, mut see: impl FnMut([usize; 2], [usize; 2], usize)) {
        let Window { kernel, stride, pad, input, output } = self.window;
        for image in 0..self.batch {
            for (y, x) in (0..output[0]).flat_map(|y| (0..output[1]).map(move |x| (y, x))) {
                for (ky, kx) in (0..kernel[0]).flat_map(|y| (0..kernel[1]).map(move |x| (y, x))) {
                    let at = [(y * stride + ky).wrapping_sub(pad[0]), (x * stride + kx).wrapping_sub(pad[1])];
                    if at[0] >= input[0] || at[1] >= input[1] {
                        continue;
                    }
                    let from = (image * input[0] + at[0]) * input[1] + at[1];
                    let to = (image * output[0] + y) * output[1] + x;
                    for o in 0..self.output {
                        for i in 0..self.input {
                            let weight = ((o * self.input + i) * kernel[0] + ky) * kernel[1] + kx;
                            see([to, o], [from, i], weight);
                        }
                    }
                }
            }
        }
    }
}

fn cases() -> impl Strategy<Value = Case> {
    // Under Miri still more channels than a vector has.
    let (channels, kernel, side) = if cfg!(miri) { (20usize, 4usize, 6usize) } else { (70, 6, 17) };
    let (kernels, sides) = ((1..kernel, 1..kernel), (5..side, 5..side));
    (1..3usize, 1..channels, 1..channels, kernels, 1..3usize, 0..3usize, sides, 0..4usize).prop_map(
        |(batch, input, output, (kh, kw), stride, pad, (h, w), gap)| {
            let pad = [pad.min(kh - 1), pad.min(kw - 1)];
            let out = |side: usize, pad: usize, kernel: usize| (side + 2 * pad - kernel) / stride + 1;
            let window = Window {
                kernel: [kh, kw],
                stride,
                pad,
                input: [h, w],
                output: [out(h, pad[0], kh), out(w, pad[1], kw)],
            };
            Case { batch, input, output, window, gap }
        },
    )
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(1e-9f64, |m, x| m.max(x.abs()))
}

/// The largest error, as a share of the largest sum.
fn deviation(got: &[f32], want: &[f64], largest: f64, what: &str, isa: Isa) -> f64 {
    assert_eq!(got.len(), want.len());
    let error = got.iter().zip(want).fold(0f64, |m, (a, b)| m.max((f64::from(*a) - b).abs())) / largest;
    // `tools/kernel_errors.py` reads this line.
    println!(
        "largest error: {} {what}, {}: {error:e}",
        std::thread::current().name().unwrap_or("long sums"),
        isa.name()
    );
    error
}

/// The map's numbers without the gaps.
fn dense(map: Map<'_>) -> Vec<f32> {
    (0..map.shape().pixels()).flat_map(|pixel| map.pixel(pixel).to_vec()).collect()
}

/// Largest relative error of a sum in single precision that no sum of these lengths exceeds.
const DIRECT: f64 = 3e-6;
const WINOGRAD: f64 = 3e-5;

fn check_forward(case: &Case, seed: u64, winograd: bool) -> Result<(), TestCaseError> {
    let (from, to) = (case.from(), case.to());
    let steps = [from.channels + case.gap, to.channels + 2 * case.gap];
    let x = numbers(from.pixels() * steps[0], seed);
    let residual = numbers(to.pixels() * steps[1], seed + 1);
    let bias = numbers(to.channels, seed + 2);
    let taps = case.window.kernel[0] * case.window.kernel[1];
    let weights = numbers(to.channels * from.channels * taps, seed + 3);
    let mut want: Vec<f64> = (0..to.numbers())
        .map(|i| f64::from(bias[i % to.channels]) + f64::from(residual[i / to.channels * steps[1] + i % to.channels]))
        .collect();
    case.products(|[to_pixel, o], [pixel, i], weight| {
        want[to_pixel * to.channels + o] += f64::from(x[pixel * steps[0] + i]) * f64::from(weights[weight]);
    });
    let unclamped = largest(&want);
    want.iter_mut().for_each(|v| *v = v.clamp(0.0, 6.0));
    for isa in Isa::available() {
        let weights = PackedWeights::new(&weights, to.channels, from.channels, case.window.kernel);
        let mut y = vec![f32::NAN; to.pixels() * steps[1]];
        let mut output = MapMut::part(&mut y, to, steps[1]);
        let finish =
            Finish { bias: Some(&bias), residual: Some(Map::part(&residual, to, steps[1])), clamp: [0.0, 6.0] };
        let input = Map::part(&x, from, steps[0]);
        if winograd {
            Winograd::new(isa, weights).run(input, case.window.pad, &mut output, finish);
        } else {
            Forward::new(isa, weights).run(input, case.window, &mut output, finish);
        }
        let error = deviation(&dense(output.as_map()), &want, unclamped, "output", isa);
        prop_assert!(error < if winograd { WINOGRAD } else { DIRECT }, "{isa:?} {error}");
        prop_assert!(y.chunks(steps[1]).all(|p| p.iter().skip(to.channels).all(|v| v.is_nan())), "gaps are left alone");
    }
    Ok(())
}

fn check_gradients(case: &Case, seed: u64, winograd: bool) -> Result<(), TestCaseError> {
    let (from, to) = (case.from(), case.to());
    let steps = [from.channels + case.gap, to.channels + 2 * case.gap];
    let x = numbers(from.pixels() * steps[0], seed);
    let dy = numbers(to.pixels() * steps[1], seed + 1);
    let taps = case.window.kernel[0] * case.window.kernel[1];
    let weights = numbers(to.channels * from.channels * taps, seed + 3);
    let start = numbers(from.pixels() * steps[0], seed + 4);
    let mut dx = vec![0f64; from.numbers()];
    let mut dw = vec![0f64; weights.len()];
    case.products(|[to_pixel, o], [pixel, i], weight| {
        let dy = f64::from(dy[to_pixel * steps[1] + o]);
        dx[pixel * from.channels + i] += dy * f64::from(weights[weight]);
        dw[weight] += dy * f64::from(x[pixel * steps[0] + i]);
    });
    let added: Vec<f64> = dx
        .iter()
        .enumerate()
        .map(|(i, v)| v + f64::from(start[i / from.channels * steps[0] + i % from.channels]))
        .collect();
    let (input, output) = (Map::part(&x, from, steps[0]), Map::part(&dy, to, steps[1]));
    for isa in Isa::available() {
        let packed = PackedWeights::new(&weights, to.channels, from.channels, case.window.kernel);
        for accumulate in [false, true] {
            let mut got = start.clone();
            let mut gradient = MapMut::part(&mut got, from, steps[0]);
            if winograd {
                let pad = case.window.pad.map(|pad| 2 - pad);
                let old = start.clone();
                let residual = accumulate.then(|| Map::part(&old, from, steps[0]));
                let finish = Finish { residual, ..Finish::PLAIN };
                Winograd::backward(isa, packed).run(output, pad, &mut gradient, finish);
            } else {
                input_gradient(isa, output, packed, case.window, &mut gradient, accumulate);
            }
            let error = deviation(
                &dense(gradient.as_map()),
                if accumulate { &added } else { &dx },
                largest(&dx),
                "input gradient",
                isa,
            );
            prop_assert!(error < if winograd { WINOGRAD } else { DIRECT }, "dx {isa:?} {error}");
        }
        let mut got = vec![f32::NAN; weights.len()];
        weight_gradient(isa, input, output, case.window, &mut got);
        let error = deviation(&got, &dw, largest(&dw), "weight gradient by rows", isa);
        prop_assert!(error < DIRECT, "dw {isa:?} {error}");
        if winograd && from.channels.min(to.channels) >= 16 {
            let Window { kernel, stride, .. } = case.window;
            let sides = Sides { input: from.channels, output: to.channels, kernel, stride, groups: 1 };
            convolution::kernel_gradient(isa, input, output, sides, case.window, &mut got);
            let error = deviation(&got, &dw, largest(&dw), "weight gradient by tiles", isa);
            prop_assert!(error < WINOGRAD, "dw by tiles {isa:?} {error}");
        }
    }
    Ok(())
}

/// A convolution in groups is one whose weights between groups are zero.
fn check_groups(case: &Case, groups: usize, seed: u64) -> Result<(), TestCaseError> {
    let (from, to) = (case.from(), case.to());
    let kernel = case.window.kernel;
    let sides = Sides { input: case.input, output: case.output, kernel, stride: case.window.stride, groups };
    let steps = [from.channels + case.gap, to.channels + 2 * case.gap];
    let (x, dy) = (numbers(from.pixels() * steps[0], seed), numbers(to.pixels() * steps[1], seed + 1));
    let (weights, start) = (numbers(sides.weights(), seed + 2), numbers(from.pixels() * steps[0], seed + 3));
    let (bias, residual) = (numbers(to.channels, seed + 4), numbers(to.pixels() * steps[1], seed + 5));
    let (each_in, each_out, taps) = (case.input / groups, case.output / groups, kernel[0] * kernel[1]);
    // The number of a weight among the group's, if both channels are in one group.
    let inner = |o: usize, i: usize, weight: usize| {
        (o / each_out == i / each_in).then(|| (o * each_in + i % each_in) * taps + weight % taps)
    };
    let mut y: Vec<f64> = (0..to.numbers())
        .map(|i| f64::from(bias[i % to.channels]) + f64::from(residual[i / to.channels * steps[1] + i % to.channels]))
        .collect();
    let (mut dx, mut dw) = (vec![0f64; from.numbers()], vec![0f64; weights.len()]);
    case.products(|[to_pixel, o], [pixel, i], weight| {
        let Some(weight) = inner(o, i, weight) else { return };
        let (x, dy) = (f64::from(x[pixel * steps[0] + i]), f64::from(dy[to_pixel * steps[1] + o]));
        y[to_pixel * case.output + o] += x * f64::from(weights[weight]);
        dx[pixel * case.input + i] += dy * f64::from(weights[weight]);
        dw[weight] += x * dy;
    });
    let unclamped = largest(&y);
    y.iter_mut().for_each(|v| *v = v.clamp(0.0, 6.0));
    let added: Vec<f64> = (dx.iter().enumerate())
        .map(|(i, dx)| dx + f64::from(start[i / from.channels * steps[0] + i % from.channels]))
        .collect();
    let (input, output) = (Map::part(&x, from, steps[0]), Map::part(&dy, to, steps[1]));
    for isa in Isa::available() {
        let of_any = Convolution::new(isa, &weights, sides);
        for convolution in [of_any, Convolution::within(isa, &weights, sides, case.window)] {
            let mut got = vec![f32::NAN; to.pixels() * steps[1]];
            let mut map = MapMut::part(&mut got, to, steps[1]);
            let finish =
                Finish { bias: Some(&bias), residual: Some(Map::part(&residual, to, steps[1])), clamp: [0.0, 6.0] };
            convolution.run(input, case.window, &mut map, finish);
            let error = deviation(&dense(map.as_map()), &y, unclamped, "output", isa);
            prop_assert!(error < WINOGRAD, "y {isa:?} {error}");
            prop_assert!(got.chunks(steps[1]).all(|p| p.iter().skip(to.channels).all(|v| v.is_nan())), "gaps are left");
        }
        for (accumulate, want) in [(false, &dx), (true, &added)] {
            let mut got = start.clone();
            let mut to = MapMut::part(&mut got, from, steps[0]);
            convolution::input_gradient(isa, output, &weights, sides, case.window, &mut to, accumulate);
            let error = deviation(&dense(to.as_map()), want, largest(&dx), "input gradient", isa);
            prop_assert!(error < WINOGRAD, "dx {isa:?} {error}");
            let gap =
                |values: &[f32]| values.chunks(steps[0]).flat_map(|p| p[from.channels..].to_vec()).collect::<Vec<_>>();
            prop_assert!(gap(&got) == gap(&start), "gaps are left");
        }
        let mut got = vec![f32::NAN; weights.len()];
        convolution::kernel_gradient(isa, input, output, sides, case.window, &mut got);
        let error = deviation(&got, &dw, largest(&dw), "weight gradient", isa);
        prop_assert!(error < WINOGRAD, "dw {isa:?} {error}");
    }
    Ok(())
}

/// A convolution in groups of as many outputs as inputs, for which there are kernels of their own.
fn narrow(each: usize, groups: usize, side: usize, stride: usize, [height, width]: [usize; 2], gap: usize) -> Case {
    let pad = side / 2;
    let out = |length: usize| (length + 2 * pad - side) / stride + 1;
    let window =
        Window { kernel: [side; 2], stride, pad: [pad; 2], input: [height, width], output: [out(height), out(width)] };
    Case { batch: 2, input: each * groups, output: each * groups, window, gap }
}

fn as_winograd(case: Case) -> Case {
    let pad = case.window.pad.map(|pad| pad.min(2));
    let input = case.window.input;
    let output = [input[0] + 2 * pad[0] - 2, input[1] + 2 * pad[1] - 2];
    Case { window: Window { kernel: [3, 3], stride: 1, pad, input, output }, ..case }
}

/// Miri takes minutes for a case, and has no files.
fn config() -> ProptestConfig {
    if cfg!(miri) {
        return ProptestConfig { cases: 1, failure_persistence: None, ..ProptestConfig::default() };
    }
    ProptestConfig { cases: 24, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn forward(case in cases(), seed in 0..1000u64) {
        check_forward(&case, seed, false)?;
    }

    #[test]
    fn gradients(case in cases(), seed in 0..1000u64) {
        check_gradients(&case, seed, false)?;
    }

    #[test]
    fn groups(case in cases(), groups in 1..9usize, seed in 0..1000u64) {
        let case = Case { input: groups * (case.input % 5 + 1), output: groups * (case.output % 9 + 1), ..case };
        check_groups(&case, groups, seed)?;
    }

    #[test]
    fn narrow_groups(
        each in 2..6u32, groups in 1..7usize, side in 0..2usize, stride in 1..3usize,
        input in (2..12usize, 2..33usize), gap in 0..3usize, seed in 0..1000u64,
    ) {
        // Under Miri two groups of one or two vectors.
        let (each, groups) = if cfg!(miri) { (each.min(3), groups.min(2)) } else { (each, groups) };
        let case = narrow(1 << each, groups, 2 * side + 1, stride, [input.0, input.1], gap);
        check_groups(&case, groups, seed)?;
    }

    #[test]
    fn winograd(case in cases(), seed in 0..1000u64) {
        let case = as_winograd(case);
        check_forward(&case, seed, true)?;
        check_gradients(&case, seed, true)?;
    }
}

#[test]
#[cfg_attr(miri, ignore = "millions of products")]
fn sums_longer_than_a_run_and_more_threads_than_one() {
    let window = Window { kernel: [3, 3], stride: 1, pad: [1, 1], input: [14, 14], output: [14, 14] };
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let five = rayon::ThreadPoolBuilder::new().num_threads(5).build().unwrap();
    // Winograd's weights are transformed beforehand for the first, and where they are used for the second.
    for [inputs, outputs] in [[130, 100], [130, 150]] {
        let case = Case { batch: 3, input: inputs, output: outputs, window, gap: 0 };
        for winograd in [false, true] {
            five.install(|| check_forward(&case, 1, winograd)).unwrap();
            five.install(|| check_gradients(&case, 1, winograd)).unwrap();
        }
        let x = numbers(case.from().numbers(), 1);
        let dy = numbers(case.to().numbers(), 2);
        let weights = numbers(inputs * outputs * 9, 3);
        let packed = PackedWeights::new(&weights, outputs, inputs, [3, 3]);
        let isa = Isa::detect();
        let all = || {
            let (input, gradient) = (Map::new(&x, case.from()), Map::new(&dy, case.to()));
            let (mut y, mut w) = (vec![0f32; case.to().numbers()], vec![0f32; case.to().numbers()]);
            let (mut dx, mut dw) = (vec![0f32; case.from().numbers()], vec![0f32; weights.len()]);
            Forward::new(isa, packed).run(input, window, &mut MapMut::new(&mut y, case.to()), Finish::PLAIN);
            Winograd::new(isa, packed).run(input, [1, 1], &mut MapMut::new(&mut w, case.to()), Finish::PLAIN);
            input_gradient(isa, gradient, packed, window, &mut MapMut::new(&mut dx, case.from()), false);
            weight_gradient(isa, input, gradient, window, &mut dw);
            [y, w, dx, dw]
        };
        assert!(one.install(all) == five.install(all), "results depend on the number of threads");
        assert_images_are_independent(&case, &x, packed);
    }
}

/// An image's output is the same alone and in a batch large enough to be shared between threads in another way.
fn assert_images_are_independent(case: &Case, x: &[f32], weights: PackedWeights<'_>) {
    let isa = Isa::detect();
    let many = Case { batch: 40, ..case.clone() };
    let images: Vec<f32> = x.iter().copied().cycle().take(many.from().numbers()).collect();
    let run = |winograd: bool, case: &Case, x: &[f32]| {
        let mut y = vec![0f32; case.to().numbers()];
        let (input, mut output) = (Map::new(x, case.from()), MapMut::new(&mut y, case.to()));
        if winograd {
            Winograd::new(isa, weights).run(input, case.window.pad, &mut output, Finish::PLAIN);
        } else {
            Forward::new(isa, weights).run(input, case.window, &mut output, Finish::PLAIN);
        }
        y
    };
    for winograd in [false, true] {
        let (few, many) = (run(winograd, case, x), run(winograd, &many, &images));
        assert!(many.chunks(few.len()).all(|images| *images == few[..images.len()]), "results depend on the batch");
    }
}

#[test]
#[cfg_attr(miri, ignore = "millions of products")]
fn groups_on_more_threads_than_one() {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let five = rayon::ThreadPoolBuilder::new().num_threads(5).build().unwrap();
    for (each, stride) in [(4, 1), (8, 2), (32, 1), (32, 2)] {
        let groups = 10;
        let case = narrow(each, groups, 3, stride, [20, 17], 0);
        let sides = Sides { input: case.input, output: case.output, kernel: [3, 3], stride, groups };
        let (x, dy) = (numbers(case.from().numbers(), 1), numbers(case.to().numbers(), 2));
        let weights = numbers(sides.weights(), 3);
        let all = || {
            let isa = Isa::detect();
            let (input, gradient) = (Map::new(&x, case.from()), Map::new(&dy, case.to()));
            let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), weights.clone());
            let (y_map, dx_map) = (&mut MapMut::new(&mut y, case.to()), &mut MapMut::new(&mut dx, case.from()));
            Convolution::new(isa, &weights, sides).run(input, case.window, y_map, Finish::PLAIN);
            convolution::input_gradient(isa, gradient, &weights, sides, case.window, dx_map, false);
            convolution::kernel_gradient(isa, input, gradient, sides, case.window, &mut dw);
            [y, dx, dw]
        };
        assert!(one.install(all) == five.install(all), "results depend on the number of threads: {each}, {stride}");
    }
}
