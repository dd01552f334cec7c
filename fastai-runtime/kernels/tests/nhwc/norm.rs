//! Batch normalisation.

use fastai_kernels::MapShape;
use fastai_kernels::norm::{self, Clamped, GradientFactors};

use crate::{Owned, Random, assert_near, everywhere, on_threads};

const CLAMPS: [[f32; 2]; 3] = [[f32::NEG_INFINITY, f32::INFINITY], [0.0, f32::INFINITY], [0.0, 0.5]];

/// Shapes of less and of more than a block of pixels.
fn shape(random: &mut Random) -> MapShape {
    MapShape {
        batch: random.between(1, 3),
        height: random.between(1, 16),
        width: random.between(1, 20),
        channels: random.one_of(&[1, 3, 16, 17, 40, 64, 65, 130]),
    }
}

#[test]
fn moments_of_each_channel() {
    everywhere(30, |isa, random| {
        let shape = shape(random);
        let mut x = random.map(shape);
        // A mean that is large beside the deviations costs no digits of the variance.
        let offset = random.one_of(&[0.0, 100.0]);
        x.values.iter_mut().for_each(|x| *x += offset);
        let got = on_threads(|| {
            let moments = norm::moments(isa, x.map());
            [moments.mean, moments.variance].concat()
        });
        let (mut mean, mut variance) = (Vec::new(), Vec::new());
        for channel in 0..shape.channels {
            let x: Vec<f64> = x.dense().iter().skip(channel).step_by(shape.channels).map(|x| f64::from(*x)).collect();
            let of_channel = x.iter().sum::<f64>() / x.len() as f64;
            mean.push(of_channel);
            variance.push(x.iter().map(|x| (x - of_channel).powi(2)).sum::<f64>() / x.len() as f64);
        }
        assert_near(&got, &[mean, variance].concat(), 5e-6, isa.name());
    });
}

#[test]
fn affine_adds_and_clamps() {
    everywhere(30, |isa, random| {
        let shape = shape(random);
        let (x, before) = (random.map(shape), random.map(shape));
        let residual = random.chance().then(|| random.map(shape));
        let clamp = random.one_of(&CLAMPS);
        let (scale, shift) = (random.numbers(shape.channels), random.numbers(shape.channels));
        let got = on_threads(|| {
            let mut output = before.clone();
            let residual = residual.as_ref().map(Owned::map);
            norm::affine(isa, x.map(), &scale, &shift, residual, clamp, &mut output.map_mut());
            output.assert_gaps(&before);
            output.dense()
        });
        let wanted = Owned::tabulate(shape, |n, y, x_at, c| {
            let residual = residual.as_ref().map_or(0.0, |residual| residual.at(n, y, x_at, c));
            let value = x.at(n, y, x_at, c) * f64::from(scale[c]) + f64::from(shift[c]) + residual;
            value.clamp(f64::from(clamp[0]), f64::from(clamp[1]))
        });
        assert_near(&got, &wanted, 1e-6, isa.name());
    });
}

#[test]
fn gradient_goes_through_where_the_output_is_inside() {
    everywhere(30, |isa, random| {
        let shape = shape(random);
        let (dy, mut output, input, before) =
            (random.map(shape), random.map(shape), random.map(shape), random.map(shape));
        let clamp = random.one_of(&CLAMPS);
        output.values.iter_mut().for_each(|x| *x = x.clamp(clamp[0], clamp[1]));
        let mean = random.numbers(shape.channels);
        let (with_input, in_place) = (random.chance(), random.chance());
        let got = on_threads(|| {
            let input = with_input.then_some((input.map(), &mean[..]));
            let mut gradient = if in_place { dy.clone() } else { before.clone() };
            let to = &mut gradient.map_mut();
            let from = (!in_place).then(|| dy.map());
            let sums = norm::clamp_gradient(isa, from, Clamped::Map(output.map()), clamp, input, to);
            gradient.assert_gaps(if in_place { &dy } else { &before });
            [gradient.dense(), sums.gradient, sums.products].concat()
        });
        let inside = |n: usize, y: usize, x: usize, c: usize| {
            let at = output.at(n, y, x, c);
            if at > f64::from(clamp[0]) && at < f64::from(clamp[1]) { dy.at(n, y, x, c) } else { 0.0 }
        };
        let mut wanted = Owned::tabulate(shape, inside);
        let (mut sums, mut products) = (vec![0.0; shape.channels], vec![0.0; shape.channels]);
        for (i, (gradient, input)) in wanted.iter().zip(input.dense()).enumerate() {
            let channel = i % shape.channels;
            sums[channel] += gradient;
            products[channel] += gradient * (f64::from(input) - f64::from(mean[channel]));
        }
        wanted.extend(sums);
        wanted.extend(if with_input { products } else { Vec::new() });
        assert_near(&got, &wanted, 2e-5, isa.name());
    });
}

#[test]
fn an_output_that_was_not_kept_lets_the_same_gradient_through() {
    everywhere(30, |isa, random| {
        let shape = shape(random);
        let (dy, input, before) = (random.map(shape), random.map(shape), random.map(shape));
        let clamp = random.one_of(&CLAMPS);
        let [scale, shift, mean] = [(); 3].map(|()| random.numbers(shape.channels));
        let mut output = before.clone();
        norm::affine(isa, input.map(), &scale, &shift, None, clamp, &mut output.map_mut());
        let gradient = |output: Clamped<'_>| {
            let (mut gradient, with) = (before.clone(), Some((input.map(), &mean[..])));
            let sums = norm::clamp_gradient(isa, Some(dy.map()), output, clamp, with, &mut gradient.map_mut());
            [gradient.dense(), sums.gradient, sums.products].concat()
        };
        let again = gradient(Clamped::OfInput { scale: &scale, shift: &shift });
        assert_eq!(again, gradient(Clamped::Map(output.map())), "{}", isa.name());
    });
}

#[test]
fn input_gradient_is_a_line_in_gradient_and_distance() {
    everywhere(30, |isa, random| {
        let shape = shape(random);
        let (gradient, input, before) = (random.map(shape), random.map(shape), random.map(shape));
        let [a, b, mean, shift] = [(); 4].map(|()| random.numbers(shape.channels));
        let factors = GradientFactors { gradient: &a, distance: &b, mean: &mean, shift: &shift };
        let in_place = random.chance();
        let got = on_threads(|| {
            let mut output = if in_place { gradient.clone() } else { before.clone() };
            let from = (!in_place).then_some(gradient.map());
            norm::input_gradient(isa, from, input.map(), &factors, &mut output.map_mut());
            output.assert_gaps(if in_place { &gradient } else { &before });
            output.dense()
        });
        let wanted = Owned::tabulate(shape, |n, y, x, c| {
            let of = |values: &[f32]| f64::from(values[c]);
            gradient.at(n, y, x, c) * of(&a) + (input.at(n, y, x, c) - of(&mean)) * of(&b) + of(&shift)
        });
        assert_near(&got, &wanted, 1e-6, isa.name());
    });
}
