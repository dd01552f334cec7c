//! Cross-entropy.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};

use super::{Criterion, foreign, mean_by_class, rows, weight_of};
use crate::metrics::{Probabilities, Truth, log_loss, log_sum_exp};
use crate::train::Targets;

/// Cross-entropy of the log-softmax, from logits.
///
/// With weights, the weighted sum is divided by the sum of the labels' weights before smoothing, as in PyTorch.
#[derive(Clone, Debug)]
pub struct CrossEntropy {
    /// Weight of each class.
    pub weights: Option<Vec<f32>>,
    /// Share of each label, in `[0, 1)`, that is spread evenly over all classes in training.
    pub smoothing: f64,
}

impl CrossEntropy {
    /// The weight of each class's log-probability for each image, `[batch, class]`.
    fn shares(&self, classes: &[u32], targets: Targets<'_>, width: usize) -> Vec<f32> {
        let count = targets.images().len();
        let weight = |class: usize| weight_of(self.weights.as_deref(), class);
        let shown = |place: usize| targets.shown(place).map(|(i, share)| (classes[i] as usize, f64::from(share)));
        let total: f64 = (0..count).flat_map(shown).map(|(class, share)| share * weight(class)).sum();
        let mut shares = vec![0f32; count * width];
        for (place, row) in shares.chunks_exact_mut(width.max(1)).enumerate() {
            for (class, cell) in row.iter_mut().enumerate() {
                let label: f64 = shown(place).iter().filter(|(c, _)| *c == class).map(|(_, share)| share).sum();
                let smooth = (1.0 - self.smoothing) * label + self.smoothing / width as f64;
                *cell = (smooth * weight(class) / total) as f32;
            }
        }
        shares
    }
}

impl Criterion for CrossEntropy {
    fn of_batch(&self, logits: Tensor<2>, truth: &Truth, targets: Targets<'_>) -> Tensor<1> {
        let Truth::Classes(classes) = truth else { foreign(truth) };
        let device = logits.device();
        if targets.mixed() || self.smoothing > 0.0 {
            let shape = logits.dims();
            let shares = self.shares(classes, targets, shape[1]);
            let shares = Tensor::<2>::from_data(TensorData::new(shares, shape), &device);
            return (log_softmax(logits, 1) * shares).sum().neg();
        }
        let images = targets.images();
        let labels: Vec<i32> = images.iter().map(|&i| classes[i] as i32).collect();
        let labels = Tensor::<2, Int>::from_data(TensorData::new(labels, [images.len(), 1]), &device);
        let log_p = log_softmax(logits, 1).gather(1, labels);
        match &self.weights {
            None => log_p.mean().neg(),
            Some(weights) => {
                let of_image: Vec<f32> = images.iter().map(|&i| weights[classes[i] as usize]).collect();
                let sum: f32 = of_image.iter().sum();
                let of_image = Tensor::from_data(TensorData::new(of_image, [images.len(), 1]), &device);
                (log_p * of_image).sum().neg().div_scalar(sum)
            }
        }
    }

    fn of_set(&self, losses: &[f64], truth: &Truth) -> f64 {
        mean_by_class(losses, truth, self.weights.as_deref())
    }

    fn of_images(&self, logits: &[f32], truth: &Truth) -> Vec<f64> {
        let Truth::Classes(classes) = truth else { foreign(truth) };
        let of_image = |(row, class): (&[f32], &u32)| log_sum_exp(row) - f64::from(row[*class as usize]);
        rows(logits, truth).zip(classes).map(of_image).collect()
    }

    /// Log loss, which weighs all classes alike.
    fn of_predictions(&self, predicted: &Probabilities, truth: &Truth) -> f64 {
        log_loss(predicted, truth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_logits_cost_the_logarithm_of_the_classes() {
        let loss = CrossEntropy { weights: None, smoothing: 0.0 };
        let [of_image] = loss.of_images(&[0.7; 8], &Truth::Classes(vec![3]))[..] else { panic!("one image") };
        assert!((of_image - 8f64.ln()).abs() < 1e-12);
    }
}
