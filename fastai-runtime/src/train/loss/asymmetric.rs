//! Asymmetric loss.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, sigmoid};

use super::by_cell::{CellLoss, log_sigmoid_of};

/// Probabilities below are 0; a power of 0 would have no derivative.
const LEAST: f64 = 1e-12;

/// Asymmetric loss (Ben-Baruch et al. 2021): `(1 - p)^gamma_pos (-ln p)` of cells that an image has, and of the others
/// `q^gamma_neg (-ln(1 - q))` with `q = max(p - clip, 0)`, where p is the sigmoid of the logit.
#[derive(Clone, Copy, Debug)]
pub struct AsymmetricLoss {
    /// Exponent for cells that an image has not.
    pub gamma_neg: f64,
    /// Exponent for cells that an image has.
    pub gamma_pos: f64,
    /// Subtracted from the probability of cells that an image has not, in `[0, 1)`.
    pub clip: f64,
}

impl CellLoss for AsymmetricLoss {
    fn of_cells(&self, logits: Tensor<2>) -> [Tensor<2>; 2] {
        let (with, without) = (log_sigmoid(logits.clone()), log_sigmoid(logits.clone().neg()));
        let present = (without.clone() * self.gamma_pos).exp() * with.clone().neg();
        let absent = if self.clip > 0.0 {
            let q = sigmoid(logits).sub_scalar(self.clip).clamp_min(LEAST);
            q.clone().powf_scalar(self.gamma_neg) * q.neg().add_scalar(1.0).log().neg()
        } else {
            (with * self.gamma_neg).exp() * without.neg()
        };
        [absent, present]
    }

    fn of_cell(&self, x: f64, has: bool) -> f64 {
        let (with, without) = (log_sigmoid_of(x), log_sigmoid_of(-x));
        if has {
            return (self.gamma_pos * without).exp() * -with;
        }
        if self.clip > 0.0 {
            let q = (with.exp() - self.clip).max(LEAST);
            q.powf(self.gamma_neg) * -(-q).ln_1p()
        } else {
            (self.gamma_neg * with).exp() * -without
        }
    }
}
