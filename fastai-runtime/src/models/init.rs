//! Initial values, drawn on the host so that they are equal on every device and with any number of threads.

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use crate::random::{Stream, normal};

/// The part of the network that initial values belong to; parts never share random numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NetworkPart {
    /// The convolutions.
    Body,
    /// The `n`-th head of a run, counted from 0.
    Head(u64),
}

/// The generator of the `index`-th weight of a part: stream `init` at (body 0 or head 1, number, index).
pub(crate) fn stream(seed: u64, part: NetworkPart, index: u64) -> ChaCha8Rng {
    let (kind, number) = match part {
        NetworkPart::Body => (0, 0),
        NetworkPart::Head(n) => (1, n),
    };
    Stream::new(seed, "init").at(&[kind, number, index])
}

/// Kaiming normal weights for ReLU networks: standard deviation `sqrt(2 / fan_in)`. They are drawn on first use, so weights
/// that a file replaces cost nothing.
pub(crate) fn kaiming<const D: usize>(
    mut rng: ChaCha8Rng,
    shape: [usize; D],
    fan_in: usize,
    device: &Device,
) -> Param<Tensor<D>> {
    let draw = move |device: &Device, require_grad: bool| {
        let values = normal(&mut rng, shape.iter().product(), (2.0 / fan_in as f64).sqrt());
        let data = TensorData::new(values, shape);
        let weights = device.memory_persistent_allocations(data, |data| Tensor::from_data(data, device));
        weights.set_require_grad(require_grad)
    };
    Param::uninitialized(ParamId::new(), draw, device.clone(), true, shape.into())
}

/// A trainable vector of one value.
pub(crate) fn constant(value: f32, width: usize, device: &Device) -> Param<Tensor<1>> {
    Param::from_data(TensorData::new(vec![value; width], [width]), device)
}

/// A vector that belongs to the model but is never trained.
pub(crate) fn buffer(value: f32, width: usize, device: &Device) -> Param<Tensor<1>> {
    constant(value, width, device).set_require_grad(false)
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn normal_has_the_wanted_moments() {
        let values = normal(&mut stream(42, NetworkPart::Head(0), 0), 100_001, 0.5);
        assert_eq!(values.len(), 100_001);
        let n = values.len() as f64;
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        let variance = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 0.01, "mean {mean}");
        assert!((variance - 0.25).abs() < 0.005, "variance {variance}");
    }

    #[test]
    fn streams_differ_by_seed_part_and_index() {
        let mut first: Vec<u64> = [
            stream(1, NetworkPart::Body, 0),
            stream(2, NetworkPart::Body, 0),
            stream(1, NetworkPart::Body, 1),
            stream(1, NetworkPart::Head(0), 0),
            stream(1, NetworkPart::Head(1), 0),
        ]
        .iter_mut()
        .map(|r| r.next_u64())
        .collect();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 5);
    }
}
