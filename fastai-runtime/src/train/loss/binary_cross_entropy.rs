//! Binary cross-entropy.

use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Device, Tensor, TensorData};

use super::by_cell::CellWeights;
use super::{Criterion, foreign, rows};
use crate::metrics::{Probabilities, Truth, log_loss};
use crate::train::Targets;

/// Binary cross-entropy of the sigmoid, from logits: the plain mean over all cells, each times the weight of its tag.
#[derive(Clone, Debug)]
pub struct BinaryCrossEntropy {
    weights: CellWeights,
}

impl BinaryCrossEntropy {
    /// `weights` has a weight for each tag.
    pub fn new(weights: Option<Vec<f32>>, device: &Device) -> Self {
        BinaryCrossEntropy { weights: CellWeights::new(weights, device) }
    }
}

impl Criterion for BinaryCrossEntropy {
    fn of_batch(&self, logits: Tensor<2>, truth: &Truth, targets: Targets<'_>) -> Tensor<1> {
        let Truth::Tags { tags, .. } = truth else { foreign(truth) };
        let count = targets.images().len();
        let lacks = |&tag: &bool| if tag { 0.0 } else { 1.0 };
        let of_image = |place: usize| {
            let [(own, share), (other, rest)] = targets.shown(place);
            let both = truth.tags_of(own).iter().zip(truth.tags_of(other));
            both.map(move |(a, b)| share * lacks(a) + rest * lacks(b))
        };
        let absent: Vec<f32> = (0..count).flat_map(of_image).collect();
        let absent = Tensor::<2>::from_data(TensorData::new(absent, [count, *tags]), &logits.device());
        // -y ln s(x) - (1 - y) ln(1 - s(x)), with ln(1 - s(x)) = ln s(x) - x: stable, and smooth at 0.
        self.weights.mean(absent * logits.clone() - log_sigmoid(logits))
    }

    fn of_images(&self, logits: &[f32], truth: &Truth) -> Vec<f64> {
        let Truth::Tags { tags, .. } = truth else { foreign(truth) };
        let of_image = |(image, row): (usize, &[f32])| {
            let cells = row.iter().zip(truth.tags_of(image)).enumerate();
            let sum: f64 = cells
                .map(|(tag, (&x, &has))| {
                    let x = f64::from(x);
                    let miss = x.max(0.0) - if has { x } else { 0.0 };
                    self.weights.of(tag) * (miss + (-x.abs()).exp().ln_1p())
                })
                .sum();
            sum / *tags as f64
        };
        rows(logits, truth).enumerate().map(of_image).collect()
    }

    /// Log loss, which weighs all tags alike.
    fn of_predictions(&self, predicted: &Probabilities, truth: &Truth) -> f64 {
        log_loss(predicted, truth)
    }
}
