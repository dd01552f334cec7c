//! Batch normalisation: moments, the pass forward, and both passes of the gradient.

use fastai_kernels::MapShape;
use fastai_kernels::norm::{self, GradientFactors};

use crate::{assert_near, everywhere, on_threads};

#[test]
fn batch_norm_and_its_gradient() {
    everywhere(30, |isa, random| {
        let shape = MapShape {
            batch: random.between(1, 4),
            height: random.between(1, 14),
            width: random.between(1, 14),
            channels: random.one_of(&[1, 3, 15, 16, 17, 40, 64, 100, 130]),
        };
        let (channels, count) = (shape.channels, shape.pixels() as f64);
        let mut x = random.map(shape);
        // Means that are large beside the deviations.
        let offset = random.one_of(&[0.0, 20.0]);
        x.values.iter_mut().for_each(|x| *x += offset);
        let (residual, dy, before) = (random.map(shape), random.map(shape), random.map(shape));
        let (scale, shift) = (random.numbers(channels), random.numbers(channels));
        let clamp = random.one_of(&[[f32::NEG_INFINITY, f32::INFINITY], [0.0, f32::INFINITY], [0.0, 0.5]]);
        let with_residual = random.chance();

        let channel = |values: &[f32], of: usize| -> Vec<f64> {
            values.iter().skip(of).step_by(channels).map(|value| f64::from(*value)).collect()
        };
        let all = x.dense();
        let found = on_threads(|| {
            let moments = norm::moments(isa, x.map());
            [moments.mean, moments.variance].concat()
        });
        let (mut means, mut variances) = (Vec::new(), Vec::new());
        for of in 0..channels {
            let values = channel(&all, of);
            let mean = values.iter().sum::<f64>() / count;
            means.push(mean);
            variances.push(values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count);
        }
        assert_near(&found, &[means.clone(), variances].concat(), 2e-6, isa.name());

        let mut y = before.clone();
        norm::affine(isa, x.map(), &scale, &shift, with_residual.then(|| residual.map()), clamp, &mut y.map_mut());
        y.assert_gaps(&before);
        let wanted: Vec<f64> = (all.iter().zip(residual.dense()).enumerate())
            .map(|(i, (x, residual))| {
                let of = i % channels;
                let y = f64::from(*x) * f64::from(scale[of]) + f64::from(shift[of]);
                let y = if with_residual { y + f64::from(residual) } else { y };
                y.clamp(f64::from(clamp[0]), f64::from(clamp[1]))
            })
            .collect();
        assert_near(&y.dense(), &wanted, 5e-6, isa.name());

        let mean: Vec<f32> = means.iter().map(|mean| *mean as f32).collect();
        let sums = on_threads(|| {
            let mut g = before.clone();
            let sums = norm::clamp_gradient(isa, dy.map(), y.map(), clamp, Some((x.map(), &mean)), &mut g.map_mut());
            g.assert_gaps(&before);
            [g.dense(), sums.gradient, sums.products].concat()
        });
        let inside = |y: f32| y > clamp[0] && y < clamp[1];
        let g: Vec<f64> =
            (dy.dense().iter().zip(y.dense())).map(|(dy, y)| if inside(y) { f64::from(*dy) } else { 0.0 }).collect();
        let (mut total, mut products) = (vec![0.0; channels], vec![0.0; channels]);
        for (i, (g, x)) in g.iter().zip(&all).enumerate() {
            total[i % channels] += g;
            products[i % channels] += g * (f64::from(*x) - f64::from(mean[i % channels]));
        }
        assert_near(&sums, &[g.clone(), total, products].concat(), 1e-5, isa.name());

        let (distance, in_place) = (random.numbers(channels), random.chance());
        let factors = GradientFactors { gradient: &scale, distance: &distance, mean: &mean, shift: &shift };
        let mut dx = if in_place { dy.clone() } else { before.clone() };
        norm::input_gradient(isa, (!in_place).then(|| dy.map()), x.map(), &factors, &mut dx.map_mut());
        let wanted: Vec<f64> = (dy.dense().iter().zip(&all).enumerate())
            .map(|(i, (dy, x))| {
                let of = i % channels;
                let away = f64::from(*x) - f64::from(mean[of]);
                f64::from(*dy) * f64::from(scale[of]) + away * f64::from(distance[of]) + f64::from(shift[of])
            })
            .collect();
        assert_near(&dx.dense(), &wanted, 1e-5, isa.name());
    });
}
