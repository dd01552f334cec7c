//! Average precision.

use fastai_dsl::Metric;

use super::auroc::{Ranked, macro_average, measured_classes, rankings, unmeasured_classes};
use super::statistic::{Statistic, Weighted};
use super::{Probabilities, Truth};

/// Average precision: the mean over the classes, each against the rest, or over the tags, of the precision at each threshold
/// times the recall that it adds.
///
/// A class that no image bears is left out. Of two classes the second alone counts, as in scikit-learn.
#[derive(Clone, Copy, Debug)]
pub struct AveragePrecision;

impl Statistic for AveragePrecision {
    language_metric!(self => Metric::AveragePrecision);

    fn prepare<'a>(&'a self, predicted: &'a Probabilities, truth: &'a Truth) -> Option<Weighted<'a>> {
        if matches!(truth, Truth::Values(_)) {
            return None;
        }
        let rankings = rankings(predicted, truth, &measured_classes(truth, predicted.classes(), has_area));
        Some(Box::new(move |times| macro_average(&rankings, |ranking| area(ranking, times))))
    }

    fn left_out(&self, truth: &Truth, classes: usize) -> Vec<usize> {
        unmeasured_classes(truth, classes, has_area)
    }
}

/// Whether a class has an area that so many of the images bear.
fn has_area(bearing: usize, _: usize) -> bool {
    bearing > 0
}

/// The area of one class; `None` if it has no positive image.
fn area(ranking: &[Ranked], times: &[u32]) -> Option<f64> {
    // From the highest probability down; images with equal probabilities come in together.
    let (mut seen, mut found, mut sum) = (0.0, 0.0, 0.0);
    let mut tied = 0.0;
    for ranked in ranking.iter().rev() {
        let n = f64::from(times[ranked.image as usize]);
        seen += n;
        tied += if ranked.positive { n } else { 0.0 };
        if ranked.higher && tied > 0.0 {
            found += tied;
            sum += tied * found / seen;
            tied = 0.0;
        }
    }
    (found > 0.0).then(|| sum / found)
}
