//! The pool kernel against its definition and burn's own operation: values and gradients.

use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor, TensorData};
use fastai_runtime::kernels::max_pool;

fn noise(n: usize) -> Vec<f32> {
    // All negative, so that a border of zeros would show; few values, so that windows have several maxima.
    (0..n).map(|i| -1.0 - ((i * 7919) % 101 / 9) as f32).collect()
}

fn values<const D: usize>(t: Tensor<D>) -> Vec<f32> {
    t.into_data().try_to_vec().unwrap()
}

/// The pool by its definition.
fn plain(x: &[f32], h: usize, w: usize, k: usize, s: usize) -> Vec<f32> {
    let mut out = Vec::new();
    for oy in 0..(h - k).div_ceil(s) + 1 {
        for ox in 0..(w - k).div_ceil(s) + 1 {
            let rows = oy * s..(oy * s + k).min(h);
            let best = rows
                .flat_map(|y| (ox * s..(ox * s + k).min(w)).map(move |c| x[y * w + c]))
                .fold(f32::NEG_INFINITY, f32::max);
            out.push(best);
        }
    }
    out
}

#[test]
fn values_are_those_of_the_definition_for_every_size() {
    let device = Device::flex();
    for (k, s) in [(3, 2), (2, 2), (3, 1), (3, 3)] {
        for h in 3..12 {
            for w in 3..12 {
                let x = noise(h * w);
                let want = plain(&x, h, w, k, s);
                let t = Tensor::<4>::from_data(TensorData::new(x, [1, 1, h, w]), &device);
                assert_eq!(values(max_pool(t, k, s)), want, "{k} every {s} on {h} x {w}");
            }
        }
    }
}

#[test]
fn values_and_gradients_are_burns() {
    let device = Device::flex().autodiff();
    for shape in [[2, 3, 7, 9], [1, 5, 8, 8], [3, 1, 13, 6]] {
        let run = |ours: bool| {
            let n = shape.iter().product();
            let x = Tensor::<4>::from_data(TensorData::new(noise(n), shape), &device).require_grad();
            let y = if ours {
                max_pool(x.clone(), 3, 2)
            } else {
                let options = MaxPoolOptions::new([3, 3]).with_stride([2, 2]).with_ceil_mode(true);
                max_pool2d(x.clone(), options)
            };
            let weights: Vec<f32> = (0..y.shape().num_elements()).map(|i| i as f32 - 7.5).collect();
            let weights = Tensor::<4>::from_data(TensorData::new(weights, y.dims()), &device);
            let grads = (y.clone() * weights).sum().backward();
            (values(y), values(x.grad(&grads).unwrap()))
        };
        assert_eq!(run(true), run(false), "{shape:?}");
    }
}

#[test]
#[should_panic(expected = "a pool of 3 every 2 on 2 x 9")]
fn an_image_smaller_than_the_window_is_refused() {
    max_pool(Tensor::<4>::zeros([1, 1, 2, 9], &Device::flex()), 3, 2);
}
