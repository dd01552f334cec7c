//! Average precision.

use fastai_dsl::Metric;

use super::auroc::{Ranked, macro_average, rankings};
use super::statistic::{Statistic, Weighted};
use super::tally::absent;
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
        let rankings = rankings(predicted, truth, &measured(truth, predicted.classes()));
        Some(Box::new(move |times| macro_average(&rankings, |ranking| area(ranking, times))))
    }

    fn left_out(&self, truth: &Truth, classes: usize) -> Vec<usize> {
        let measured = measured(truth, classes);
        // Of two classes the second stands for both.
        let both = classes == 2 && matches!(truth, Truth::Classes(_)) && !measured.is_empty();
        (0..classes).filter(|class| !both && !measured.contains(class)).collect()
    }
}

fn measured(truth: &Truth, classes: usize) -> Vec<usize> {
    let first = usize::from(classes == 2 && matches!(truth, Truth::Classes(_)));
    let absent = absent(truth, classes);
    (first..classes).filter(|class| !absent.contains(class)).collect()
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
