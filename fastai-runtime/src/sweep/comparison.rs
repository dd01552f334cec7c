//! Paired comparisons of candidates.

use std::collections::HashMap;

use rand::Rng;

use super::trial::{Trial, TrialKey, TrialResult};
use crate::metrics::{Measure, RESAMPLES, drawn, quantiles};
use crate::random::Stream;

/// Most cells, `images * classes`, that the interval of a difference reads.
const WORK: usize = 400_000_000;
/// Fewest resamples.
const FEWEST: usize = 100;

/// The complete trials of a sweep.
pub(super) struct Runs<'a>(HashMap<TrialKey, &'a TrialResult>);

/// A difference between two candidates.
pub(super) struct Difference {
    pub(super) mean: Option<f64>,
    /// 95 %.
    pub(super) interval: Option<[f64; 2]>,
}

impl<'a> Runs<'a> {
    pub(super) fn new(trials: &'a [Trial]) -> Self {
        Runs(trials.iter().filter_map(|trial| Some((trial.key, trial.result()?))).collect())
    }

    /// Whether some runs with the same seed and fold were measured on different images, or by different labels.
    pub(super) fn are_measured_differently(&self) -> bool {
        differ(self.0.iter().map(|(key, result)| (*key, *result)), are_measured_alike)
    }

    /// Whether a candidate has runs, but none that compares with one of `best`: with its seed and fold, which may be missing in
    /// a part of a sweep, or on its images.
    pub(super) fn have_one_apart_from(&self, best: usize) -> bool {
        let of_best: Vec<_> = self.0.iter().filter(|(key, _)| key.candidate == best).collect();
        let mut near = HashMap::new();
        for (key, &run) in &self.0 {
            let compares = of_best
                .iter()
                .any(|(of, it)| (of.seed, of.fold) == (key.seed, key.fold) || are_measured_alike(it, run));
            *near.entry(key.candidate).or_insert(false) |= compares;
        }
        near.values().any(|near| !near)
    }

    /// The score of `candidate` minus that of `best`, over the seeds and folds that both completed; nothing for runs that were
    /// not measured on the same images.
    ///
    /// The interval resamples the runs and, within each fold, the validation images: a difference whose interval lies on one
    /// side of 0 is due neither to the seeds nor to the choice of the images. It needs a metric that is computed from
    /// predictions.
    pub(super) fn difference(&self, candidate: usize, best: usize, measure: Option<&dyn Measure>) -> Difference {
        let mut keys: Vec<TrialKey> = self.0.keys().filter(|key| key.candidate == candidate).copied().collect();
        keys.sort_by_key(|key| (key.fold, key.seed));
        let pairs: Vec<(usize, &TrialResult, &TrialResult)> = keys
            .iter()
            .filter_map(|key| Some((key.fold, self.0[key], *self.0.get(&TrialKey { candidate: best, ..*key })?)))
            .collect();
        if pairs.is_empty() || !pairs.iter().all(|(_, a, b)| are_measured_alike(a, b)) {
            return Difference { mean: None, interval: None };
        }
        let mean = pairs.iter().map(|(_, a, b)| a.score() - b.score()).sum::<f64>() / pairs.len() as f64;
        let interval = measure.and_then(|measure| interval(&pairs, measure, (candidate, best)));
        Difference { mean: Some(mean), interval }
    }
}

/// Whether some trials with the same seed and fold are not alike in what is known of them.
pub(super) fn differ<T: Copy>(
    known: impl IntoIterator<Item = (TrialKey, T)>,
    are_alike: impl Fn(T, T) -> bool,
) -> bool {
    let mut first = HashMap::new();
    known.into_iter().any(|(key, it)| !are_alike(*first.entry((key.seed, key.fold)).or_insert(it), it))
}

/// Whether two runs were measured on images of the same names and labels.
fn are_measured_alike(a: &TrialResult, b: &TrialResult) -> bool {
    a.held_out.ids == b.held_out.ids && a.held_out.truth == b.held_out.truth
}

/// The percentile bootstrap of the mean difference.
fn interval(
    pairs: &[(usize, &TrialResult, &TrialResult)],
    measure: &dyn Measure,
    (candidate, best): (usize, usize),
) -> Option<[f64; 2]> {
    let cells: usize = pairs.iter().map(|(_, a, _)| 2 * a.held_out.probabilities.values().len()).sum();
    let resamples = (WORK / cells.max(1)).clamp(FEWEST, RESAMPLES);
    let values = (0..resamples as u64).filter_map(|resample| {
        let mut rng = Stream::new(0, "sweep").at(&[candidate as u64, best as u64, resample]);
        let mut drawn = |n: usize| drawn(n, &mut || rng.next_u64());
        // The pairs of a fold share their images, and so what is drawn of them.
        let mut images: HashMap<usize, Vec<usize>> = HashMap::new();
        let differences: Vec<f64> = pairs
            .iter()
            .map(|(fold, a, b)| {
                let n = a.held_out.ids.len();
                let chosen = images.entry(*fold).or_insert_with(|| (0..n).map(|_| drawn(n)).collect());
                let truth = a.held_out.truth.select(chosen);
                let value = |run: &TrialResult| measure.value(&run.held_out.probabilities.select(chosen), &truth);
                value(a) - value(b)
            })
            .collect();
        let sum: f64 = (0..pairs.len()).map(|_| differences[drawn(pairs.len())]).sum();
        // A resample in which the metric has no value is left out.
        Some(sum / pairs.len() as f64).filter(|mean| mean.is_finite())
    });
    quantiles(values.collect())
}

#[cfg(test)]
mod tests {
    use super::super::examples::result;
    use super::*;

    #[test]
    fn runs_on_different_images_or_labels_have_no_difference() {
        let best = result(&["a", "b"], &[0, 1], 0.25);
        let alike = result(&["a", "b"], &[0, 1], 0.75);
        let others = result(&["a", "c"], &[0, 1], 0.75);
        let relabelled = result(&["a", "b"], &[1, 1], 0.75);
        let of = |other: &TrialResult, fold: usize| {
            let key = |candidate, fold| TrialKey { candidate, fold, seed: 1 };
            let runs = Runs([(key(0, 0), &best), (key(1, fold), other)].into());
            (runs.are_measured_differently(), runs.have_one_apart_from(0), runs.difference(1, 0, None).mean)
        };
        assert_eq!(of(&alike, 0), (false, false, Some(0.5)));
        assert_eq!(of(&others, 0), (true, false, None));
        assert_eq!(of(&relabelled, 0), (true, false, None));
        // Folds are measured on images of their own, so a part of a sweep that has one of each candidate compares none.
        assert_eq!(of(&others, 1), (false, true, None));
        assert_eq!(of(&alike, 1), (false, false, None));
    }
}
