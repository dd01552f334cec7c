//! Depthwise convolutions.

use fastai_kernels::conv::Window;
use fastai_kernels::{Finish, MapShape, depthwise};

use crate::{Owned, Random, assert_near, everywhere, on_threads};

struct Case {
    window: Window,
    input: MapShape,
    output: MapShape,
    weights: Vec<f32>,
}

impl Case {
    fn random(random: &mut Random) -> Self {
        let kernel = [random.one_of(&[1, 3, 3, 5, 7]), random.one_of(&[3, 3, 5, 7])];
        let stride = random.between(1, 2);
        let pad = kernel.map(|side| random.between(0, side / 2));
        let mut side = |i: usize| (kernel[i] - 2 * pad[i]).max(1) + random.between(0, if i == 0 { 9 } else { 40 });
        let input = [side(0), side(1)];
        // One output more or less at the end is a window like another.
        let more = random.between(0, 1);
        let side = |i: usize| (input[i] + 2 * pad[i] - kernel[i]) / stride + 1 + more;
        let output = [side(0), side(1)];
        let channels = random.between(1, 70);
        let batch = random.between(1, 3);
        let shape = |[height, width]: [usize; 2]| MapShape { batch, height, width, channels };
        Case {
            window: Window { kernel, stride, pad, input, output },
            input: shape(input),
            output: shape(output),
            weights: random.numbers(channels * kernel[0] * kernel[1]),
        }
    }

    fn weight(&self, channel: usize, ky: usize, kx: usize) -> f64 {
        let [height, width] = self.window.kernel;
        f64::from(self.weights[(channel * height + ky) * width + kx])
    }

    /// Every output row and column, tap, and the input row and column that meet.
    fn meetings(&self, side: usize) -> Vec<(usize, usize, usize)> {
        let w = self.window;
        let all = (0..w.output[side]).flat_map(|output| (0..w.kernel[side]).map(move |tap| (output, tap)));
        let meet = all.map(|(output, tap)| (output, tap, (output * w.stride + tap).wrapping_sub(w.pad[side])));
        meet.filter(|(_, _, input)| *input < w.input[side]).collect()
    }
}

#[test]
fn forward_is_the_sum_over_the_window() {
    everywhere(60, |isa, random| {
        let case = Case::random(random);
        let input = random.map(case.input);
        let residual = random.chance().then(|| random.map(case.output));
        let bias = random.chance().then(|| random.numbers(case.output.channels));
        let clamp = random.one_of(&[[f32::NEG_INFINITY, f32::INFINITY], [0.0, f32::INFINITY], [0.0, 0.5]]);
        let before = random.map(case.output);
        let got = on_threads(|| {
            let mut output = before.clone();
            let finish = Finish { bias: bias.as_deref(), residual: residual.as_ref().map(Owned::map), clamp };
            depthwise::DepthwisePass::new(isa, &case.weights, case.input.channels, case.window.kernel).run(
                input.map(),
                case.window,
                &mut output.map_mut(),
                finish,
            );
            output.assert_gaps(&before);
            output.dense()
        });
        let (ys, xs) = (case.meetings(0), case.meetings(1));
        let wanted = Owned::tabulate(case.output, |image, y, x, channel| {
            let mut sum = bias.as_ref().map_or(0.0, |bias| f64::from(bias[channel]));
            for (_, ky, iy) in ys.iter().filter(|(output, ..)| *output == y) {
                for (_, kx, ix) in xs.iter().filter(|(output, ..)| *output == x) {
                    sum += case.weight(channel, *ky, *kx) * input.at(image, *iy, *ix, channel);
                }
            }
            sum += residual.as_ref().map_or(0.0, |residual| residual.at(image, y, x, channel));
            sum.clamp(f64::from(clamp[0]), f64::from(clamp[1]))
        });
        assert_near(&got, &wanted, 5e-6, isa.name());
    });
}

#[test]
fn input_gradient_is_the_transposed_sum() {
    everywhere(60, |isa, random| {
        let case = Case::random(random);
        let output = random.map(case.output);
        let (before, accumulate) = (random.map(case.input), random.chance());
        let got = on_threads(|| {
            let mut input = before.clone();
            depthwise::input_gradient(isa, output.map(), &case.weights, case.window, &mut input.map_mut(), accumulate);
            input.assert_gaps(&before);
            input.dense()
        });
        let (ys, xs) = (case.meetings(0), case.meetings(1));
        let wanted = Owned::tabulate(case.input, |image, y, x, channel| {
            let mut sum = if accumulate { before.at(image, y, x, channel) } else { 0.0 };
            for (oy, ky, _) in ys.iter().filter(|(_, _, input)| *input == y) {
                for (ox, kx, _) in xs.iter().filter(|(_, _, input)| *input == x) {
                    sum += case.weight(channel, *ky, *kx) * output.at(image, *oy, *ox, channel);
                }
            }
            sum
        });
        assert_near(&got, &wanted, 5e-6, isa.name());
    });
}

#[test]
fn weight_gradient_is_the_sum_over_the_outputs() {
    everywhere(60, |isa, random| {
        let mut case = Case::random(random);
        if random.between(0, 9) == 0 {
            let channels = 300;
            case.input.channels = channels;
            case.output.channels = channels;
        }
        let (input, output) = (random.map(case.input), random.map(case.output));
        let channels = case.input.channels;
        let [height, width] = case.window.kernel;
        let with_bias = random.chance();
        let got = on_threads(|| {
            let mut weights = vec![f32::NAN; channels * height * width];
            let mut bias = vec![f32::NAN; if with_bias { channels } else { 0 }];
            let bias_of = with_bias.then_some(&mut bias[..]);
            depthwise::weight_gradient(isa, input.map(), output.map(), case.window, &mut weights, bias_of);
            [weights, bias].concat()
        });
        let mut wanted = vec![0.0; channels * height * width + if with_bias { channels } else { 0 }];
        let (ys, xs) = (case.meetings(0), case.meetings(1));
        for image in 0..case.input.batch {
            for (oy, ky, iy) in &ys {
                for (ox, kx, ix) in &xs {
                    for channel in 0..channels {
                        wanted[(channel * height + ky) * width + kx] +=
                            output.at(image, *oy, *ox, channel) * input.at(image, *iy, *ix, channel);
                    }
                }
            }
        }
        if with_bias {
            let dense = output.dense();
            for (i, x) in dense.iter().enumerate() {
                wanted[channels * height * width + i % channels] += f64::from(*x);
            }
        }
        assert_near(&got, &wanted, 3e-5, isa.name());
    });
}

#[test]
fn nan_stays() {
    everywhere(1, |isa, _| {
        let shape = MapShape { batch: 1, height: 3, width: 3, channels: 17 };
        let window = Window { kernel: [3, 3], stride: 1, pad: [1, 1], input: [3, 3], output: [3, 3] };
        let values = vec![f32::NAN; shape.numbers()];
        let mut output = vec![0.0; shape.numbers()];
        let finish = Finish { clamp: [0.0, 6.0], ..Finish::PLAIN };
        depthwise::DepthwisePass::new(isa, &[1.0; 17 * 9], 17, [3, 3]).run(
            fastai_kernels::Map::new(&values, shape),
            window,
            &mut fastai_kernels::MapMut::new(&mut output, shape),
            finish,
        );
        assert!(output.iter().all(|x| x.is_nan()));
    });
}
