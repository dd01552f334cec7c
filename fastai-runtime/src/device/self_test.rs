//! Whether a device computes.

use std::time::{Duration, Instant};

use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};

use super::guard::guarded;

/// Largest accepted difference to the CPU's results, which are about 1. GPUs multiply with fewer bits (TF32).
const TOLERANCE: f32 = 1e-2;

/// Whether devices are tested before they are used: unless `FASTAI_SELF_TEST=off` is in the environment, for a driver that runs
/// no kernel (`tools/cuda_kernels.sh`).
pub(super) fn is_wanted() -> bool {
    std::env::var("FASTAI_SELF_TEST").map_or(true, |value| value != "off")
}

/// Compiles and runs a few kernels on `device`: a convolution, a matrix product and a reduction, each compared with the CPU.
/// Returns the time that this took.
///
/// # Errors
/// The driver's reason, or the difference if the results are wrong.
pub fn self_test(device: &Device) -> Result<Duration, String> {
    let started = Instant::now();
    let got = guarded(|| results(device))??;
    let want = results(&Device::flex())?;
    let worst = got.iter().zip(&want).map(|(got, want)| (got - want).abs());
    let worst = worst.fold(0f32, |worst, difference| if difference <= worst { worst } else { difference });
    if got.len() != want.len() || worst.is_nan() || worst > TOLERANCE {
        return Err(format!("its results differ from those of the CPU by {worst:.1e}"));
    }
    Ok(started.elapsed())
}

/// Numbers around 1 from a convolution, a matrix product and a mean.
fn results(device: &Device) -> Result<Vec<f32>, String> {
    const CHANNELS: usize = 8;
    const CLASSES: usize = 10;
    let numbers = |count: usize, step: f32| (0..count).map(|i| (i as f32 * step).sin()).collect::<Vec<_>>();
    let images = TensorData::new(numbers(2 * CHANNELS * 16 * 16, 0.37), [2, CHANNELS, 16, 16]);
    let kernels = TensorData::new(numbers(CHANNELS * CHANNELS * 9, 0.11), [CHANNELS, CHANNELS, 3, 3]);
    let (images, kernels) =
        (Tensor::<4>::from_data(images, device), Tensor::<4>::from_data(kernels, device) * (1.0 / CHANNELS as f32));
    let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    let rows: Tensor<2> = conv2d(images, kernels, None, options).clamp_min(0.0).reshape([2 * CHANNELS, 256]);
    let factors = TensorData::new(numbers(256 * CLASSES, 0.23), [256, CLASSES]);
    let product = rows.clone().matmul(Tensor::from_data(factors, device)) * (1.0 / 16.0);
    let all = Tensor::cat(vec![product, rows.mean_dim(1)], 1);
    all.into_data().try_into_vec::<f32>().map_err(|e| format!("it returns values that are not 32-bit floats: {e:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_computes() {
        assert!(self_test(&Device::flex()).is_ok());
        let results = results(&Device::flex()).unwrap();
        assert!(results.len() == 16 * 11 && results.iter().any(|x| *x > 0.1));
    }
}
