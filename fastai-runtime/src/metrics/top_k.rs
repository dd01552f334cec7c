//! Top-k accuracy.

use fastai_dsl::Metric;

use super::interval::wilson;
use super::{Measure, Probabilities, Truth};

/// Share of images whose label is one of the `k` most probable classes, with Wilson's interval.
#[derive(Clone, Copy, Debug)]
pub struct TopK {
    /// Classes that count; from their number on, every image is right.
    pub k: u32,
}

impl TopK {
    /// Images whose label is among the first; of equal probabilities the first class comes first.
    fn right(self, predicted: &Probabilities, classes: &[u32]) -> u64 {
        let found = |(row, &class): (&[f32], &u32)| {
            let class = class as usize;
            let before = row.iter().enumerate().filter(|&(c, &p)| p > row[class] || (p == row[class] && c < class));
            before.count() < self.k as usize
        };
        predicted.rows().zip(classes).filter(|&pair| found(pair)).count() as u64
    }
}

impl Measure for TopK {
    language_metric!(self => Metric::TopK { k: self.k });

    fn value(&self, predicted: &Probabilities, truth: &Truth) -> f64 {
        let Truth::Classes(classes) = truth else { return f64::NAN };
        self.right(predicted, classes) as f64 / classes.len().max(1) as f64
    }

    fn interval(&self, predicted: &Probabilities, truth: &Truth, _: &mut dyn FnMut() -> u64) -> Option<[f64; 2]> {
        let Truth::Classes(classes) = truth else { return None };
        Some(wilson(self.right(predicted, classes), classes.len() as u64))
    }
}
