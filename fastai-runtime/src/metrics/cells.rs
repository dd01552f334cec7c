//! Shares of right and of wrong cells of tags.

use fastai_dsl::Metric;

use super::statistic::{Statistic, Weighted, mean_of};
use super::tally::said;
use super::{Probabilities, Truth};

/// The share of right cells of each image.
fn right(predicted: &Probabilities, truth: &Truth, threshold: f64) -> Option<Vec<f64>> {
    let Truth::Tags { cells, tags } = truth else { return None };
    let said = said(predicted, threshold);
    let rows = cells.chunks_exact((*tags).max(1)).zip(said.chunks_exact((*tags).max(1)));
    let share = |(truth, said): (&[bool], &[bool])| {
        truth.iter().zip(said).filter(|(truth, said)| truth == said).count() as f64 / *tags as f64
    };
    Some(rows.map(share).collect())
}

/// Share of cells, an image and a tag, that are right.
#[derive(Clone, Copy, Debug)]
pub struct AccuracyThresh {
    /// A tag is predicted above this probability.
    pub threshold: f64,
}

impl Statistic for AccuracyThresh {
    language_metric!(self => Metric::AccuracyThresh { threshold: self.threshold });

    fn prepare<'a>(&'a self, predicted: &'a Probabilities, truth: &'a Truth) -> Option<Weighted<'a>> {
        right(predicted, truth, self.threshold).map(mean_of)
    }
}

/// Hamming loss: the share of cells that are wrong.
#[derive(Clone, Copy, Debug)]
pub struct Hamming {
    /// A tag is predicted above this probability.
    pub threshold: f64,
}

impl Statistic for Hamming {
    language_metric!(self => Metric::Hamming { threshold: self.threshold });

    fn prepare<'a>(&'a self, predicted: &'a Probabilities, truth: &'a Truth) -> Option<Weighted<'a>> {
        let right = right(predicted, truth, self.threshold)?;
        Some(mean_of(right.into_iter().map(|share| 1.0 - share).collect()))
    }
}
