//! Focal loss.

use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Tensor, TensorData};

use super::by_cell::{CellLoss, log_sigmoid_of};
use super::{Criterion, foreign, mean_by_class, rows, weight_of};
use crate::metrics::{Truth, log_sum_exp};
use crate::train::Targets;

/// Probabilities below are 0; a power of 0 would have no derivative.
const LEAST: f64 = 1e-30;

/// Focal loss of cells (Lin et al. 2017): `(1 - p)^gamma (-ln p)` of those that an image has, `p^gamma (-ln(1 - p))` of the
/// others, where p is the sigmoid of the logit.
#[derive(Clone, Copy, Debug)]
pub struct FocalCells {
    /// How little easy cells count.
    pub gamma: f64,
    /// Weight of cells that an image has; the others weigh `1 - alpha`. `None` = all weigh 1.
    pub alpha: Option<f64>,
}

impl FocalCells {
    /// The weights of cells that an image has not, and of those that it has.
    fn weights(&self) -> [f64; 2] {
        self.alpha.map_or([1.0, 1.0], |alpha| [1.0 - alpha, alpha])
    }
}

impl CellLoss for FocalCells {
    fn of_cells(&self, logits: Tensor<2>) -> [Tensor<2>; 2] {
        let (with, without) = (log_sigmoid(logits.clone()), log_sigmoid(logits.neg()));
        let [absent, present] = self.weights();
        // A power of a probability is an exponential of its logarithm, which is exact near 0 and has a derivative there.
        [(with.clone() * self.gamma).exp() * without.clone() * -absent, (without * self.gamma).exp() * with * -present]
    }

    fn of_cell(&self, x: f64, has: bool) -> f64 {
        let x = if has { x } else { -x };
        self.weights()[usize::from(has)] * (self.gamma * log_sigmoid_of(-x)).exp() * -log_sigmoid_of(x)
    }
}

/// Focal loss of classes: `(1 - p)^gamma (-ln p)` for the probability p of the label by the softmax.
///
/// With weights, the weighted sum is divided by the sum of the labels' weights, so that a gamma of 0 is cross-entropy. A mixed
/// image counts the losses of both of its labels in their shares.
#[derive(Clone, Debug)]
pub struct FocalClasses {
    /// How little easy images count.
    pub gamma: f64,
    /// Weight of each class.
    pub weights: Option<Vec<f32>>,
}

impl Criterion for FocalClasses {
    fn of_batch(&self, logits: Tensor<2>, truth: &Truth, targets: Targets<'_>) -> Tensor<1> {
        let Truth::Classes(classes) = truth else { foreign(truth) };
        let (shape, device) = (logits.dims(), logits.device());
        let weight = |class: usize| weight_of(self.weights.as_deref(), class);
        let labels: Vec<[(usize, f64); 2]> = (0..shape[0])
            .map(|place| targets.shown(place).map(|(image, share)| (classes[image] as usize, f64::from(share))))
            .collect();
        let total: f64 = labels.iter().flatten().map(|(class, share)| share * weight(*class)).sum();
        let log_p = log_softmax(logits, 1);
        let p = log_p.clone().exp();
        // The losses of one label of each image.
        let of = |which: usize| {
            let (mut one_hot, mut counts) = (vec![0f32; shape[0] * shape[1]], Vec::with_capacity(shape[0]));
            for (row, both) in one_hot.chunks_exact_mut(shape[1].max(1)).zip(&labels) {
                let (class, share) = both[which];
                row[class] = 1.0;
                counts.push((share * weight(class) / total) as f32);
            }
            let one_hot = Tensor::<2>::from_data(TensorData::new(one_hot, shape), &device);
            let counts = Tensor::<2>::from_data(TensorData::new(counts, [shape[0], 1]), &device);
            // The probability of the other classes is exact where that of the label is almost 1.
            let others = (p.clone() * one_hot.clone().neg().add_scalar(1.0)).sum_dim(1).clamp_min(LEAST);
            let label = (log_p.clone() * one_hot).sum_dim(1);
            (others.powf_scalar(self.gamma) * label * counts).sum().neg()
        };
        if targets.mixed() { of(0) + of(1) } else { of(0) }
    }

    fn of_set(&self, losses: &[f64], truth: &Truth) -> f64 {
        mean_by_class(losses, truth, self.weights.as_deref())
    }

    fn of_images(&self, logits: &[f32], truth: &Truth) -> Vec<f64> {
        let Truth::Classes(classes) = truth else { foreign(truth) };
        let of_image = |(row, class): (&[f32], &u32)| {
            let (class, all) = (*class as usize, log_sum_exp(row));
            let others = row.iter().enumerate().filter(|(other, _)| *other != class);
            let others: f64 = others.map(|(_, &x)| (f64::from(x) - all).exp()).sum();
            others.max(LEAST).powf(self.gamma) * (all - f64::from(row[class]))
        };
        rows(logits, truth).zip(classes).map(of_image).collect()
    }
}
