//! What is the same for every fold of a run that holds each out in turn.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fastai_dsl::{Data, TaskKind, Valid};

use super::health::{FoldsWithout, Health, Truncated};
use super::{Described, together};
use crate::progress::StopSignal;
use crate::row::SourceRow;
use crate::splits::better;
use crate::{Dataset, DecodeError, opening};

/// What is the same for every fold of a run that holds each out in turn: the first fold that is checked finds it out, and the
/// others take it over. The images must not change meanwhile.
#[derive(Debug, Default)]
pub struct AcrossFolds(OnceLock<Health>);

impl AcrossFolds {
    /// Fills in what concerns all folds, as `find` finds it, without the files that cannot be decoded, unless another fold has.
    pub(super) fn fill(&self, find: impl FnOnce(&[(PathBuf, DecodeError)]) -> Health, health: &mut Health) {
        let found = self.0.get_or_init(|| find(&health.skipped)).clone();
        let Health { near, removable, together, cut, unmeasured, lacking, .. } = found;
        health.cut = Truncated { near: cut.near, ..health.cut };
        (health.near, health.removable, health.together) = (near, removable, together);
        (health.unmeasured, health.lacking) = (unmeasured, lacking);
    }
}

/// The data with a split that holds out each fold in turn: where the recipe says so, and where its fold is one of a run that
/// does.
pub(super) fn in_turn(data: &Data, is_one_of_all: bool) -> Option<Data> {
    let mut whole = data.clone();
    match &mut whole.valid {
        Valid::Folds { fold, .. } if fold.is_none() || is_one_of_all => *fold = None,
        _ => return None,
    }
    Some(whole)
}

/// What concerns all folds of `data`, whose split holds out each in turn; `dataset` is one of them. `skipped` are files that
/// cannot be decoded, and `looks` describes all others, or some.
pub(super) fn find(
    data: &Data,
    dataset: &Dataset,
    skipped: &[(PathBuf, DecodeError)],
    (looks, are_all): (&Described, bool),
    stop: &StopSignal,
) -> Health {
    let mut health = Health::default();
    // Read a second time, as the data set has one fold's sides in place of the rows.
    let Some(rows) = opening::rows(data, dataset.task, &dataset.root) else { return health };
    if dataset.task != TaskKind::Regression {
        measure(&data.valid, &dataset.classes, &rows, skipped, &mut health);
    }
    together::survey_folds(data, dataset, rows, (looks, are_all), &mut health, stop);
    health
}

/// Finds the classes of which all folds, or some, hold out no image.
fn measure(
    valid: &Valid,
    classes: &[String],
    rows: &[SourceRow],
    skipped: &[(PathBuf, DecodeError)],
    health: &mut Health,
) {
    let skipped: HashSet<&Path> = skipped.iter().map(|(path, _)| path.as_path()).collect();
    let mut without = vec![Vec::new(); classes.len()];
    let mut folds = 0;
    for held_out in better::turns(valid, rows) {
        folds += 1;
        let here = rows.iter().zip(&held_out).filter(|(row, held_out)| **held_out && !row.absent);
        let here = here.filter(|(row, _)| !skipped.contains(row.path.as_path()));
        let measured: HashSet<&String> = here.flat_map(|(row, _)| &row.labels).collect();
        for (class, without) in classes.iter().zip(&mut without) {
            if !measured.contains(class) {
                without.push(folds);
            }
        }
    }
    let mut lacking: BTreeMap<Vec<usize>, Vec<String>> = BTreeMap::new();
    for (class, without) in classes.iter().zip(without).filter(|(_, without)| !without.is_empty()) {
        lacking.entry(without).or_default().push(class.clone());
    }
    health.unmeasured = lacking.remove(&Vec::from_iter(1..=folds)).unwrap_or_default();
    health.lacking = lacking.into_iter().map(|(folds, classes)| FoldsWithout { folds, classes }).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fold_searches_and_the_others_take_over_what_it_found() {
        let path = |name: &str| PathBuf::from(name);
        let lacking = vec![FoldsWithout { folds: vec![2], classes: vec!["v".into()] }];
        let found = Health {
            images: 60,
            near: vec![[path("a"), path("b")]],
            removable: vec![path("b")],
            cut: Truncated { near: true, ..Truncated::default() },
            unmeasured: vec!["w".into()],
            lacking: lacking.clone(),
            ..Health::default()
        };
        let (across, mut searches) = (AcrossFolds::default(), Vec::new());
        for (fold, images) in [40, 41, 42].into_iter().enumerate() {
            let skipped = vec![(path(["c", "d", "e"][fold]), DecodeError::Empty)];
            let cut = Truncated { identical: true, ..Truncated::default() };
            let mut health = Health { images, skipped: skipped.clone(), cut, ..Health::default() };
            let search = |skipped: &[(PathBuf, DecodeError)]| {
                searches.push(skipped.to_vec());
                found.clone()
            };
            across.fill(search, &mut health);
            assert_eq!((health.images, &health.skipped), (images, &skipped), "what is its own stays");
            assert_eq!(health.cut, Truncated { near: true, identical: true, contradictory: false });
            assert_eq!((&health.near, &health.removable), (&found.near, &found.removable));
            assert_eq!((&health.unmeasured, &health.lacking), (&found.unmeasured, &lacking));
        }
        assert_eq!(searches, [vec![(path("c"), DecodeError::Empty)]]);
    }
}
