//! Agreement of predicted classes and labels, corrected for what frequencies alone would reach: balanced accuracy, Cohen's
//! kappa, Matthews' correlation coefficient.

use fastai_dsl::{KappaWeights, Metric};

use super::statistic::{Statistic, Weighted};
use super::tally::{Tally, pairs, support};
use super::{Probabilities, Truth};

/// Mean recall of the classes that the images have.
#[derive(Clone, Copy, Debug)]
pub struct BalancedAccuracy;

impl Statistic for BalancedAccuracy {
    language_metric!(self => Metric::BalancedAccuracy);

    fn prepare<'a>(&'a self, predicted: &'a Probabilities, truth: &'a Truth) -> Option<Weighted<'a>> {
        let Truth::Classes(labels) = truth else { return None };
        let pairs = pairs(predicted, labels);
        Some(Box::new(move |times| {
            let Tally { hits, truth, .. } = Tally::of_pairs(&pairs, times, predicted.classes());
            let recalls: Vec<f64> =
                hits.iter().zip(&truth).filter(|(_, n)| **n > 0.0).map(|(hits, n)| hits / n).collect();
            (!recalls.is_empty()).then(|| super::mean(&recalls))
        }))
    }

    fn left_out(&self, truth: &Truth, classes: usize) -> Vec<usize> {
        let support = support(truth, classes);
        (0..classes).filter(|&class| support[class] == 0).collect()
    }
}

/// Cohen's kappa. NaN where labels and predictions are one and the same class.
#[derive(Clone, Copy, Debug)]
pub struct Kappa {
    /// How much a mistake counts.
    pub weights: KappaWeights,
}

impl Kappa {
    /// The mean cost of a mistake, if predictions and labels were independent of each other; times the square of the images.
    fn expected(self, tally: &Tally) -> f64 {
        let Tally { truth, said, images, .. } = tally;
        let moment = |counts: &[f64], power: i32| -> f64 {
            counts.iter().enumerate().map(|(class, n)| (class as f64).powi(power) * n).sum()
        };
        match self.weights {
            KappaWeights::Unweighted => images * images - truth.iter().zip(said).map(|(t, s)| t * s).sum::<f64>(),
            KappaWeights::Quadratic => {
                images * (moment(truth, 2) + moment(said, 2)) - 2.0 * moment(truth, 1) * moment(said, 1)
            }
            // The distance of two classes is the number of steps between them.
            KappaWeights::Linear => {
                let (mut t, mut s) = (0.0, 0.0);
                let steps = truth.iter().zip(said).map(|(truth, said)| {
                    t += truth;
                    s += said;
                    t * (images - s) + s * (images - t)
                });
                steps.sum()
            }
        }
    }

    fn cost(self, truth: u32, said: u32) -> f64 {
        let distance = f64::from(truth.abs_diff(said));
        match self.weights {
            KappaWeights::Unweighted => distance.min(1.0),
            KappaWeights::Linear => distance,
            KappaWeights::Quadratic => distance * distance,
        }
    }
}

impl Statistic for Kappa {
    language_metric!(self => Metric::Kappa { weights: self.weights });

    fn prepare<'a>(&'a self, predicted: &'a Probabilities, truth: &'a Truth) -> Option<Weighted<'a>> {
        let Truth::Classes(labels) = truth else { return None };
        let pairs = pairs(predicted, labels);
        let costs: Vec<f64> = pairs.iter().map(|&(truth, said)| self.cost(truth, said)).collect();
        Some(Box::new(move |times| {
            let tally = Tally::of_pairs(&pairs, times, predicted.classes());
            let observed: f64 = costs.iter().zip(times).map(|(cost, &n)| cost * f64::from(n)).sum();
            let expected = self.expected(&tally) / tally.images;
            (expected > 0.0).then(|| 1.0 - observed / expected)
        }))
    }
}

/// Matthews' correlation coefficient of any number of classes; 0 where predictions or labels are all one class.
#[derive(Clone, Copy, Debug)]
pub struct Mcc;

impl Statistic for Mcc {
    language_metric!(self => Metric::Mcc);

    fn prepare<'a>(&'a self, predicted: &'a Probabilities, truth: &'a Truth) -> Option<Weighted<'a>> {
        let Truth::Classes(labels) = truth else { return None };
        let pairs = pairs(predicted, labels);
        Some(Box::new(move |times| {
            let Tally { hits, truth, said, images } = Tally::of_pairs(&pairs, times, predicted.classes());
            let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let covariance = hits.iter().sum::<f64>() * images - product(&truth, &said);
            let variances = (images * images - product(&said, &said)) * (images * images - product(&truth, &truth));
            Some(if variances > 0.0 { covariance / variances.sqrt() } else { 0.0 })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Measure;
    use super::*;

    #[test]
    fn a_constant_answer_agrees_with_nothing() {
        let p = Probabilities::new(vec![0.9, 0.1, 0.8, 0.2], 2);
        let truth = Truth::Classes(vec![0, 1]);
        let kappa = Kappa { weights: KappaWeights::Unweighted };
        assert_eq!(
            (kappa.value(&p, &truth), Mcc.value(&p, &truth), BalancedAccuracy.value(&p, &truth)),
            (0.0, 0.0, 0.5)
        );
        // Labels and predictions of one class leave nothing to agree about.
        let one = Truth::Classes(vec![0, 0]);
        assert!(kappa.value(&p, &one).is_nan());
        assert_eq!((Mcc.value(&p, &one), BalancedAccuracy.value(&p, &one)), (0.0, 1.0));
        assert_eq!(BalancedAccuracy.unmeasured(&one, 2), [1]);
        assert!(Mcc.value(&p, &Truth::Values(vec![0.0, 1.0])).is_nan());
    }
}
