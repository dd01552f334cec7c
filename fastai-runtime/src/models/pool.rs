//! Pools.

use burn::tensor::Tensor;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;

/// Max pool of side `kernel` every `stride` pixels without padding, where windows may hang over the right and bottom
/// border (PyTorch's `ceil_mode`): `[batch, channel, height, width]`, sides `ceil((side - kernel) / stride) + 1`.
pub fn max_pool_ceil(x: Tensor<4>, kernel: usize, stride: usize) -> Tensor<4> {
    let options = MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_ceil_mode(true);
    max_pool2d(x, options)
}

/// fastai's concat pool: the maxima, then the averages, of each channel: `[batch, channel, height, width]` to
/// `[batch, 2 * channel]`.
pub fn concat_pool(x: Tensor<4>) -> Tensor<2> {
    let x: Tensor<3> = x.flatten(2, 3);
    let maxima: Tensor<2> = x.clone().max_dim(2).flatten(1, 2);
    let averages: Tensor<2> = x.mean_dim(2).flatten(1, 2);
    Tensor::cat(vec![maxima, averages], 1)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    /// The same pool by its definition.
    fn plain(x: &[f32], h: usize, w: usize, k: usize, s: usize) -> (Vec<f32>, usize, usize) {
        let (oh, ow) = ((h - k).div_ceil(s) + 1, (w - k).div_ceil(s) + 1);
        let mut out = Vec::new();
        for oy in 0..oh {
            for ox in 0..ow {
                let mut best = f32::NEG_INFINITY;
                for y in oy * s..(oy * s + k).min(h) {
                    for c in ox * s..(ox * s + k).min(w) {
                        best = best.max(x[y * w + c]);
                    }
                }
                out.push(best);
            }
        }
        (out, oh, ow)
    }

    #[test]
    fn ceil_mode_is_right_for_every_size() {
        let device = Device::flex();
        for h in 3..12 {
            for w in 3..12 {
                // all negative, so that padding with zeros would show
                let x: Vec<f32> = (0..h * w).map(|i| -1.0 - ((i * 7919) % 101) as f32).collect();
                let (want, oh, ow) = plain(&x, h, w, 3, 2);
                let t = Tensor::<4>::from_data(TensorData::new(x, [1, 1, h, w]), &device);
                let got = max_pool_ceil(t, 3, 2);
                assert_eq!(got.dims(), [1, 1, oh, ow], "{h}x{w}");
                assert_eq!(got.into_data().try_to_vec::<f32>().unwrap(), want, "{h}x{w}");
            }
        }
    }

    #[test]
    fn gradient_of_an_overhanging_window_reaches_its_maximum() {
        let device = Device::flex().autodiff();
        let x: Vec<f32> = (0..16).map(|v| v as f32).collect();
        let t = Tensor::<4>::from_data(TensorData::new(x, [1, 1, 4, 4]), &device).require_grad();
        let grads = max_pool_ceil(t.clone(), 3, 2).sum().backward();
        let got = t.grad(&grads).unwrap().into_data().try_to_vec::<f32>().unwrap();
        let mut want = vec![0.0; 16];
        for i in [10, 11, 14, 15] {
            want[i] = 1.0;
        }
        assert_eq!(got, want);
    }

    #[test]
    fn maxima_come_before_averages() {
        let x = TensorData::new(vec![1.0f32, 2.0, 3.0, 6.0, -4.0, -3.0, -2.0, -7.0], [1, 2, 2, 2]);
        let got = concat_pool(Tensor::<4>::from_data(x, &Device::flex()));
        assert_eq!(got.into_data().try_to_vec::<f32>().unwrap(), vec![6.0, -2.0, 3.0, -4.0]);
    }
}
