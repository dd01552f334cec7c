//! How well probabilities say what is true: Brier score and expected calibration error.

use fastai_dsl::Metric;

use super::statistic::{Statistic, Weighted, mean_of};
use super::{Probabilities, Truth};

/// Brier score: the mean squared error of the probabilities.
///
/// As in scikit-learn, the squares of three or more classes are added, and of two classes the second alone counts. Of tags it
/// is the mean.
#[derive(Clone, Copy, Debug)]
pub struct Brier;

impl Statistic for Brier {
    language_metric!(self => Metric::Brier);

    fn prepare<'a>(&'a self, predicted: &'a Probabilities, truth: &'a Truth) -> Option<Weighted<'a>> {
        let square = |p: f32, has: bool| (f64::from(p) - if has { 1.0 } else { 0.0 }).powi(2);
        let of_images = match truth {
            Truth::Values(_) => return None,
            Truth::Classes(labels) => {
                let first = usize::from(predicted.classes() == 2);
                let of_image = |(row, &class): (&[f32], &u32)| {
                    let cells = row.iter().enumerate().skip(first);
                    cells.map(|(c, &p)| square(p, c == class as usize)).sum()
                };
                predicted.rows().zip(labels).map(of_image).collect()
            }
            Truth::Tags { tags, .. } => {
                let of_image = |(image, row): (usize, &[f32])| {
                    let cells = row.iter().zip(truth.tags_of(image));
                    cells.map(|(&p, &has)| square(p, has)).sum::<f64>() / *tags as f64
                };
                predicted.rows().enumerate().map(of_image).collect()
            }
        };
        Some(mean_of(of_images))
    }
}

/// Expected calibration error: over bins of the predicted class's probability, the mean distance between that probability
/// and the accuracy, weighted by images. A bin contains its upper end.
#[derive(Clone, Copy, Debug)]
pub struct Ece {
    /// Bins of equal width.
    pub bins: u32,
}

impl Statistic for Ece {
    language_metric!(self => Metric::Ece { bins: self.bins });

    fn prepare<'a>(&'a self, predicted: &'a Probabilities, truth: &'a Truth) -> Option<Weighted<'a>> {
        let Truth::Classes(labels) = truth else { return None };
        let bins = self.bins.max(1) as usize;
        let of_image = |(image, &class): (usize, &u32)| {
            let top = predicted.top(image);
            let p = f64::from(predicted.row(image)[top]);
            // The first bin whose upper end is not below; what is not a number is in the last.
            let bin = (1..bins).find(|bin| p <= *bin as f64 / bins as f64).unwrap_or(bins) - 1;
            (bin, if top == class as usize { 1.0 - p } else { -p })
        };
        let placed: Vec<(usize, f64)> = labels.iter().enumerate().map(of_image).collect();
        Some(Box::new(move |times| {
            let mut sums = vec![0.0; bins];
            placed.iter().zip(times).for_each(|((bin, gap), &n)| sums[*bin] += gap * f64::from(n));
            let images: f64 = times.iter().map(|&n| f64::from(n)).sum();
            (images > 0.0).then(|| sums.iter().map(|sum| sum.abs()).sum::<f64>() / images)
        }))
    }
}
