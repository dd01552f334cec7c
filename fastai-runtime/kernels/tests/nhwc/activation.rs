//! Activations.

use fastai_kernels::activation::{SmoothActivation, activate, activation_gradient};
use fastai_kernels::{Isa, Map, MapMut, MapShape};

use crate::{assert_near, everywhere, on_threads};

/// The share of the normal distribution below `x`, with all digits also where it is small.
fn normal(x: f64) -> f64 {
    let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if x > 2.0 {
        return 1.0 - normal(-x);
    }
    if x < -2.0 {
        // Laplace's continued fraction.
        return density / (1..200).rev().fold(-x, |below, k| -x + f64::from(k) / below);
    }
    let mut term = x;
    let mut sum = x;
    for k in 1..100 {
        term *= x * x / f64::from(2 * k + 1);
        sum += term;
    }
    0.5 + density * sum
}

fn value(activation: SmoothActivation, x: f64) -> f64 {
    let hard = (x / 6.0 + 0.5).clamp(0.0, 1.0);
    match activation {
        SmoothActivation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        SmoothActivation::Silu => x / (1.0 + (-x).exp()),
        SmoothActivation::Gelu => x * normal(x),
        SmoothActivation::HardSigmoid => hard,
        SmoothActivation::HardSwish => x * hard,
    }
}

fn slope(activation: SmoothActivation, x: f64) -> f64 {
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    match activation {
        SmoothActivation::Sigmoid => sigmoid / (1.0 + x.exp()),
        SmoothActivation::Silu => sigmoid * (1.0 + x / (1.0 + x.exp())),
        SmoothActivation::Gelu => normal(x) + x * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt(),
        SmoothActivation::HardSigmoid => {
            if x.abs() < 3.0 {
                1.0 / 6.0
            } else {
                0.0
            }
        }
        SmoothActivation::HardSwish => {
            if x < -3.0 {
                0.0
            } else if x > 3.0 {
                1.0
            } else {
                x / 3.0 + 0.5
            }
        }
    }
}

const ALL: [SmoothActivation; 5] = [
    SmoothActivation::Sigmoid,
    SmoothActivation::Silu,
    SmoothActivation::Gelu,
    SmoothActivation::HardSigmoid,
    SmoothActivation::HardSwish,
];

/// Every 4999th number with an absolute value from 2^-20 to `most`.
fn numbers(most: f32) -> Vec<f32> {
    let bits = 2f32.powi(-20).to_bits()..most.to_bits();
    bits.step_by(4999).flat_map(|bits| [f32::from_bits(bits), -f32::from_bits(bits)]).collect()
}

/// The largest distance of a result from `wanted`, in units of the last place of it, or of `least` if that is larger.
fn worst(results: &[f32], x: &[f32], least: f64, wanted: impl Fn(f64) -> f64) -> (f64, f32) {
    let unit = |x: f64| 2f64.powi(x.abs().max(least).log2().floor() as i32 - 23);
    let error = |(got, x): (&f32, &f32)| {
        let wanted = wanted(f64::from(*x));
        ((f64::from(*got) - wanted).abs() / unit(wanted), *x)
    };
    results.iter().zip(x).map(error).fold((0.0, 0.0), |worst, error| if error.0 > worst.0 { error } else { worst })
}

/// Units of the last place by which values and slopes may be wrong. Near their roots slopes are measured by those of 1/16.
fn bounds(activation: SmoothActivation, isa: Isa) -> [f64; 2] {
    let fused = isa != Isa::portable();
    match activation {
        SmoothActivation::Sigmoid => [3.0, 5.0],
        SmoothActivation::Silu => [4.0, 8.0],
        SmoothActivation::Gelu if fused => [8.0, 16.0],
        SmoothActivation::Gelu => [80.0, 20.0],
        SmoothActivation::HardSigmoid | SmoothActivation::HardSwish => [2.0, 6.0],
    }
}

#[test]
#[cfg_attr(miri, ignore = "hundreds of thousands of numbers")]
fn a_few_units_of_the_last_place() {
    everywhere(1, |isa, _| {
        for activation in ALL {
            let least = f64::from(f32::MIN_POSITIVE);
            // GELU is a normal number down to -13.
            let x = numbers(if activation == SmoothActivation::Gelu { 13.0 } else { 85.0 });
            let shape = MapShape { batch: 1, height: 1, width: x.len(), channels: 1 };
            let mut y = x.clone();
            activate(isa, activation, None, &mut MapMut::new(&mut y, shape));
            // A hard sigmoid is 1/2 more than its smallest values are.
            let hard = matches!(activation, SmoothActivation::HardSigmoid | SmoothActivation::HardSwish);
            let y_worst = worst(&y, &x, if hard { 1.0 } else { least }, |x| value(activation, x));
            let mut dx = vec![1.0; x.len()];
            activation_gradient(isa, activation, Map::new(&x, shape), None, &mut MapMut::new(&mut dx, shape));
            let dx_worst = worst(&dx, &x, 1.0 / 16.0, |x| slope(activation, x));
            println!("{} {activation:?}: value {y_worst:?}, slope {dx_worst:?}", isa.name());
            let [y_bound, dx_bound] = bounds(activation, isa);
            assert!(y_worst.0 <= y_bound, "{} {activation:?}: {y_worst:?}", isa.name());
            assert!(dx_worst.0 <= dx_bound, "{} {activation:?}: {dx_worst:?}", isa.name());
        }
    });
}

#[test]
fn limits_are_exact() {
    everywhere(1, |isa, _| {
        for activation in ALL {
            let x = [0.0, 200.0, 1e30, -200.0, f32::NAN];
            let shape = MapShape { batch: 1, height: 1, width: 1, channels: x.len() };
            let mut y = x;
            activate(isa, activation, None, &mut MapMut::new(&mut y, shape));
            let gate = matches!(activation, SmoothActivation::Sigmoid | SmoothActivation::HardSigmoid);
            assert_eq!(y[..4], if gate { [0.5, 1.0, 1.0, 0.0] } else { [0.0, 200.0, 1e30, 0.0] }, "{activation:?}");
            assert!(y[4].is_nan());
            let mut dx = [1.0; 5];
            activation_gradient(isa, activation, Map::new(&x, shape), None, &mut MapMut::new(&mut dx, shape));
            let wanted = [slope(activation, 0.0) as f32, f32::from(!gate), f32::from(!gate), 0.0];
            assert_eq!(dx[..4], wanted, "{activation:?}");
        }
    });
}

#[test]
fn maps_of_any_step() {
    everywhere(20, |isa, random| {
        let activation = random.one_of(&ALL);
        let shape = MapShape {
            batch: random.between(1, 2),
            height: random.between(1, 9),
            width: random.between(1, 30),
            channels: random.between(1, 40),
        };
        let (x, dy, before) = (random.map(shape), random.map(shape), random.map(shape));
        let in_place = random.chance();
        let got = on_threads(|| {
            let mut y = if in_place { x.clone() } else { before.clone() };
            activate(isa, activation, (!in_place).then_some(x.map()), &mut y.map_mut());
            y.assert_gaps(if in_place { &x } else { &before });
            y.dense()
        });
        let wanted: Vec<_> = x.dense().iter().map(|x| value(activation, f64::from(*x))).collect();
        assert_near(&got, &wanted, 1e-6, isa.name());
        let got = on_threads(|| {
            let mut dx = if in_place { dy.clone() } else { before.clone() };
            activation_gradient(isa, activation, x.map(), (!in_place).then_some(dy.map()), &mut dx.map_mut());
            dx.assert_gaps(if in_place { &dy } else { &before });
            dx.dense()
        });
        let both = x.dense().into_iter().zip(dy.dense());
        let wanted: Vec<_> = both.map(|(x, dy)| f64::from(dy) * slope(activation, f64::from(x))).collect();
        assert_near(&got, &wanted, 1e-6, isa.name());
    });
}
