//! A fit between two batches.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::averaging::WeightAverage;
use super::curves::EpochRow;
use super::evidence::LowestLosses;
use super::loss_scale::LossScale;
use super::optimizer::{Optimizer, OptimizerState};
use super::patience::Patience;
use super::recorder::SmoothedLoss;
use crate::RunError;
use crate::metrics::Probabilities;
use crate::models::Network;

/// The state of a fit between two batches, besides weights and optimizer: what the next batch depends on, and what the fit has
/// recorded so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Midway {
    /// Batches of the fit.
    pub iterations: u64,
    /// The epoch, counted from 0.
    pub epoch: u64,
    /// Batches of the epoch.
    pub batches: u64,
    /// Images of the epoch.
    pub epoch_images: u64,
    /// Seconds of training of the epoch.
    pub epoch_seconds: f64,
    /// Images of earlier epochs.
    pub images: u64,
    /// Seconds of training of earlier epochs.
    pub seconds: f64,
    /// The smoothed training loss.
    pub smoothed: SmoothedLoss,
    /// Learning rate of every batch, one list per layer group.
    pub rates: Vec<Vec<f64>>,
    /// Smoothed training loss after every batch.
    pub losses: Vec<f64>,
    /// Loss of each individual batch.
    pub batch_losses: Vec<f64>,
    /// Number of batches up to the end of each finished epoch.
    pub ends: Vec<usize>,
    /// One per finished epoch.
    pub epochs: Vec<EpochRow>,
    /// Probabilities of the validation set after the last finished epoch.
    pub predictions: Option<SavedPredictions>,
    /// The best epoch so far, whose weights are kept apart.
    pub best: Option<BestEpoch>,
    /// The losses of the validation images in the epoch in which they are lowest so far.
    #[serde(default)]
    pub lowest: Option<LowestLosses>,
    /// The best score that [`Patience`] has seen, larger is better, and its comparisons since.
    #[serde(default)]
    pub lead: Option<(f64, u64)>,
    /// The factor of the loss, where training in 16-bit floats needs one.
    #[serde(default)]
    pub loss_scale: Option<LossScale>,
}

/// The best epoch of a fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestEpoch {
    /// The epoch, counted from 0.
    pub epoch: u64,
    /// What it was chosen by; larger is better.
    pub score: f64,
    /// Probabilities of the validation set.
    pub predictions: SavedPredictions,
}

/// Probabilities as they are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedPredictions {
    values: Vec<f32>,
    classes: usize,
}

impl SavedPredictions {
    /// Takes the values of `probabilities`.
    pub fn of(probabilities: &Probabilities) -> Self {
        SavedPredictions { values: probabilities.values().to_vec(), classes: probabilities.classes() }
    }

    /// The probabilities.
    pub fn probabilities(&self) -> Probabilities {
        Probabilities::new(self.values.clone(), self.classes)
    }
}

impl Midway {
    /// The state before the first batch of a network with so many layer groups.
    pub fn new(groups: usize) -> Self {
        Midway { rates: vec![Vec::new(); groups], ..Midway::default() }
    }

    /// Compares the epoch that has ended, by its score; whether patience is at its end.
    pub(super) fn is_tired(&mut self, patience: &Patience, score: f64) -> bool {
        if patience.after.as_ref().is_some_and(|after| after.binary_search(&self.epoch).is_err()) {
            return false;
        }
        let (lead, since) = match self.lead {
            Some((lead, since)) if score.partial_cmp(&lead) != Some(Ordering::Greater) => (lead, since + 1),
            // A loss that is no number leads nothing.
            _ if score.is_nan() => (f64::NEG_INFINITY, 1),
            _ => (score, 0),
        };
        self.lead = Some((lead, since));
        since >= patience.comparisons
    }

    /// Ends an epoch.
    pub(super) fn end_epoch(&mut self, row: EpochRow) {
        self.images += std::mem::take(&mut self.epoch_images);
        self.seconds += std::mem::take(&mut self.epoch_seconds);
        self.batches = 0;
        self.epoch += 1;
        self.ends.push(self.losses.len());
        self.epochs.push(row);
    }

    /// Why this cannot be the state of a fit of a network with so many layer groups and classes, whose validation set has so
    /// many images; the state comes from a file.
    pub fn contradiction(&self, groups: usize, classes: usize, images: usize) -> Option<&'static str> {
        let count = self.iterations as usize;
        let fits = |saved: &SavedPredictions| saved.classes == classes && saved.values.len() == images * classes;
        if self.rates.len() != groups || self.rates.iter().any(|rates| rates.len() != count) {
            return Some("its learning rates are not those of its batches");
        }
        if [&self.losses, &self.batch_losses].iter().any(|losses| losses.len() != count)
            || self.batches > self.iterations
        {
            return Some("its losses are not those of its batches");
        }
        if self.loss_scale.is_some_and(|scale| !scale.is_possible()) {
            return Some("the factor of its loss is none that a fit reaches");
        }
        let ascending = self.ends.is_sorted() && self.ends.last().is_none_or(|end| *end <= count);
        if self.ends.len() != self.epochs.len() || self.epoch as usize != self.epochs.len() || !ascending {
            return Some("its epochs are not those of its batches");
        }
        let predictions = self.predictions.iter().chain(self.best.iter().map(|best| &best.predictions));
        let best = self.best.as_ref().is_none_or(|best| best.epoch < self.epoch);
        if self.lowest.as_ref().is_some_and(|lowest| lowest.of_images.len() != images) {
            return Some("its losses are not those of the validation set");
        }
        (!best || !predictions.into_iter().all(fits)).then_some("its predictions are not those of the validation set")
    }
}

/// The state of a fit to keep.
pub struct FitState<'a> {
    /// Where the fit is.
    pub midway: &'a Midway,
    /// The network.
    pub network: &'a Network,
    /// The optimizer; its state is copied to the host only on request.
    pub optimizer: &'a dyn Optimizer,
    /// The weights of the best epoch.
    pub best: Option<&'a Network>,
    /// The average of the weights.
    pub average: Option<&'a WeightAverage>,
}

/// A fit that continues; the network is the learner's.
pub struct Continued {
    /// Where the fit was.
    pub midway: Midway,
    /// The optimizer's state.
    pub optimizer: OptimizerState,
    /// The weights of the best epoch.
    pub best: Option<Network>,
    /// The steps or epochs of the average of the weights, and a network with it.
    pub average: Option<(u64, Network)>,
}

/// Keeps what a fit reaches.
pub trait Logbook {
    /// Records a finished epoch.
    ///
    /// # Errors
    /// If it cannot be recorded; the fit ends.
    fn epoch(&mut self, row: &EpochRow) -> Result<(), RunError>;

    /// Takes the network at the end of a cycle, counted from 0.
    ///
    /// # Errors
    /// If it cannot be saved; the fit ends.
    fn cycle(&mut self, _: u64, _: &Network) -> Result<(), RunError> {
        Ok(())
    }

    /// Judges the epochs so far, after each one; the fit warns of what is returned.
    fn verdict(&mut self, _: &Midway) -> Option<String> {
        None
    }

    /// Takes what a fit has recorded when an error ends it. There may be rates of batches whose losses were not read.
    fn failed(&mut self, _: &Midway) {}

    /// Whether the state is to be kept after this batch.
    fn is_due(&self) -> bool {
        false
    }

    /// Keeps a state from which the fit can continue. The fit asks for it when it [is due](Self::is_due) and when it stops.
    ///
    /// # Errors
    /// If it cannot be kept; the fit warns and goes on.
    fn keep(&mut self, _: FitState<'_>) -> Result<(), RunError> {
        Ok(())
    }
}

impl<F: FnMut(&EpochRow) -> Result<(), RunError>> Logbook for F {
    fn epoch(&mut self, row: &EpochRow) -> Result<(), RunError> {
        self(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_counts_comparisons_without_a_better_score() {
        let run = |patience: Patience, scores: &[f64]| {
            let mut at = Midway::new(1);
            scores.iter().position(|score| {
                at.end_epoch(EpochRow::default());
                at.is_tired(&patience, *score)
            })
        };
        let all = |comparisons| Patience { comparisons, after: None };
        assert_eq!(run(all(2), &[1.0, 2.0, 2.0, 1.5, 3.0]), Some(3), "an equal score is no better one");
        assert_eq!(run(all(2), &[1.0, 0.5, 2.0, 1.5, 2.5]), None);
        assert_eq!(run(all(1), &[1.0, f64::NAN]), Some(1));
        assert_eq!(run(all(2), &[f64::NAN, -9.0, -8.0]), None);
        // At the ends of cycles of one and of two epochs.
        let cycles = Patience { comparisons: 1, after: Some(vec![1, 3, 7]) };
        assert_eq!(run(cycles.clone(), &[1.0, 0.1, 2.0, 0.0, 0.0, 0.0, 3.0]), None);
        assert_eq!(run(cycles, &[1.0, 9.0, 0.5]), Some(2));
    }

    #[test]
    fn contradictions_are_found() {
        let row = EpochRow::default();
        let saved = |len| SavedPredictions { values: vec![0.5; len], classes: 2 };
        let good = Midway {
            iterations: 3,
            epoch: 1,
            batches: 1,
            rates: vec![vec![0.1; 3]; 2],
            losses: vec![1.0; 3],
            batch_losses: vec![1.0; 3],
            ends: vec![2],
            epochs: vec![row.clone()],
            predictions: Some(saved(8)),
            best: Some(BestEpoch { epoch: 0, score: 1.0, predictions: saved(8) }),
            lowest: Some(LowestLosses { val_loss: 0.5, of_images: vec![0.5; 4], since: Some(1) }),
            ..Midway::default()
        };
        assert_eq!(good.contradiction(2, 2, 4), None);
        assert_eq!(Midway::new(2).contradiction(2, 2, 4), None);
        assert!(good.contradiction(3, 2, 4).is_some() && good.contradiction(2, 3, 4).is_some());
        for bad in [
            Midway { iterations: 4, ..good.clone() },
            Midway { batches: 9, ..good.clone() },
            Midway { losses: vec![], ..good.clone() },
            Midway { epoch: 2, ..good.clone() },
            Midway { ends: vec![7], ..good.clone() },
            Midway { predictions: Some(saved(6)), ..good.clone() },
            Midway {
                lowest: Some(LowestLosses { val_loss: 0.5, of_images: vec![0.5; 3], since: Some(1) }),
                ..good.clone()
            },
            Midway { best: Some(BestEpoch { epoch: 1, score: 1.0, predictions: saved(8) }), ..good.clone() },
        ] {
            assert!(bad.contradiction(2, 2, 4).is_some(), "{bad:?}");
        }
        let mut next = good;
        next.end_epoch(row);
        assert_eq!((next.epoch, next.batches, next.ends, next.epochs.len()), (2, 0, vec![2, 3], 2));
    }
}
