//! The predictions of a candidate for all images, each by the network that did not train on it.

use std::io;

use super::SweepSpec;
use super::trial::{Trial, TrialResult};
use crate::engine::HeldOut;
use crate::metrics::{Measure, Probabilities, Truth};
use crate::report::out_of_fold::{self, OutOfFoldRow};

/// Out-of-fold predictions: for each seed, the results of all folds in their order.
pub(super) struct OutOfFold<'a> {
    seeds: Vec<Vec<&'a TrialResult>>,
}

impl<'a> OutOfFold<'a> {
    /// Takes the seeds with which every fold is complete; `None` without one, and of a candidate without folds.
    pub(super) fn of(spec: &SweepSpec, candidate: usize, trials: &'a [Trial]) -> Option<Self> {
        let of_seed = |seed: &u64| {
            let fold = |fold: usize| {
                let of = |t: &&Trial| t.key.candidate == candidate && t.key.seed == *seed && t.key.fold == fold;
                trials.iter().find(of).and_then(Trial::result)
            };
            (0..spec.candidates[candidate].folds.len()).map(fold).collect::<Option<Vec<_>>>()
        };
        let seeds: Vec<Vec<&TrialResult>> = spec.seeds.iter().filter_map(of_seed).collect();
        (spec.candidates[candidate].is_folded() && !seeds.is_empty()).then_some(OutOfFold { seeds })
    }

    /// The metric over all images, the mean over the seeds; `None` if the folds have different classes.
    pub(super) fn score(&self, measure: &dyn Measure) -> Option<f64> {
        let of_seed = |folds: &Vec<&TrialResult>| {
            let probabilities: Vec<&Probabilities> = folds.iter().map(|f| &f.held_out.probabilities).collect();
            let truth: Vec<&Truth> = folds.iter().map(|f| &f.held_out.truth).collect();
            let alike = folds.iter().all(|fold| fold.classes == folds[0].classes);
            let together = (Probabilities::concat(&probabilities)?, Truth::concat(&truth)?);
            alike.then(|| measure.value(&together.0, &together.1))
        };
        let scores: Vec<f64> = self.seeds.iter().map(of_seed).collect::<Option<_>>()?;
        Some(scores.iter().sum::<f64>() / scores.len() as f64)
    }

    /// Writes `out_of_fold.csv`, with the mean over the seeds.
    pub(super) fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let first = &self.seeds[0];
        let row = |fold: usize, image: usize| {
            let HeldOut { ids, truth, probabilities, .. } = &first[fold].held_out;
            let width = probabilities.classes();
            let mean = |class: usize| {
                let of = |seed: &Vec<&TrialResult>| {
                    f64::from(seed[fold].held_out.probabilities.values()[image * width + class])
                };
                (self.seeds.iter().map(of).sum::<f64>() / self.seeds.len() as f64) as f32
            };
            OutOfFoldRow {
                id: ids[image].clone(),
                fold: fold + 1,
                label: out_of_fold::label(truth, image, &first[fold].classes),
                values: (0..width).map(mean).collect(),
            }
        };
        let places = first
            .iter()
            .enumerate()
            .flat_map(|(fold, result)| (0..result.held_out.ids.len()).map(move |image| (fold, image)));
        out_of_fold::write(&first[0].classes, places.map(|(fold, image)| row(fold, image)), out)
    }

    /// Whether every seed has the same images and classes in each fold, so that their predictions can be averaged.
    pub(super) fn is_regular(&self) -> bool {
        let alike = |a: &TrialResult, b: &TrialResult| a.held_out.ids == b.held_out.ids && a.classes == b.classes;
        self.seeds.iter().all(|seed| {
            seed.iter().zip(&self.seeds[0]).all(|(a, b)| alike(a, b))
                && seed.iter().all(|f| f.classes == seed[0].classes)
        })
    }
}
