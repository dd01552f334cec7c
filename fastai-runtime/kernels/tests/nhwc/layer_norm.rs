//! Layer normalisation.

use fastai_kernels::MapShape;
use fastai_kernels::layer_norm::{LayerNormWeights, layer_norm, layer_norm_gradient};

use crate::{assert_near, everywhere, on_threads};

#[test]
fn layer_norm_and_its_gradient() {
    everywhere(30, |isa, random| {
        let shape = MapShape {
            batch: random.between(1, 3),
            height: random.between(1, 12),
            width: random.between(1, 12),
            channels: random.one_of(&[2, 3, 15, 16, 17, 40, 64, 96, 100, 200]),
        };
        let channels = shape.channels;
        let mut x = random.map(shape);
        // A mean that is large beside the deviations.
        let offset = random.one_of(&[0.0, 3.0]);
        x.values.iter_mut().for_each(|x| *x += offset);
        let (dy, before, in_place) = (random.map(shape), random.map(shape), random.chance());
        let (weight, bias) = (random.numbers(channels), random.numbers(channels));
        let epsilon = 1e-3f32;
        let norm = LayerNormWeights { weight: &weight, bias: &bias, epsilon };
        let got = on_threads(|| {
            let mut y = if in_place { x.clone() } else { before.clone() };
            layer_norm(isa, (!in_place).then_some(x.map()), norm, &mut y.map_mut());
            y.assert_gaps(if in_place { &x } else { &before });
            y.dense()
        });
        let gradients = on_threads(|| {
            let mut dx = if in_place { dy.clone() } else { before.clone() };
            let found = layer_norm_gradient(isa, x.map(), norm, (!in_place).then_some(dy.map()), &mut dx.map_mut());
            dx.assert_gaps(if in_place { &dy } else { &before });
            [dx.dense(), found.weight, found.bias].concat()
        });
        let (mut y, mut dx) = (Vec::new(), Vec::new());
        let (mut of_weight, mut of_bias) = (vec![0.0; channels], vec![0.0; channels]);
        let count = channels as f64;
        for (x, dy) in x.dense().chunks(channels).zip(dy.dense().chunks(channels)) {
            let x: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
            let mean = x.iter().sum::<f64>() / count;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
            let inverse = 1.0 / (variance + f64::from(epsilon)).sqrt();
            let scaled: Vec<f64> = x.iter().map(|x| (x - mean) * inverse).collect();
            y.extend((0..channels).map(|c| scaled[c] * f64::from(weight[c]) + f64::from(bias[c])));
            let gradient: Vec<f64> = (0..channels).map(|c| f64::from(dy[c]) * f64::from(weight[c])).collect();
            let all = gradient.iter().sum::<f64>() / count;
            let along = gradient.iter().zip(&scaled).map(|(g, x)| g * x).sum::<f64>() / count;
            dx.extend((0..channels).map(|c| inverse * (gradient[c] - all - scaled[c] * along)));
            for c in 0..channels {
                of_weight[c] += f64::from(dy[c]) * scaled[c];
                of_bias[c] += f64::from(dy[c]);
            }
        }
        assert_near(&got, &y, 1e-5, isa.name());
        // One over a small deviation enlarges what rounding loses.
        assert_near(&gradients, &[dx, of_weight, of_bias].concat(), 5e-5, isa.name());
    });
}
