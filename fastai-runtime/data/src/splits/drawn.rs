//! Random splits: fastai's, bit for bit, and those that respect classes or groups.

use std::collections::HashMap;
use std::hash::Hash;

use fastai_dsl::Valid;
use rand_mt::Mt;

/// fastai's `get_cv_idxs`: returns which of `n` rows are held out.
///
/// Slice number `fold` (from 0) of `trunc(share * n)` indices of numpy's legacy `permutation(n)` under `seed`, in the
/// permutation's order; a slice past the end is shorter or empty.
pub fn cv_indices(n: usize, share: f64, seed: u32, fold: u32) -> Vec<usize> {
    let held_out = (share * n as f64) as usize;
    let start = held_out.saturating_mul(fold as usize).min(n);
    let end = start.saturating_add(held_out).min(n);
    legacy_permutation(n, seed)[start..end].to_vec()
}

/// Returns which rows are in fold `fold` of `count`, ascending; each row is in one, and their sizes differ by at most one.
///
/// `keys` are the rows' classes. The rows are ordered as by [`stratified_indices`] and dealt out one by one, so that the
/// folds' numbers of rows of a class differ by at most one too. Equal keys for all rows make the folds random.
pub fn fold_indices<K: Ord>(keys: &[K], count: u32, seed: u32, fold: u32) -> Vec<usize> {
    let mut order = legacy_permutation(keys.len(), seed);
    order.sort_by(|a, b| keys[*a].cmp(&keys[*b]));
    let mut rows: Vec<usize> = order.into_iter().skip(fold as usize).step_by(count.max(1) as usize).collect();
    rows.sort_unstable();
    rows
}

/// Like [`fold_indices`] at random, but with the rows of a group in one fold; ascending.
pub fn fold_of_groups<G: Eq + Hash>(groups: &[G], count: u32, seed: u32, fold: u32) -> Vec<usize> {
    rows_of_groups(groups, |groups| fold_indices(&vec![(); groups], count, seed, fold))
}

/// Returns which rows a split with equal shares of each class holds out, ascending: `trunc(share * n)` rows, and one of each
/// class that would have none although its share is a row or more.
///
/// `keys` are the rows' classes; a set of tags is a class here. The rows are ordered by numpy's legacy `permutation(n)` under
/// `seed`, then sorted by class, and dealt out evenly along that list. A class therefore contributes its share to within one
/// row, and rare classes are dealt out together with their neighbours in the order. Folds do not overlap: the row that a class
/// would lack in a fold is one that no fold would hold out.
pub fn stratified_indices<K: Ord>(keys: &[K], share: f64, seed: u32, fold: u32) -> Vec<usize> {
    let n = keys.len();
    let held_out = (share * n as f64) as usize;
    if held_out == 0 {
        return Vec::new();
    }
    let mut order = legacy_permutation(n, seed);
    // The sort is stable, so the permutation orders equal keys.
    order.sort_by(|a, b| keys[*a].cmp(&keys[*b]));
    let dealt = |place: usize| (place as u128 * held_out as u128 % n as u128) as usize / held_out;
    let mut fold_of: Vec<usize> = (0..n).map(dealt).collect();
    let mut start = 0;
    for class in order.chunk_by(|a, b| keys[*a] == keys[*b]) {
        if share * class.len() as f64 >= 1.0 {
            fill_folds(&mut fold_of[start..start + class.len()], Valid::slices(share) as usize);
        }
        start += class.len();
    }
    let here = order.into_iter().zip(fold_of).filter(|(_, of_row)| *of_row == fold as usize);
    let mut rows: Vec<usize> = here.map(|(row, _)| row).collect();
    rows.sort_unstable();
    rows
}

/// Gives each of the first `count` folds that has no row of a class one that lies beyond these folds. Where one has none, none
/// has two, so that a class of `count` rows or more has enough beyond.
fn fill_folds(fold_of: &mut [usize], count: usize) {
    let mut has_row = vec![false; count];
    fold_of.iter().filter(|fold| **fold < count).for_each(|fold| has_row[*fold] = true);
    let beyond = fold_of.iter_mut().filter(|fold| **fold >= count);
    beyond.zip((0..count).filter(|fold| !has_row[*fold])).for_each(|(row, fold)| *row = fold);
}

/// Returns which rows are held out if the rows of a group stay together: all rows of the groups that [`cv_indices`]
/// selects, with the groups in the order of their first rows; ascending.
pub fn grouped_indices<G: Eq + Hash>(groups: &[G], share: f64, seed: u32, fold: u32) -> Vec<usize> {
    rows_of_groups(groups, |groups| cv_indices(groups, share, seed, fold))
}

/// The rows of the groups that `pick` picks of so many, which are numbered in the order of their first rows; ascending.
fn rows_of_groups<G: Eq + Hash>(groups: &[G], pick: impl FnOnce(usize) -> Vec<usize>) -> Vec<usize> {
    let (number_of, count) = numbered(groups);
    let mut picked = vec![false; count];
    pick(count).into_iter().for_each(|group| picked[group] = true);
    (0..groups.len()).filter(|row| picked[number_of[*row]]).collect()
}

/// The number of each row's group, in the order of the groups' first rows, and how many groups there are.
pub(crate) fn numbered<G: Eq + Hash>(groups: impl IntoIterator<Item = G>) -> (Vec<usize>, usize) {
    let mut numbers: HashMap<G, usize> = HashMap::new();
    let number = |group| {
        let next = numbers.len();
        *numbers.entry(group).or_insert(next)
    };
    let number_of = groups.into_iter().map(number).collect();
    (number_of, numbers.len())
}

/// `numpy.random.RandomState(seed).permutation(n)` as numpy has computed it since its first versions.
fn legacy_permutation(n: usize, seed: u32) -> Vec<usize> {
    // `Mt::new` is init_genrand, which numpy uses for an integer seed; not init_by_array.
    let mut mt = Mt::new(seed);
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, bounded(&mut mt, i as u64) as usize);
    }
    order
}

/// An integer from `0..=max` by masking and rejection; 32-bit draws up to 2^32 - 1, as numpy does.
fn bounded(mt: &mut Mt, max: u64) -> u64 {
    let mask = u64::MAX >> max.leading_zeros().min(63);
    loop {
        let draw = if max <= u64::from(u32::MAX) {
            u64::from(mt.next_u32())
        } else {
            u64::from(mt.next_u32()) << 32 | u64::from(mt.next_u32())
        };
        if draw & mask <= max {
            return draw & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutations_are_numpys() {
        assert_eq!(legacy_permutation(10, 42), [8, 1, 5, 0, 7, 2, 9, 4, 3, 6]);
        assert_eq!(legacy_permutation(5, 42), [1, 4, 2, 0, 3]);
        assert_eq!(legacy_permutation(20, 42)[..8], [0, 17, 15, 1, 8, 5, 11, 3]);
        assert_eq!(legacy_permutation(8, 1), [7, 2, 1, 6, 0, 4, 3, 5]);
        assert_eq!(legacy_permutation(8, 0), [6, 2, 1, 7, 3, 0, 5, 4]);
    }

    #[test]
    fn dog_breeds_split_is_fastais() {
        let held_out = cv_indices(10222, 0.2, 42, 0);
        assert_eq!(held_out.len(), 2044);
        assert_eq!(held_out[..5], [2882, 4514, 7717, 33, 4924]);
        assert_eq!(held_out[2041..], [8922, 6774, 37]);
        assert_eq!(held_out.iter().sum::<usize>(), 10_320_706);
        assert!(held_out.contains(&0) && !held_out.contains(&1));
        assert_eq!(cv_indices(10222, 0.2, 42, 1)[..5], [3979, 6887, 7975, 10220, 4695]);
        assert_eq!(cv_indices(10222, 0.2, 42, 5).len(), 2);
        assert!(cv_indices(10222, 0.2, 42, 6).is_empty());
    }

    #[test]
    fn planets_split_is_fastais() {
        let held_out = cv_indices(40479, 0.2, 42, 0);
        assert_eq!(held_out.len(), 8095);
        assert_eq!(held_out[..5], [34602, 11243, 14499, 18918, 30631]);
        assert_eq!(held_out.iter().sum::<usize>(), 163_567_548);
    }

    #[test]
    fn each_class_gives_its_share_and_folds_do_not_overlap() {
        // 7, 100, 3 and 391 of a class.
        let class = |i: usize| match i {
            0..7 => 3,
            7..107 => 0,
            107..110 => 9,
            _ => 1,
        };
        let keys: Vec<i32> = (0..501).map(|i| class(i * 37 % 501)).collect();
        for share in [0.2, 0.25, 0.3, 0.1] {
            let mut seen = vec![0; 501];
            for fold in 0..(1.0 / share) as u32 {
                let held_out = stratified_indices(&keys, share, 42, fold);
                assert_eq!(held_out.len(), (share * 501.0) as usize);
                for key in [0, 1, 3, 9] {
                    let all = keys.iter().filter(|k| **k == key).count() as f64;
                    let held = held_out.iter().filter(|i| keys[**i] == key).count() as f64;
                    assert!((held - all * share).abs() < 1.3, "{share} fold {fold} class {key}: {held} of {all}");
                }
                held_out.iter().for_each(|i| seen[*i] += 1);
            }
            assert!(seen.iter().all(|n| *n <= 1));
        }
        // As numpy and Python's stable sort give it.
        let held_out = stratified_indices(&keys, 0.2, 42, 0);
        assert_eq!((&held_out[..6], held_out.iter().sum::<usize>()), (&[0, 1, 4, 5, 22, 29][..], 25_797));
        assert_eq!(stratified_indices(&keys, 0.2, 42, 1)[..3], [8, 9, 10]);
        assert_ne!(stratified_indices(&keys, 0.2, 42, 0), stratified_indices(&keys, 0.2, 43, 0));
    }

    #[test]
    fn a_class_whose_share_is_one_row_has_one_in_each_fold() {
        for (share, size) in [(0.2, 5_usize), (0.5, 2), (0.25, 4), (0.1, 10)] {
            let mut filled = 0;
            // Four such classes, and others of a single row.
            for alone in 0..2 * size {
                let n = 4 * size + alone;
                let keys: Vec<usize> = (0..n).map(|i| if i < 4 * size { i % 4 } else { i }).collect();
                let mut seen = vec![false; n];
                for fold in 0..Valid::slices(share) {
                    let held_out = stratified_indices(&keys, share, 42, fold);
                    for class in 0..4 {
                        let held = held_out.iter().filter(|row| keys[**row] == class).count();
                        assert_eq!(held, 1, "{share}: class {class} in fold {fold}, {alone} alone");
                    }
                    held_out.iter().for_each(|row| assert!(!std::mem::replace(&mut seen[*row], true)));
                    let more = held_out.len() - (share * n as f64) as usize;
                    assert!(more == 0 || !alone.is_multiple_of(size), "a share that is whole needs no row more");
                    filled += more;
                }
            }
            assert!(filled > 0, "{share}");
        }
    }

    #[test]
    fn every_row_is_in_one_fold_and_classes_are_dealt_out() {
        let keys: Vec<usize> = (0..503).map(|i| [0, 0, 1, 2, 0, 1, 0][i % 7] + usize::from(i == 4) * 9).collect();
        for count in [2, 3, 5, 10] {
            let folds: Vec<Vec<usize>> = (0..count).map(|fold| fold_indices(&keys, count, 42, fold)).collect();
            let mut all = folds.concat();
            all.sort_unstable();
            assert_eq!(all, (0..503).collect::<Vec<_>>());
            for key in [None, Some(0), Some(1), Some(2), Some(9)] {
                let sizes = folds.iter().map(|f| f.iter().filter(|i| key.is_none_or(|k| keys[**i] == k)).count());
                let (least, most) = (sizes.clone().min().unwrap(), sizes.max().unwrap());
                assert!(most - least <= 1, "{count} folds, class {key:?}: {least} to {most}");
            }
        }
        // numpy.random.RandomState(42).permutation(10) is 8 1 5 0 7 2 9 4 3 6.
        assert_eq!(fold_indices(&[(); 10], 3, 42, 0), [0, 6, 8, 9]);
        assert_eq!(fold_indices(&[(); 10], 3, 42, 1), [1, 4, 7]);
        // Its order of the even rows is 8 0 2 4 6, of the odd ones 1 5 7 9 3.
        assert_eq!(fold_indices(&[0, 1, 0, 1, 0, 1, 0, 1, 0, 1], 5, 42, 0), [1, 8]);
        assert_ne!(fold_indices(&keys, 5, 42, 0), fold_indices(&keys, 5, 43, 0));
        let groups: Vec<usize> = (0..503).map(|i| i / 20).collect();
        let folds: Vec<Vec<usize>> = (0..4).map(|fold| fold_of_groups(&groups, 4, 42, fold)).collect();
        let mut all = folds.concat();
        all.sort_unstable();
        assert_eq!(all, (0..503).collect::<Vec<_>>());
        for fold in &folds {
            let whole = |g: &usize| fold.iter().filter(|i| groups[**i] == *g).count();
            assert!(fold.iter().all(|i| whole(&groups[*i]) == groups.iter().filter(|g| **g == groups[*i]).count()));
        }
        assert!(fold_indices::<u8>(&[], 5, 42, 4).is_empty() && fold_of_groups::<u8>(&[], 5, 42, 4).is_empty());
    }

    #[test]
    fn groups_stay_together() {
        let groups: Vec<usize> = (0..2100).map(|i| i / 20).collect();
        let held_out = grouped_indices(&groups, 0.2, 42, 0);
        assert_eq!(held_out.len(), 420);
        let blocks: Vec<usize> = held_out.iter().step_by(20).map(|i| i / 20).collect();
        let mut expected = cv_indices(105, 0.2, 42, 0);
        expected.sort_unstable();
        assert_eq!(blocks, expected);
        assert!(held_out.chunks(20).all(|b| b.windows(2).all(|w| w[1] == w[0] + 1)));
    }

    #[test]
    fn nothing_to_split_is_no_panic() {
        assert!(stratified_indices::<u8>(&[], 0.2, 42, 0).is_empty());
        assert!(stratified_indices(&[1, 2], 0.2, 42, u32::MAX).is_empty());
        assert!(grouped_indices::<u8>(&[], 0.2, 42, 3).is_empty());
        assert!(cv_indices(0, 0.2, 42, 0).is_empty());
        assert!(cv_indices(1, 0.2, 42, u32::MAX).is_empty());
    }
}
