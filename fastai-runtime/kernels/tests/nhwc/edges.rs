//! Shapes at the edge: no image, no channel, one pixel; and windows and groups that no kernel computes.

use fastai_kernels::activation::{SmoothActivation, activate, activation_gradient};
use fastai_kernels::conv::{Forward, PackedWeights, Window};
use fastai_kernels::convolution::{self, Convolution, Sides};
use fastai_kernels::layer_norm::{LayerNormWeights, layer_norm, layer_norm_gradient};
use fastai_kernels::norm::{self, Clamped, GradientFactors};
use fastai_kernels::pool::{self, PoolWindow};
use fastai_kernels::{Finish, Isa, Map, MapMut, MapShape, gate, layout};

use crate::{Owned, assert_near, everywhere};

/// Inputs, outputs, kernel, stride and groups for each way to compute a convolution: products of rows, Winograd, depthwise,
/// narrow groups, wide groups, few channels.
const CONVOLUTIONS: [[usize; 5]; 10] = [
    [32, 24, 1, 1, 1],
    [32, 24, 3, 2, 1],
    [16, 17, 3, 1, 1],
    [16, 16, 3, 1, 16],
    [17, 17, 5, 2, 17],
    [24, 24, 3, 1, 6],
    [24, 24, 3, 2, 6],
    [64, 64, 3, 1, 2],
    [3, 8, 3, 2, 1],
    [6, 4, 5, 1, 2],
];

fn sides([input, output, kernel, stride, groups]: [usize; 5]) -> Sides {
    Sides { input, output, kernel: [kernel; 2], stride, groups }
}

/// The window over squares of `side` pixels with half a kernel around them.
fn window(sides: Sides, side: usize) -> Window {
    let Sides { kernel, stride, .. } = sides;
    let pad = kernel[0] / 2;
    let output = (side + 2 * pad - kernel[0]) / stride + 1;
    Window { kernel, stride, pad: [pad; 2], input: [side; 2], output: [output; 2] }
}

fn shape(batch: usize, [height, width]: [usize; 2], channels: usize) -> MapShape {
    MapShape { batch, height, width, channels }
}

#[test]
fn a_batch_of_no_image_has_gradients_of_zero() {
    everywhere(1, |isa, _| {
        for sides in CONVOLUTIONS.map(sides) {
            let window = window(sides, 5);
            let (from, to) = (shape(0, window.input, sides.input), shape(0, window.output, sides.output));
            let (x, dy, weights) = (Map::new(&[], from), Map::new(&[], to), vec![1.0; sides.weights()]);
            Convolution::new(isa, &weights, sides).run(x, window, &mut MapMut::new(&mut [], to), Finish::PLAIN);
            convolution::input_gradient(isa, dy, &weights, sides, window, &mut MapMut::new(&mut [], from), false);
            let mut gradient = vec![f32::NAN; sides.weights()];
            convolution::kernel_gradient(isa, x, dy, sides, window, &mut gradient);
            assert!(gradient.iter().all(|number| *number == 0.0), "{sides:?}");
        }
    });
}

#[test]
fn an_image_of_one_pixel_meets_the_middle_of_the_kernel() {
    everywhere(3, |isa, random| {
        for sides in CONVOLUTIONS.map(sides) {
            let window = window(sides, 1);
            let (from, to) = (shape(2, [1, 1], sides.input), shape(2, [1, 1], sides.output));
            let (x, dy, weights) = (random.map(from), random.map(to), random.numbers(sides.weights()));
            let (inputs, outputs) = (sides.input / sides.groups, sides.output / sides.groups);
            let taps = sides.kernel[0] * sides.kernel[1];
            let middle = |output: usize, input: usize| (output * inputs + input % inputs) * taps + taps / 2;
            let weight = |output: usize, input: usize| f64::from(weights[middle(output, input)]);
            let of_group = |channel: usize, each: usize, other: usize| {
                let first = channel / each * other;
                first..first + other
            };

            let before = random.map(to);
            let mut y = before.clone();
            Convolution::new(isa, &weights, sides).run(x.map(), window, &mut y.map_mut(), Finish::PLAIN);
            y.assert_gaps(&before);
            let wanted = Owned::tabulate(to, |n, _, _, output| {
                of_group(output, outputs, inputs).map(|input| x.at(n, 0, 0, input) * weight(output, input)).sum()
            });
            assert_near(&y.dense(), &wanted, 5e-5, isa.name());

            let mut dx = x.clone();
            convolution::input_gradient(isa, dy.map(), &weights, sides, window, &mut dx.map_mut(), false);
            dx.assert_gaps(&x);
            let wanted = Owned::tabulate(from, |n, _, _, input| {
                of_group(input, inputs, outputs).map(|output| dy.at(n, 0, 0, output) * weight(output, input)).sum()
            });
            assert_near(&dx.dense(), &wanted, 5e-5, isa.name());

            let mut gradient = vec![f32::NAN; weights.len()];
            convolution::kernel_gradient(isa, x.map(), dy.map(), sides, window, &mut gradient);
            let mut wanted = vec![0.0; weights.len()];
            for output in 0..sides.output {
                for input in of_group(output, outputs, inputs) {
                    wanted[middle(output, input)] =
                        (0..2).map(|n| x.at(n, 0, 0, input) * dy.at(n, 0, 0, output)).sum::<f64>();
                }
            }
            assert_near(&gradient, &wanted, 5e-5, isa.name());
        }
    });
}

#[test]
fn a_convolution_of_no_channels_is_its_bias() {
    everywhere(1, |isa, random| {
        for (kernel, step) in [(1, 0), (1, 7), (3, 0), (3, 7)] {
            let sides = Sides { input: 0, output: 5, kernel: [kernel; 2], stride: 1, groups: 1 };
            let window = window(sides, 3);
            let (from, to) = (shape(1, window.input, 0), shape(1, window.output, 5));
            let (bias, mut between) = (random.numbers(5), random.numbers(9 * step));
            let mut y = vec![f32::NAN; to.numbers()];
            let finish = Finish { bias: Some(&bias), ..Finish::PLAIN };
            let x = Map::part(&between, from, step);
            Convolution::new(isa, &[], sides).run(x, window, &mut MapMut::new(&mut y, to), finish);
            assert_eq!(y, bias.repeat(9));
            y.fill(f32::NAN);
            let weights = PackedWeights::new(&[], 5, 0, [kernel; 2]);
            Forward::new(isa, weights).run(x, window, &mut MapMut::new(&mut y, to), finish);
            assert_eq!(y, bias.repeat(9));
            convolution::kernel_gradient(isa, x, Map::new(&y, to), sides, window, &mut []);
            let before = between.clone();
            let dx = &mut MapMut::part(&mut between, from, step);
            convolution::input_gradient(isa, Map::new(&y, to), &[], sides, window, dx, false);
            assert_eq!(between, before, "numbers between the pixels were written");
        }
    });
}

#[test]
fn maps_without_numbers_pass_every_kernel() {
    everywhere(1, |isa, _| {
        for shape in [shape(0, [2, 2], 5), shape(2, [2, 2], 0)] {
            let one = MapShape { height: 1, width: 1, ..shape };
            let (x, small, each) = (Map::new(&[], shape), Map::new(&[], one), vec![1.0; shape.channels]);
            let (mut no, mut none) = ([0f32; 0], [0f32; 0]);
            let (y, z) = (&mut MapMut::new(&mut no, shape), &mut MapMut::new(&mut none, one));
            activate(isa, SmoothActivation::Gelu, Some(x), y);
            activation_gradient(isa, SmoothActivation::Gelu, x, None, y);
            gate::gate(isa, Some(x), small, y);
            gate::gate_gradient(isa, x, small, Some(x), y, z);
            let norm = LayerNormWeights { weight: &each, bias: &each, epsilon: 1e-6 };
            layer_norm(isa, Some(x), norm, y);
            assert!(layer_norm_gradient(isa, x, norm, Some(x), y).weight.iter().all(|number| *number == 0.0));
            norm::affine(isa, x, &each, &each, None, [0.0, 6.0], y);
            let sums = norm::clamp_gradient(isa, Some(x), Clamped::Map(x), [0.0, 6.0], Some((x, &each[..])), y);
            assert_eq!([sums.gradient, sums.products], [vec![0.0; shape.channels], vec![0.0; shape.channels]]);
            let factors = GradientFactors { gradient: &each, distance: &each, mean: &each, shift: &each };
            norm::input_gradient(isa, Some(x), x, &factors, y);
            let window = PoolWindow { kernel: 2, stride: 2, pad: 0 };
            pool::max_pool_winners(isa, x, window, z, &mut []);
            pool::winners_gradient(isa, &[], small, window, y, false);
            pool::average_pool(isa, x, window, z);
            pool::average_pool_gradient(isa, small, window, y, false);
            pool::adaptive_average(isa, x, z);
            layout::add(x, y);
            layout::from_planes(&[], shape, &mut []);
            layout::to_planes(x, &mut []);
        }
    });
}

fn run_narrow_groups(sides: Sides, window: Window) {
    let (from, to) = (shape(1, window.input, sides.input), shape(1, window.output, sides.output));
    let (x, mut y, weights) = (vec![1.0; from.numbers()], vec![0.0; to.numbers()], vec![1.0; sides.weights()]);
    let convolution = Convolution::new(Isa::portable(), &weights, sides);
    convolution.run(Map::new(&x, from), window, &mut MapMut::new(&mut y, to), Finish::PLAIN);
}

#[test]
#[should_panic(expected = "no kernel for")]
fn narrow_groups_refuse_a_stride_without_a_kernel() {
    let sides = Sides { input: 16, output: 16, kernel: [3, 3], stride: 1, groups: 4 };
    run_narrow_groups(sides, Window { stride: 3, output: [3, 3], ..window(sides, 7) });
}

#[test]
#[should_panic(expected = "whole groups")]
fn narrow_groups_refuse_a_part_of_a_group() {
    let sides = Sides { input: 33, output: 33, kernel: [3, 3], stride: 1, groups: 8 };
    run_narrow_groups(sides, window(sides, 5));
}

#[test]
#[should_panic(expected = "more numbers than addresses")]
fn a_stride_beyond_all_memory_is_refused() {
    let sides = Sides { input: 3, output: 8, kernel: [3, 3], stride: 1 << (usize::BITS / 2), groups: 1 };
    let window = Window { kernel: [3, 3], stride: sides.stride, pad: [1, 1], input: [5, 5], output: [3, 3] };
    let (x, mut y, weights) = (vec![1.0; 75], vec![0.0; 72], vec![1.0; sides.weights()]);
    let convolution = Convolution::new(Isa::portable(), &weights, sides);
    let (from, to) = (shape(1, [5, 5], 3), shape(1, [3, 3], 8));
    convolution.run(Map::new(&x, from), window, &mut MapMut::new(&mut y, to), Finish::PLAIN);
}
