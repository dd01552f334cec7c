//! fastai's classifier head.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Device;
use burn::tensor::activation::relu;
use burn::tensor::{Tensor, TensorData};
use fastai_dsl::HeadSpec;
use rand_chacha::ChaCha8Rng;

use super::cpu;
use super::init::{self, NetworkPart};
use super::norm::{BatchNorm, Pass};
use crate::random;

/// Batch norm, dropout, linear.
#[derive(Module, Debug)]
pub struct HeadLayer {
    /// Over the layer's inputs.
    pub norm: BatchNorm,
    /// Weight `[input, output]`, bias `[output]`.
    pub linear: Linear,
    dropout: f64,
}

/// For each hidden layer: batch norm, dropout, linear, ReLU. The last layer has no ReLU and outputs the classes.
#[derive(Module, Debug)]
pub struct Head {
    /// The hidden layers, then the last one.
    pub layers: Vec<HeadLayer>,
}

const EPSILON: f64 = 1e-5;
const MOMENTUM: f64 = 0.1;

impl Head {
    /// Creates a head with Kaiming normal weights (fan in, gain sqrt 2) and biases 0. `number` counts the heads of a run,
    /// so that each starts from different weights.
    ///
    /// # Panics
    /// If `spec.dropout` does not have one value more than `spec.hidden`; that of a checked recipe always has.
    pub fn new(spec: &HeadSpec, input: usize, classes: usize, seed: u64, number: u64, device: &Device) -> Self {
        assert_eq!(spec.dropout.len(), spec.hidden.len() + 1, "one dropout a linear layer");
        let mut width = input;
        let outputs = spec.hidden.iter().map(|h| *h as usize).chain([classes]);
        let layers = outputs
            .zip(&spec.dropout)
            .enumerate()
            .map(|(index, (output, &dropout))| {
                let rng = init::stream(seed, NetworkPart::Head(number), index as u64);
                let layer = HeadLayer {
                    norm: BatchNorm::new(width, EPSILON, MOMENTUM, device),
                    linear: Linear {
                        weight: init::kaiming(rng, [width, output], width, device),
                        bias: Some(init::constant(0.0, output, device)),
                    },
                    dropout,
                };
                width = output;
                layer
            })
            .collect();
        Self { layers }
    }

    /// Logits `[batch, classes]` of features `[batch, input]`, in evaluation.
    pub fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        self.forward_in(features, None, &mut Pass::eval())
    }

    /// Logits `[batch, classes]` in a pass, where one of training uses batch statistics and collects them. Dropout needs `rng`.
    pub(super) fn forward_in(&self, mut x: Tensor<2>, mut rng: Option<&mut ChaCha8Rng>, pass: &mut Pass) -> Tensor<2> {
        for (index, layer) in self.layers.iter().enumerate() {
            let evaluated = match pass.is_training() {
                true => None,
                false => cpu::evaluate_layer(&layer.norm, &layer.linear, &x, index > 0),
            };
            if let Some(output) = evaluated {
                x = output;
                continue;
            }
            if index > 0 {
                x = relu(x);
            }
            x = layer.norm.forward(x, pass);
            if let Some(rng) = rng.as_deref_mut() {
                x = dropout(x, layer.dropout, rng);
            }
            x = layer.linear.forward(x);
        }
        x
    }

    /// Inputs and outputs of each linear layer.
    pub fn widths(&self) -> Vec<[usize; 2]> {
        self.layers.iter().map(|l| l.linear.weight.lazy_shape().dims()).collect()
    }
}

/// Sets values to 0 with probability `p` and scales the others by `1 / (1 - p)`. The host draws the mask, so it is the same
/// on every device.
fn dropout(x: Tensor<2>, p: f64, rng: &mut ChaCha8Rng) -> Tensor<2> {
    if p <= 0.0 {
        return x;
    }
    let [rows, columns] = x.dims();
    let mask = random::dropout(rng, rows * columns, p);
    let mask = Tensor::from_data(TensorData::new(mask, [rows, columns]), &x.device());
    x * mask
}

#[cfg(test)]
mod tests {
    use burn::module::Param;

    use super::*;

    fn spec() -> HeadSpec {
        HeadSpec { hidden: vec![8], dropout: vec![0.25, 0.5] }
    }

    #[test]
    fn dropout_keeps_the_mean_and_its_share() {
        let device = Device::flex();
        let mut rng = init::stream(3, NetworkPart::Head(9), 0);
        let y = dropout(Tensor::ones([100, 200], &device), 0.25, &mut rng).into_data().try_to_vec::<f32>().unwrap();
        let dropped = y.iter().filter(|v| **v == 0.0).count() as f64 / 20_000.0;
        assert!((dropped - 0.25).abs() < 0.015, "{dropped}");
        assert!(y.iter().all(|v| *v == 0.0 || (*v - 4.0 / 3.0).abs() < 1e-6));
    }

    #[test]
    fn an_evaluation_is_norm_and_product_after_product() {
        let device = Device::flex();
        let mut head = Head::new(&spec(), 16, 3, 1, 0, &device);
        let values =
            |from: f32, count: usize| -> Vec<f32> { (0..count).map(|i| from + 0.1 * (i % 7) as f32).collect() };
        for layer in &mut head.layers {
            let tensor = |from, count| Tensor::<1>::from_floats(values(from, count).as_slice(), &device);
            let width = layer.linear.weight.val().dims()[0];
            layer.norm.weight = Param::from_tensor(tensor(0.5, width));
            layer.norm.bias = Param::from_tensor(tensor(-0.2, width));
            layer.norm.running_mean = Param::from_tensor(tensor(-0.3, width));
            layer.norm.running_var = Param::from_tensor(tensor(0.4, width));
        }
        let head = head.valid();
        let x = Tensor::<2>::from_data(TensorData::new(values(-0.4, 5 * 16), [5, 16]), &device);
        let mut expected = x.clone();
        for (index, layer) in head.layers.iter().enumerate() {
            expected = if index > 0 { relu(expected) } else { expected };
            expected = layer.linear.forward(layer.norm.forward(expected, &mut Pass::eval()));
        }
        let [got, expected] = [head.forward(x), expected].map(|x| x.into_data().try_to_vec::<f32>().unwrap());
        let apart = got.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 1e-6 && got.iter().any(|x| x.abs() > 0.1), "{apart}: {got:?} {expected:?}");
        let nan = Tensor::<2>::full([1, 16], f32::NAN, &device);
        assert!(head.forward(nan).into_data().try_to_vec::<f32>().unwrap().iter().all(|x| x.is_nan()));
    }

    #[test]
    fn parameters_are_what_the_language_counts() {
        let head = Head::new(&spec(), 16, 3, 1, 0, &Device::flex());
        let mut count = 0;
        super::super::parameter::visit(&head, |name, seen| {
            if !super::super::parameter::is_buffer(name) {
                count += seen.shape.iter().product::<usize>() as u64;
            }
        });
        assert_eq!(count, spec().parameters(16, 3));
    }

    #[test]
    fn the_same_seed_gives_the_same_head_and_the_next_head_another() {
        let read = |seed, number| {
            let head = Head::new(&spec(), 16, 3, seed, number, &Device::flex());
            head.layers[0].linear.weight.val().into_data().try_to_vec::<f32>().unwrap()
        };
        assert_eq!(read(1, 0), read(1, 0));
        assert_ne!(read(1, 0), read(2, 0));
        assert_ne!(read(1, 0), read(1, 1));
    }
}
