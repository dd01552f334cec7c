//! Linear layers.

use fastai_kernels::linear::linear;

use crate::{assert_near, everywhere, on_threads};

#[test]
fn rows_times_weights_plus_bias() {
    everywhere(30, |isa, random| {
        let [rows, inputs, columns] = [random.between(1, 140), random.between(1, 600), random.between(1, 70)];
        let (x, weights) = (random.numbers(rows * inputs), random.numbers(inputs * columns));
        let bias = random.chance().then(|| random.numbers(columns));
        let run = |x: &[f32]| {
            let mut y = vec![f32::NAN; x.len() / inputs * columns];
            linear(isa, x, inputs, &weights, bias.as_deref(), &mut y);
            y
        };
        let got = on_threads(|| run(&x));
        let sum = |row: usize, column: usize| -> f64 {
            let products =
                (0..inputs).map(|i| f64::from(x[row * inputs + i]) * f64::from(weights[i * columns + column]));
            products.sum::<f64>() + bias.as_ref().map_or(0.0, |bias| f64::from(bias[column]))
        };
        let wanted: Vec<f64> = (0..rows * columns).map(|i| sum(i / columns, i % columns)).collect();
        assert_near(&got, &wanted, 1e-5, isa.name());
        let last = run(&x[(rows - 1) * inputs..]);
        assert!(last == got[(rows - 1) * columns..], "a row does not depend on the others");
    });
}
