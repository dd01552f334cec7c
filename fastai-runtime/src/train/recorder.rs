//! The training loss as fastai shows it.

/// Share of the past in the moving average.
const MOMENTUM: f64 = 0.98;

/// Exponential moving average of the batches' losses, debiased: the first value shown is the first loss itself.
///
/// ```
/// use fastai_runtime::train::SmoothedLoss;
/// let mut loss = SmoothedLoss::default();
/// assert_eq!(loss.add(1.0), 1.0);
/// assert!((loss.add(0.5) - 0.747475).abs() < 1e-6);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SmoothedLoss {
    average: f64,
    batches: u32,
}

impl SmoothedLoss {
    /// Adds a batch's loss and gives the smoothed value: `a <- .98 a + .02 loss`, shown as `a / (1 - .98^k)`.
    pub fn add(&mut self, loss: f64) -> f64 {
        self.average = MOMENTUM * self.average + (1.0 - MOMENTUM) * loss;
        self.batches += 1;
        self.value()
    }

    /// The smoothed value; NaN before the first batch.
    pub fn value(&self) -> f64 {
        self.average / (1.0 - MOMENTUM.powi(self.batches as i32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debiased_vector() {
        let mut loss = SmoothedLoss::default();
        for (given, shown) in [(1.0, 1.0), (0.5, 0.747_475), (0.25, 0.578_289), (2.0, 0.944_559)] {
            let got = loss.add(given);
            assert!((got - shown).abs() < 1e-6, "{got} for {shown}");
        }
    }
}
