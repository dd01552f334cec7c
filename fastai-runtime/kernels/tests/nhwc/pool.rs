//! Pools.

use std::ops::Range;

use fastai_kernels::pool::{self, PoolWindow};
use fastai_kernels::{Isa, MapShape};

use crate::{Owned, Random, assert_near, everywhere, on_threads};

struct Case {
    pool: PoolWindow,
    input: MapShape,
    output: MapShape,
}

impl Case {
    fn random(random: &mut Random) -> Self {
        let kernel = random.one_of(&[1, 2, 2, 3, 3, 3, 4, 5]);
        let stride = random.between(1, kernel.min(3));
        let pool = PoolWindow { kernel, stride, pad: random.between(0, kernel / 2) };
        let mut side = |most| (kernel - 2 * pool.pad).max(1) + random.between(0, most);
        let (height, width) = (side(9), side(40));
        let more = random.chance();
        let windows = |side: usize| {
            let reach = side + 2 * pool.pad - kernel;
            let windows = if more { reach.div_ceil(stride) } else { reach / stride } + 1;
            // A last window lies not wholly outside.
            windows - usize::from((windows - 1) * stride >= side + pool.pad)
        };
        let input = MapShape { batch: random.between(1, 3), height, width, channels: random.between(1, 70) };
        let output = MapShape { height: windows(height), width: windows(width), ..input };
        Case { pool, input, output }
    }

    /// Rows and columns of a window that lie in the image.
    fn window(&self, y: usize, x: usize) -> [Range<usize>; 2] {
        let range = |window: usize, side: usize| {
            let start = window * self.pool.stride;
            start.saturating_sub(self.pool.pad)..(start + self.pool.kernel).saturating_sub(self.pool.pad).min(side)
        };
        [range(y, self.input.height), range(x, self.input.width)]
    }
}

#[test]
fn max_and_its_gradient_are_those_of_the_first_maximum() {
    everywhere(80, |isa, random| {
        let case = Case::random(random);
        let mut input = random.map(case.input);
        // Few values, so that many are equal; some NaN and infinities.
        for value in &mut input.values {
            *value = (*value * 4.0).round();
            match random.between(0, 60) {
                0 => *value = f32::NAN,
                1 => *value = f32::NEG_INFINITY,
                _ => {}
            }
        }
        let shape = case.output;
        let before = random.map(shape);
        let with_winners = random.chance();
        let got = on_threads(|| {
            let mut output = before.clone();
            let mut winners = vec![0xee; shape.numbers()];
            if with_winners {
                pool::max_pool_winners(isa, input.map(), case.pool, &mut output.map_mut(), &mut winners);
            } else {
                pool::max_pool(isa, input.map(), case.pool, &mut output.map_mut());
            }
            output.assert_gaps(&before);
            let mut numbers = output.dense();
            numbers.extend(winners.iter().map(|winner| f32::from(*winner)));
            numbers
        });
        let (got, winners) = got.split_at(shape.numbers());
        let gradient = random.map(shape);
        let accumulate = with_winners && random.chance();
        let dx_before = random.map(case.input);
        let mut dx: Vec<f64> = dx_before.dense().iter().map(|x| if accumulate { f64::from(*x) } else { 0.0 }).collect();
        let mut number = 0;
        for image in 0..shape.batch {
            for y in 0..shape.height {
                for x in 0..shape.width {
                    for channel in 0..shape.channels {
                        let [ys, xs] = case.window(y, x);
                        let mut first = (ys.start, xs.start);
                        for iy in ys {
                            for ix in xs.clone() {
                                if input.at(image, iy, ix, channel) > input.at(image, first.0, first.1, channel) {
                                    first = (iy, ix);
                                }
                            }
                        }
                        let wanted = input.at(image, first.0, first.1, channel);
                        let same = f64::from(got[number]) == wanted || got[number].is_nan() && wanted.is_nan();
                        assert!(same, "{} instead of {wanted}", got[number]);
                        let tap = |iy: usize, window: usize| iy + case.pool.pad - window * case.pool.stride;
                        let winner = tap(first.0, y) * case.pool.kernel + tap(first.1, x);
                        assert!(!with_winners || winners[number] == winner as f32, "winner {}", winners[number]);
                        let pixel = (image * case.input.height + first.0) * case.input.width + first.1;
                        dx[pixel * shape.channels + channel] += gradient.at(image, y, x, channel);
                        number += 1;
                    }
                }
            }
        }
        let winners: Vec<u8> = winners.iter().map(|winner| *winner as u8).collect();
        let got = on_threads(|| {
            let mut input_gradient = dx_before.clone();
            let to = &mut input_gradient.map_mut();
            if with_winners {
                pool::winners_gradient(isa, &winners, gradient.map(), case.pool, to, accumulate);
            } else {
                pool::max_pool_gradient(isa, input.map(), gradient.map(), case.pool, to);
            }
            input_gradient.assert_gaps(&dx_before);
            input_gradient.dense()
        });
        assert_near(&got, &dx, 1e-6, isa.name());
    });
}

/// Averages over `window(y, x)` and their gradient, in double precision.
fn check_average(
    isa: Isa,
    [input, gradient, before]: [&Owned; 3],
    accumulate: bool,
    window: impl Fn(usize, usize) -> [Range<usize>; 2],
    [forward, backward]: [&(dyn Fn() -> Vec<f32> + Sync); 2],
) {
    let shape = gradient.shape;
    let mut dx: Vec<f64> = before.dense().iter().map(|x| if accumulate { f64::from(*x) } else { 0.0 }).collect();
    let mut y_wanted = Vec::new();
    for image in 0..shape.batch {
        for y in 0..shape.height {
            for x in 0..shape.width {
                for channel in 0..shape.channels {
                    let [ys, xs] = window(y, x);
                    let count = (ys.len() * xs.len()) as f64;
                    let mut sum = 0.0;
                    for iy in ys {
                        for ix in xs.clone() {
                            sum += input.at(image, iy, ix, channel);
                            let pixel = (image * input.shape.height + iy) * input.shape.width + ix;
                            dx[pixel * shape.channels + channel] += gradient.at(image, y, x, channel) / count;
                        }
                    }
                    y_wanted.push(sum / count);
                }
            }
        }
    }
    assert_near(&on_threads(forward), &y_wanted, 1e-6, isa.name());
    assert_near(&on_threads(backward), &dx, 1e-6, isa.name());
}

#[test]
fn average_counts_what_lies_in_the_image() {
    everywhere(40, |isa, random| {
        let case = Case::random(random);
        let shape = case.output;
        let (input, gradient, before) = (random.map(case.input), random.map(shape), random.map(case.input));
        let (y_before, accumulate) = (random.map(shape), random.chance());
        let forward = || {
            let mut output = y_before.clone();
            pool::average_pool(isa, input.map(), case.pool, &mut output.map_mut());
            output.assert_gaps(&y_before);
            output.dense()
        };
        let backward = || {
            let mut dx = before.clone();
            pool::average_pool_gradient(isa, gradient.map(), case.pool, &mut dx.map_mut(), accumulate);
            dx.assert_gaps(&before);
            dx.dense()
        };
        let maps = [&input, &gradient, &before];
        check_average(isa, maps, accumulate, |y, x| case.window(y, x), [&forward, &backward]);
    });
}

#[test]
fn adaptive_average_covers_evenly() {
    everywhere(40, |isa, random| {
        let channels = random.one_of(&[1, 7, 16, 40, 64, 130, 200]);
        let (height, width) = (random.between(1, 20), random.between(1, 20));
        let from = MapShape { batch: random.between(1, 3), height, width, channels };
        let one = random.chance();
        let mut side = || if one { 1 } else { random.between(1, 9) };
        let shape = MapShape { height: side(), width: side(), ..from };
        let (input, gradient, before) = (random.map(from), random.map(shape), random.map(from));
        let (y_before, accumulate) = (random.map(shape), random.chance());
        let forward = || {
            let mut output = y_before.clone();
            pool::adaptive_average(isa, input.map(), &mut output.map_mut());
            output.assert_gaps(&y_before);
            output.dense()
        };
        let backward = || {
            let mut dx = before.clone();
            pool::adaptive_average_gradient(isa, gradient.map(), &mut dx.map_mut(), accumulate);
            dx.assert_gaps(&before);
            dx.dense()
        };
        let range = |window: usize, side: usize, windows: usize| {
            (window as f64 * side as f64 / windows as f64).floor() as usize
                ..((window + 1) as f64 * side as f64 / windows as f64).ceil() as usize
        };
        let window = |y, x| [range(y, from.height, shape.height), range(x, from.width, shape.width)];
        check_average(isa, [&input, &gradient, &before], accumulate, window, [&forward, &backward]);
    });
}
