//! The pool kernel against its definition and burn's own operation: values and gradients.

use burn::nn::PaddingConfig2d;
use burn::nn::pool::MaxPool2dConfig;
use burn::tensor::{Device, Tensor, TensorData};
use fastai_runtime::kernels::{PoolArgs, max_pool};

fn noise(n: usize) -> Vec<f32> {
    // All negative, so that a border of zeros would show; few values, so that windows have several maxima.
    (0..n).map(|i| -1.0 - ((i * 7919) % 101 / 9) as f32).collect()
}

fn values<const D: usize>(t: Tensor<D>) -> Vec<f32> {
    t.into_data().try_to_vec().unwrap()
}

/// The pool by its definition: windows begin in the image or in the padding before it, and look at the image only.
fn plain(x: &[f32], h: usize, w: usize, args: PoolArgs) -> Vec<f32> {
    let PoolArgs { kernel, stride, pad, ceil } = args;
    let starts = |side: usize| -> Vec<usize> {
        let last = side + 2 * pad;
        let fits = move |start: &usize| if ceil { *start < side + pad } else { start + kernel <= last };
        // A hanging window is only there if the one before it does not reach the end.
        let needed = move |start: &usize| *start == 0 || start - stride + kernel < last;
        (0..).map(|n| n * stride).take_while(|s| fits(s) && needed(s)).collect()
    };
    let inside = |start: usize, side: usize| start.saturating_sub(pad)..(start + kernel).saturating_sub(pad).min(side);
    let mut out = Vec::new();
    for oy in starts(h) {
        for ox in starts(w) {
            let pixels = inside(oy, h).flat_map(|y| inside(ox, w).map(move |c| x[y * w + c]));
            out.push(pixels.fold(f32::NEG_INFINITY, f32::max));
        }
    }
    out
}

#[test]
fn values_are_those_of_the_definition_for_every_size() {
    let device = Device::flex();
    for (kernel, stride, pad) in [(3, 2, 0), (2, 2, 0), (3, 1, 0), (3, 3, 0), (3, 2, 1), (3, 1, 1), (2, 2, 1)] {
        for ceil in [true, false] {
            let args = PoolArgs { kernel, stride, pad, ceil };
            for h in 3..12 {
                for w in 3..12 {
                    let x = noise(h * w);
                    let want = plain(&x, h, w, args);
                    let t = Tensor::<4>::from_data(TensorData::new(x, [1, 1, h, w]), &device);
                    assert_eq!(values(max_pool(t, args)), want, "{args:?} on {h} x {w}");
                }
            }
        }
    }
}

#[test]
fn values_and_gradients_are_burns() {
    let device = Device::flex().autodiff();
    for (pad, ceil) in [(0, true), (0, false), (1, false)] {
        for shape in [[2, 3, 7, 9], [1, 5, 8, 8], [3, 1, 13, 6]] {
            let run = |ours: bool| {
                let n = shape.iter().product();
                let x = Tensor::<4>::from_data(TensorData::new(noise(n), shape), &device).require_grad();
                let y = if ours {
                    max_pool(x.clone(), PoolArgs { kernel: 3, stride: 2, pad, ceil })
                } else {
                    let padding = PaddingConfig2d::Explicit(pad, pad, pad, pad);
                    MaxPool2dConfig::new([3, 3])
                        .with_strides([2, 2])
                        .with_padding(padding)
                        .with_ceil_mode(ceil)
                        .init()
                        .forward(x.clone())
                };
                let weights: Vec<f32> = (0..y.shape().num_elements()).map(|i| i as f32 - 7.5).collect();
                let weights = Tensor::<4>::from_data(TensorData::new(weights, y.dims()), &device);
                let grads = (y.clone() * weights).sum().backward();
                (values(y), values(x.grad(&grads).unwrap()))
            };
            assert_eq!(run(true), run(false), "{shape:?}, padding {pad}, ceil {ceil}");
        }
    }
}

#[test]
#[should_panic(expected = "on 2 x 9")]
fn an_image_smaller_than_the_window_is_refused() {
    let args = PoolArgs { kernel: 3, stride: 2, pad: 0, ceil: true };
    max_pool(Tensor::<4>::zeros([1, 1, 2, 9], &Device::flex()), args);
}
