//! Finds duplicate images, and training images that resemble a validation image.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use fastai_dsl::Duplicates;
use rayon::prelude::*;

use super::health::Health;
use super::left_out::LeftOut;
use super::looks::Sight;
use super::{Described, Near};
use crate::progress::StopSignal;
use crate::{Dataset, Item, Target};

/// Largest number of pairs of one kind that [`Health`] lists.
pub(crate) const MOST: usize = 10_000;
/// Validation images compared at a time.
const CHUNK: usize = 256;
/// Work limit of the search for near-duplicates, in hash comparisons: a minute on one core, enough for 100,000 training
/// images beside 500,000 others.
const BUDGET: u64 = 50_000_000_000;
/// The cost of comparing two thumbnails, in hash comparisons.
const THUMBNAIL: u64 = 16;

/// Finds duplicates and training images that resemble validation images, and removes the training images that `duplicates`
/// drops. If `stop` interrupts the search, the result is partial.
pub(crate) fn compare(
    dataset: &mut Dataset,
    looks: &Described,
    duplicates: Duplicates,
    near: Near,
    stop: &StopSignal,
    health: &mut Health,
    left_out: &mut LeftOut,
) {
    twins_of_valid(dataset, looks, duplicates, health, left_out);
    twins(dataset, looks, health);
    if near == Near::Skip {
        return;
    }
    let (train, valid) = (sights(&dataset.train, looks), sights(&dataset.valid, looks));
    (health.near, health.cut.near) = self::near(&train, &valid, MOST, BUDGET, stop);
}

/// Prepares the distinct images of one part for comparison.
fn sights<'a>(items: &'a [Item], looks: &'a Described) -> Vec<Sight<'a>> {
    let mut seen = HashSet::new();
    let distinct = items.iter().map(|item| item.path.as_path()).filter(|path| seen.insert(*path));
    distinct.filter_map(|path| looks.get(path).map(|looks| looks.sight(path))).collect()
}

/// Finds training images with the bytes of a validation image.
fn twins_of_valid(
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
fn twins(dataset: &Dataset, looks: &Described, health: &mut Health) {
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
        let pair = || [other.path.clone(), item.path.clone()];
        health.cut.identical |= !push(&mut health.identical, pair());
        if differ(other, item) {
            health.cut.contradictory |= !push(&mut health.contradictory, pair());
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

/// Returns the pairs of a training image and a validation image that resemble each other without being equal, in the order
/// of the validation images, and whether the list may be incomplete: because there are more than `most` pairs, or because
/// the search exceeded `budget` hash comparisons.
///
/// The result does not depend on the number of threads. Memory is bounded by [`CHUNK`] times `most` numbers.
fn near(
    train: &[Sight<'_>],
    valid: &[Sight<'_>],
    most: usize,
    budget: u64,
    stop: &StopSignal,
) -> (Vec<[PathBuf; 2]>, bool) {
    let mut found: Vec<[PathBuf; 2]> = Vec::new();
    let mut work = 0;
    for chunk in valid.chunks(CHUNK) {
        if work >= budget || stop.requested() {
            return (found, true);
        }
        // One more than the limit, to detect that there are more.
        let room = most - found.len() + 1;
        let of_one = |seen: &Sight<'_>| {
            let (mut like, mut work) = (Vec::new(), 0);
            for (place, other) in train.iter().enumerate() {
                work += 1;
                if other.may_be_near(seen) {
                    work += THUMBNAIL;
                    if other.is_near(seen) {
                        like.push(place as u32);
                        if like.len() == room {
                            break;
                        }
                    }
                }
            }
            (like, work)
        };
        let results: Vec<(Vec<u32>, u64)> = chunk.par_iter().map(of_one).collect();
        for (seen, (like, done)) in chunk.iter().zip(results) {
            work += done;
            for place in like {
                if found.len() == most {
                    return (found, true);
                }
                found.push([train[place as usize].path.to_path_buf(), seen.path.to_path_buf()]);
            }
        }
    }
    (found, false)
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::preflight::looks::Looks;

    /// Tiles of one colour, hardly different from each other: each resembles each.
    fn blank(count: usize, side: &str) -> Vec<(PathBuf, Looks)> {
        let tile = |i: usize| {
            let mut digest = [0; 16];
            digest[..8].copy_from_slice(&(i as u64).to_le_bytes());
            digest[8] = side.as_bytes()[0];
            let image = RgbImage::from_pixel(9, 8, Rgb([200, 200, 200 + (i % 2) as u8]));
            (PathBuf::from(format!("{side}/{i}")), Looks::new(&image, digest))
        };
        (0..count).map(tile).collect()
    }

    fn all(looks: &[(PathBuf, Looks)]) -> Vec<Sight<'_>> {
        looks.iter().map(|(path, looks)| looks.sight(path)).collect()
    }

    #[test]
    fn blank_tiles_by_the_thousand_are_cut_off() {
        let (train, valid) = (blank(20_000, "train"), blank(5_000, "valid"));
        let (train, valid) = (all(&train), all(&valid));
        let stop = StopSignal::default();
        // All of them are 100,000,000 pairs.
        let (pairs, cut) = near(&train, &valid, MOST, BUDGET, &stop);
        assert_eq!((pairs.len(), cut), (MOST, true));
        assert_eq!(pairs[0], [PathBuf::from("train/0"), PathBuf::from("valid/0")]);
        assert_eq!(pairs[MOST - 1], [PathBuf::from("train/9999"), PathBuf::from("valid/0")]);
        // What is not cut is whole, and a list that is just full is too.
        let whole = near(&train[..30], &valid[..300], MOST, BUDGET, &stop);
        assert_eq!((whole.0.len(), whole.1), (9_000, false));
        let full = near(&train[..30], &valid[..300], 9_000, BUDGET, &stop);
        assert_eq!(full, whole);
        let (pairs, cut) = near(&train[..30], &valid[..300], 8_999, BUDGET, &stop);
        assert_eq!((pairs.len(), cut), (8_999, true));
        // Work beyond the budget is not begun.
        let (pairs, cut) = near(&train[..30], &valid[..300], MOST, 100, &stop);
        assert_eq!((pairs.len(), cut), (30 * CHUNK, true));
    }
}
