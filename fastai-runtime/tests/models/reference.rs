//! Inputs and weights by formula; tools/reference_models.py has the same.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use fastai_runtime::models::Network;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

pub fn formula(n: usize, h: usize, w: usize, device: &Device) -> Tensor<4> {
    let mut values = Vec::with_capacity(n * 3 * h * w);
    for i in 0..n * 3 * h * w {
        let (b, c, y, x) = (i / (3 * h * w), i / (h * w) % 3, i / w % h, i % w);
        let (b, c, y, x) = (b as f64, c as f64, y as f64, x as f64);
        let v = 1.5 * (0.13 * y + 0.7 * c + b).sin() + 0.8 * (0.09 * x * (c + 1.0) - 0.05 * y).cos();
        values.push(v as f32);
    }
    Tensor::from_data(TensorData::new(values, [n, 3, h, w]), device)
}

/// Uniform in [-1, 1): number `i` for the tensor called `name`.
pub fn noise(name: &str) -> impl Fn(usize) -> f64 {
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01B3));
    move |i| {
        let z = seed.wrapping_add((i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let z = z ^ (z >> 31);
        (z >> 40) as f64 / f64::from(1 << 23) - 1.0
    }
}

/// `lift` is added to the bias of a norm.
pub fn weights(name: &str, shape: &[usize], lift: Option<f64>) -> Vec<f32> {
    let noise = noise(name);
    let fan_in: usize = shape[1..].iter().product();
    let scale = (6.0 / fan_in as f64).sqrt();
    let value = |u: f64| match name.rsplit('.').next() {
        Some("running_var") => 1.0 + u / 2.0,
        Some("bias") => u / 10.0 + lift.unwrap_or_default(),
        Some("running_mean") => u / 10.0,
        _ if shape.len() == 1 => 1.0 + u / 4.0,
        _ => u * scale,
    };
    (0..shape.iter().product()).map(|i| value(noise(i)) as f32).collect()
}

pub fn values<const D: usize>(t: Tensor<D>) -> Vec<f32> {
    t.into_data().try_to_vec().unwrap()
}

/// Twice the noise called `name`.
pub fn noise_images(name: &str, shape: [usize; 4], device: &Device) -> Tensor<4> {
    let noise = noise(name);
    let values: Vec<f32> = (0..shape.iter().product()).map(|i| (2.0 * noise(i)) as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A file of the body's weights by formula; `salt` makes others.
pub fn write_body(network: &Network, salt: &str, path: &Path) {
    let all: BTreeMap<String, (Vec<usize>, Vec<u8>)> = network
        .shapes()
        .into_iter()
        .filter_map(|(name, shape)| Some((name.strip_prefix("body.")?.to_owned(), shape)))
        .map(|(name, shape)| {
            let values = weights(&format!("{salt}{name}"), &shape, None);
            (name, (shape, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        })
        .collect();
    let views =
        all.iter().map(|(name, (shape, data))| (name, TensorView::new(Dtype::F32, shape.clone(), data).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}
