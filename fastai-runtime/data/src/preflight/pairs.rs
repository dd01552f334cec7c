//! Finds duplicate images, and training images that resemble a validation image.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use fastai_dsl::Duplicates;

use super::health::Health;
use super::left_out::LeftOut;
use super::looks::Sight;
use super::{Described, nearby};
use crate::progress::StopSignal;
use crate::{Dataset, Item, Target};

/// Largest number of pairs of one kind that [`Health`] lists.
pub(super) const MOST: usize = 10_000;

/// Finds training images that resemble validation images. If `stop` interrupts the search, the result is partial.
pub(super) fn compare_parts(dataset: &Dataset, looks: &Described, stop: &StopSignal, health: &mut Health) {
    let [train, valid] =
        [&dataset.train, &dataset.valid].map(|part| sights(part.iter().map(|item| item.path.as_path()), looks));
    (health.near, health.cut.near) = nearby::near(&train, &valid, MOST, stop);
}

/// Prepares the distinct images of a part, or of several, for comparison.
pub(super) fn sights<'a>(paths: impl Iterator<Item = &'a Path>, looks: &'a Described) -> Vec<Sight<'a>> {
    let mut seen = HashSet::new();
    let distinct = paths.filter(|path| seen.insert(*path));
    distinct.filter_map(|path| looks.get(path).and_then(|looks| looks.sight(path))).collect()
}

/// Finds training images with the bytes of a validation image, and removes those that `duplicates` drops.
pub(super) fn twins_of_valid(
    dataset: &mut Dataset,
    looks: &Described,
    duplicates: Duplicates,
    health: &mut Health,
    left_out: &mut LeftOut,
) {
    let digest = |item: &Item| looks.get(&item.path).map(|looks| looks.digest);
    let mut held_out: HashMap<[u8; 16], &Item> = HashMap::new();
    for item in &dataset.valid {
        if let Some(digest) = digest(item) {
            held_out.entry(digest).or_insert(item);
        }
    }
    for item in std::mem::take(&mut dataset.train) {
        // The split keeps rows of one file in one part.
        match digest(&item).and_then(|digest| held_out.get(&digest)).filter(|other| other.path != item.path) {
            None => dataset.train.push(item),
            Some(other) => {
                let pair = [item.path.clone(), other.path.clone()];
                if other.target != item.target {
                    health.cut.contradictory |= !push(&mut health.contradictory, pair.clone());
                }
                if duplicates == Duplicates::Drop {
                    health.dropped.push(pair);
                    left_out.twin(item, &other.path);
                } else {
                    health.kept.push(pair);
                    dataset.train.push(item);
                }
            }
        }
    }
}

/// Finds pairs with identical bytes, and files listed twice with different labels.
pub(super) fn twins(dataset: &Dataset, looks: &Described, health: &mut Health) {
    let kept: HashSet<[&Path; 2]> = health.kept.iter().map(|pair| pair.each_ref().map(PathBuf::as_path)).collect();
    let mut listed: HashMap<&Path, &Item> = HashMap::new();
    let mut twice: HashSet<&Path> = HashSet::new();
    let mut first: HashMap<[u8; 16], &Item> = HashMap::new();
    let differ = |a: &Item, b: &Item| a.target != b.target && b.target != Target::Unlabelled;
    for item in dataset.train.iter().chain(&dataset.valid).chain(&dataset.test) {
        let before = *listed.entry(&item.path).or_insert(item);
        if !std::ptr::eq(before, item) {
            if differ(before, item) && twice.insert(&item.path) {
                let pair = [item.path.clone(), item.path.clone()];
                health.cut.contradictory |= !push(&mut health.contradictory, pair);
            }
            continue;
        }
        let Some(looks) = looks.get(&item.path) else { continue };
        let other = *first.entry(looks.digest).or_insert(item);
        if std::ptr::eq(other, item) || kept.contains(&[other.path.as_path(), item.path.as_path()]) {
            continue;
        }
        let pair = [other.path.clone(), item.path.clone()];
        // A pair is in one list only; that of different labels says that the bytes are equal, too.
        if differ(other, item) {
            health.cut.contradictory |= !push(&mut health.contradictory, pair);
        } else {
            health.cut.identical |= !push(&mut health.identical, pair);
        }
    }
}

/// Adds a pair; returns whether there was room for it.
fn push(pairs: &mut Vec<[PathBuf; 2]>, pair: [PathBuf; 2]) -> bool {
    let room = pairs.len() < MOST;
    if room {
        pairs.push(pair);
    }
    room
}
