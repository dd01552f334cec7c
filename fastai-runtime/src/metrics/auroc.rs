//! Area under the ROC curve.

use fastai_dsl::Metric;
use rayon::prelude::*;

use super::statistic::{Statistic, Weighted};
use super::tally::support;
use super::{Measure, Probabilities, Truth, mean};

/// Area under the ROC curve: the mean over the classes, each against the rest, or over the tags, with a bootstrap interval.
///
/// A class that all or none of the images bear has no curve and is left out of the mean. Of two classes the second alone
/// counts, as in scikit-learn.
#[derive(Clone, Copy, Debug)]
pub struct Auroc;

impl Statistic for Auroc {
    language_metric!(self => Metric::Auroc);

    fn prepare<'a>(&'a self, predicted: &'a Probabilities, truth: &'a Truth) -> Option<Weighted<'a>> {
        let rankings = rankings(predicted, truth, &measured_classes(truth, predicted.classes(), has_curve));
        Some(Box::new(move |times| macro_average(&rankings, |ranking| area(ranking, times))))
    }

    fn left_out(&self, truth: &Truth, classes: usize) -> Vec<usize> {
        unmeasured_classes(truth, classes, has_curve)
    }
}

/// Macro average of the areas under the ROC curves, see [`Auroc`]; NaN if no class has both kinds of images.
///
/// ```
/// use fastai_runtime::metrics::{Probabilities, Truth, auroc};
/// let p = Probabilities::new(vec![0.9, 0.1, 0.6, 0.4, 0.7, 0.3, 0.2, 0.8], 2);
/// // Three of the four pairs of an image of each class are in the right order.
/// assert_eq!(auroc(&p, &Truth::Classes(vec![0, 0, 1, 1])), 0.75);
/// ```
pub fn auroc(predicted: &Probabilities, truth: &Truth) -> f64 {
    Auroc.value(predicted, truth)
}

/// Whether an image bears a class.
fn bears(truth: &Truth, image: usize, class: usize) -> bool {
    match truth {
        Truth::Classes(classes) => classes[image] as usize == class,
        Truth::Tags { .. } => truth.tags_of(image)[class],
        Truth::Values(_) => false,
    }
}

/// Whether a class has a curve that so many of the images bear.
fn has_curve(bearing: usize, images: usize) -> bool {
    bearing > 0 && bearing < images
}

/// The classes that count by the number of images that bear them, of all; of two classes the second alone.
pub(super) fn measured_classes(truth: &Truth, classes: usize, counts: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let first = usize::from(classes == 2 && matches!(truth, Truth::Classes(_)));
    let support = support(truth, classes);
    (first..classes).filter(|&class| counts(support[class], truth.len())).collect()
}

/// The classes that do not count; the second of two stands for both.
pub(super) fn unmeasured_classes(truth: &Truth, classes: usize, counts: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let measured = measured_classes(truth, classes, counts);
    let both = classes == 2 && matches!(truth, Truth::Classes(_)) && !measured.is_empty();
    (0..classes).filter(|class| !both && !measured.contains(class)).collect()
}

/// An image in the order of its probability of one class.
pub(super) struct Ranked {
    pub(super) image: u32,
    pub(super) positive: bool,
    /// Whether its probability is higher than that of the image before it.
    pub(super) higher: bool,
}

/// The images in rising order, for each of the classes; none where a prediction is not a number.
pub(super) fn rankings(predicted: &Probabilities, truth: &Truth, classes: &[usize]) -> Vec<Vec<Ranked>> {
    if predicted.values().iter().any(|p| p.is_nan()) {
        return Vec::new();
    }
    let ranking = |&class: &usize| {
        let p = |image: u32| predicted.row(image as usize)[class];
        let mut order: Vec<u32> = (0..predicted.len() as u32).collect();
        order.sort_by(|&a, &b| p(a).total_cmp(&p(b)));
        let mut before = f32::NAN;
        let ranked = order.into_iter().map(|image| {
            let higher = p(image) != std::mem::replace(&mut before, p(image));
            Ranked { image, positive: bears(truth, image as usize, class), higher }
        });
        ranked.collect()
    };
    classes.par_iter().map(ranking).collect()
}

/// Mean of the areas; `None` if no class has one.
pub(super) fn macro_average(rankings: &[Vec<Ranked>], area: impl Fn(&[Ranked]) -> Option<f64> + Sync) -> Option<f64> {
    let areas: Vec<Option<f64>> = rankings.par_iter().map(|ranking| area(ranking)).collect();
    let areas: Vec<f64> = areas.into_iter().flatten().collect();
    (!areas.is_empty()).then(|| mean(&areas))
}

/// The share of pairs of a positive and a negative image in which the positive one is higher; a tie counts half.
fn area(ranking: &[Ranked], times: &[u32]) -> Option<f64> {
    // Twice the number of such pairs; images below, and those that tie.
    let (mut pairs, mut below) = (0u64, [0u64; 2]);
    let mut tied = [0u64; 2];
    let mut close = |tied: &mut [u64; 2]| {
        let [negative, positive] = std::mem::take(tied);
        pairs += positive * (2 * below[0] + negative);
        below = [below[0] + negative, below[1] + positive];
    };
    for ranked in ranking {
        if ranked.higher {
            close(&mut tied);
        }
        tied[usize::from(ranked.positive)] += u64::from(times[ranked.image as usize]);
    }
    close(&mut tied);
    let all = 2 * below[0] * below[1];
    (all > 0).then(|| pairs as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;
    use rand::Rng;

    fn tags(cells: &[u8], tags: usize) -> Truth {
        Truth::Tags { cells: cells.iter().map(|c| *c == 1).collect(), tags }
    }

    #[test]
    fn ties_count_half() {
        let truth = tags(&[0, 1, 0, 1], 1);
        assert_eq!(auroc(&Probabilities::new(vec![0.5; 4], 1), &truth), 0.5);
        assert_eq!(auroc(&Probabilities::new(vec![0.1, 0.4, 0.4, 0.8], 1), &truth), 0.875);
        // Order alone counts.
        assert_eq!(auroc(&Probabilities::new(vec![-9.0, 1e-9, 1e-9, 1e9], 1), &truth), 0.875);
    }

    #[test]
    fn what_has_no_curve_is_left_out_and_named() {
        // Nobody bears the second tag, everybody the third.
        let truth = tags(&[0, 0, 1, 1, 0, 1], 3);
        let p = Probabilities::new(vec![0.2, 0.9, 0.3, 0.7, 0.1, 0.2], 3);
        assert_eq!((auroc(&p, &truth), Auroc.unmeasured(&truth, 3)), (1.0, vec![1, 2]));
        let one = Truth::Classes(vec![1, 1]);
        assert!(auroc(&Probabilities::new(vec![0.5; 4], 2), &one).is_nan());
        assert_eq!(Auroc.unmeasured(&one, 2), [0, 1]);
        assert_eq!(Auroc.unmeasured(&Truth::Classes(vec![0, 1]), 2), [0usize; 0]);
        assert_eq!(Auroc.unmeasured(&Truth::Classes(vec![0, 1]), 3), [2]);
    }

    #[test]
    fn no_prediction_that_is_not_a_number_counts() {
        let truth = tags(&[0, 1], 1);
        assert!(auroc(&Probabilities::new(vec![f32::NAN, 0.5], 1), &truth).is_nan());
        assert!(auroc(&Probabilities::new(vec![0.5, 0.5], 1), &Truth::Values(vec![0.0, 1.0])).is_nan());
    }

    #[test]
    fn a_resample_without_one_kind_of_images_is_left_out() {
        let mut rng = Stream::new(1, "bootstrap").at(&[]);
        let p = Probabilities::new(vec![0.1, 0.2, 0.9], 1);
        // A draw in three holds the one positive image not at all.
        let interval = Auroc.interval(&p, &tags(&[0, 0, 1], 1), &mut || rng.next_u64());
        assert_eq!(interval, Some([1.0, 1.0]));
        assert_eq!(Auroc.interval(&p, &tags(&[1, 1, 1], 1), &mut || rng.next_u64()), None);
    }
}
