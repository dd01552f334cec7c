//! Batch norm and clamp in one against burn's separate operations: values, statistics and gradients.

use burn::tensor::module::{batch_norm, batch_norm_train};
use burn::tensor::{Device, Tensor, TensorData};
use fastai_runtime::kernels::norm_clamp;
use fastai_runtime::random::{Stream, uniform};

const BOUNDS: [[f32; 2]; 3] = [[f32::NEG_INFINITY, f32::INFINITY], [0.0, f32::INFINITY], [0.0, 6.0]];
const EPSILON: f64 = 1e-3;

fn numbers(name: &'static str, count: usize, low: f64, high: f64) -> Vec<f32> {
    let mut rng = Stream::new(5, name).at(&[count as u64]);
    (0..count).map(|_| uniform(&mut rng, low, high) as f32).collect()
}

fn read<const D: usize>(t: Tensor<D>) -> Vec<f32> {
    t.into_data().try_to_vec().unwrap()
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff())
}

/// Output, mean, variance, and the gradients of input, weight and bias.
fn run(ours: bool, shape: [usize; 4], bounds: [f32; 2], learned: bool) -> Vec<Vec<f32>> {
    let [n, c, h, w] = shape;
    let x = tensor(numbers("x", n * c * h * w, 5.0, 25.0), shape).require_grad();
    let weight = tensor(numbers("weight", c, -3.0, 5.0), [c]).require_grad();
    let bias = tensor(numbers("bias", c, -2.0, 3.0), [c]).require_grad();
    let mean = tensor(numbers("mean", c, 14.0, 16.0), [c]);
    let variance = tensor(numbers("variance", c, 20.0, 40.0), [c]);
    let (y, mean, variance) = if ours {
        let statistics = (!learned).then_some((mean, variance));
        let normed = norm_clamp(x.clone(), weight.clone(), bias.clone(), statistics, EPSILON, bounds);
        (normed.output, normed.mean, normed.variance)
    } else if learned {
        let batch = batch_norm_train(x.clone(), weight.clone(), bias.clone(), EPSILON);
        (batch.output.clamp(bounds[0], bounds[1]), batch.mean, batch.variance)
    } else {
        let y = batch_norm(x.clone(), weight.clone(), bias.clone(), mean.clone(), variance.clone(), EPSILON);
        (y.clamp(bounds[0], bounds[1]), mean, variance)
    };
    let slopes = tensor(numbers("slopes", n * c * h * w, -1.0, 1.0), shape);
    let grads = (y.clone() * slopes).sum().backward();
    let gradients = [x.grad(&grads).map(read), weight.grad(&grads).map(read), bias.grad(&grads).map(read)];
    let mut all = vec![read(y), read(mean), read(variance)];
    all.extend(gradients.into_iter().map(Option::unwrap));
    all
}

#[test]
fn values_and_gradients_are_burns() {
    for shape in [[2, 3, 5, 7], [1, 16, 8, 8], [4, 33, 1, 1], [3, 2, 13, 6], [8, 1, 4, 4]] {
        for bounds in BOUNDS {
            for learned in [true, false] {
                let (ours, theirs) = (run(true, shape, bounds, learned), run(false, shape, bounds, learned));
                for (what, (a, b)) in ["y", "mean", "variance", "dx", "dw", "db"].iter().zip(ours.iter().zip(&theirs)) {
                    assert_eq!(a.len(), b.len());
                    let largest = b.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
                    let worst = a.iter().zip(b).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
                    assert!(worst <= 2e-4 * largest, "{what} of {shape:?} {bounds:?} {learned}: {worst} of {largest}");
                }
            }
        }
    }
}

#[test]
fn a_frozen_weight_gets_no_gradient_and_the_input_still_does() {
    let x = tensor(numbers("x", 24, 0.0, 1.0), [2, 3, 2, 2]).require_grad();
    let (weight, bias) = (tensor(vec![1.0; 3], [3]), tensor(vec![0.0; 3], [3]));
    let statistics = Some((tensor(vec![0.0; 3], [3]), tensor(vec![1.0; 3], [3])));
    let y = norm_clamp(x.clone(), weight.clone(), bias, statistics, 0.0, BOUNDS[0]).output;
    let grads = y.sum().backward();
    assert!(weight.grad(&grads).is_none());
    assert_eq!(read(x.grad(&grads).unwrap()), [1.0; 24]);
}

#[test]
fn far_from_zero_the_variance_does_not_cancel() {
    let x: Vec<f32> = numbers("x", 4 * 64, 0.0, 1.0).into_iter().map(|v| 10_000.0 + v).collect();
    let exact: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
    let mean = exact.iter().sum::<f64>() / 256.0;
    let variance = exact.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 256.0;
    let (weight, bias) = (tensor(vec![1.0], [1]), tensor(vec![0.0], [1]));
    let normed = norm_clamp(tensor(x, [4, 1, 8, 8]), weight, bias, None, EPSILON, BOUNDS[1]);
    assert!((f64::from(read(normed.variance)[0]) / variance - 1.0).abs() < 1e-4);
    assert!((f64::from(read(normed.mean)[0]) - mean).abs() < 1e-3);
}

#[test]
fn a_nan_stays_a_nan() {
    let (weight, bias) = (tensor(vec![1.0], [1]), tensor(vec![0.0], [1]));
    let normed = norm_clamp(tensor(vec![f32::NAN; 4], [1, 1, 2, 2]), weight, bias, None, EPSILON, BOUNDS[2]);
    assert!(read(normed.output).iter().all(|v| v.is_nan()));
}
