//! Precision, recall and F-beta, averaged as scikit-learn averages them.

use fastai_dsl::{Average, Metric};

use super::statistic::{Statistic, Weighted, mean_of};
use super::tally::{Tally, pairs, said};
use super::{Probabilities, Truth};

/// What is computed of the counts of hits, of what is predicted, and of what is true.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Score {
    Precision,
    Recall,
    FBeta(f64),
}

impl Score {
    /// The score; 0 where it would divide by zero.
    pub(super) fn of(self, hits: f64, said: f64, truth: f64) -> f64 {
        let (part, whole) = match self {
            Score::Precision => (hits, said),
            Score::Recall => (hits, truth),
            Score::FBeta(beta) => ((1.0 + beta * beta) * hits, beta * beta * truth + said),
        };
        if whole > 0.0 { part / whole } else { 0.0 }
    }
}

/// Precision, recall or F-beta. An image with one label is predicted to have the most probable class, and a tag is predicted
/// above the threshold.
///
/// As in scikit-learn, a score that would divide by zero is 0, and the macro average leaves out classes that are neither true
/// nor predicted; tags always count.
#[derive(Clone, Copy, Debug)]
pub struct AveragedScore {
    metric: Metric,
    score: Score,
    average: Average,
    threshold: f64,
}

impl AveragedScore {
    /// The computation of [`Metric::Precision`], [`Metric::Recall`], [`Metric::F1`] and [`Metric::FBeta`]; `None` for another
    /// metric.
    pub fn of(metric: &Metric) -> Option<Self> {
        let (score, average, threshold) = match *metric {
            Metric::Precision { average, threshold } => (Score::Precision, average, threshold),
            Metric::Recall { average, threshold } => (Score::Recall, average, threshold),
            Metric::F1 { average, threshold } => (Score::FBeta(1.0), average, threshold),
            Metric::FBeta { beta, average, threshold } => (Score::FBeta(beta), average, threshold),
            _ => return None,
        };
        Some(AveragedScore { metric: *metric, score, average, threshold })
    }

    /// The average over the classes; `all` counts those, too, that are neither true nor predicted.
    fn over_classes(&self, tally: &Tally, all: bool) -> Option<f64> {
        let Tally { hits, truth, said, .. } = tally;
        let of = |class: usize| self.score.of(hits[class], said[class], truth[class]);
        let sum = |counts: &[f64]| counts.iter().sum::<f64>();
        match self.average {
            Average::Macro => {
                let counted: Vec<f64> = (0..hits.len()).filter(|&c| all || truth[c] + said[c] > 0.0).map(of).collect();
                (!counted.is_empty()).then(|| sum(&counted) / counted.len() as f64)
            }
            Average::Weighted => {
                let total = sum(truth);
                let weighted: f64 = (0..hits.len()).map(|class| truth[class] * of(class)).sum();
                Some(if total > 0.0 { weighted / total } else { 0.0 })
            }
            // The checks refuse `samples` for images with one label, of which it would be the accuracy.
            Average::Micro | Average::Samples => Some(self.score.of(sum(hits), sum(said), sum(truth))),
        }
    }
}

impl Statistic for AveragedScore {
    language_metric!(self => self.metric);

    fn prepare<'a>(&'a self, predicted: &'a Probabilities, truth: &'a Truth) -> Option<Weighted<'a>> {
        let classes = predicted.classes();
        match truth {
            Truth::Values(_) => None,
            Truth::Classes(labels) => {
                let pairs = pairs(predicted, labels);
                Some(Box::new(move |times| self.over_classes(&Tally::of_pairs(&pairs, times, classes), false)))
            }
            Truth::Tags { cells, tags } => {
                let said = said(predicted, self.threshold);
                if self.average == Average::Samples {
                    let rows = cells.chunks_exact((*tags).max(1)).zip(said.chunks_exact((*tags).max(1)));
                    let of_image = |(truth, said): (&[bool], &[bool])| {
                        let count = |has: &[bool]| has.iter().filter(|has| **has).count() as f64;
                        let hits = truth.iter().zip(said).filter(|(truth, said)| **truth && **said).count() as f64;
                        self.score.of(hits, count(said), count(truth))
                    };
                    return Some(mean_of(rows.map(of_image).collect()));
                }
                Some(Box::new(move |times| self.over_classes(&Tally::of_cells(cells, &said, times, *tags), true)))
            }
        }
    }
}
