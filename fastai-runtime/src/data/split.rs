//! fastai's random split, bit for bit.

use rand_mt::Mt;

/// fastai's `get_cv_idxs`: which of `n` rows are held out.
///
/// Slice number `fold` (from 0) of `trunc(share * n)` indices of numpy's legacy `permutation(n)` under `seed`, in the
/// permutation's order; a slice past the end is shorter or empty.
pub fn cv_indices(n: usize, share: f64, seed: u32, fold: u32) -> Vec<usize> {
    let held_out = (share * n as f64) as usize;
    let start = held_out.saturating_mul(fold as usize).min(n);
    let end = start.saturating_add(held_out).min(n);
    legacy_permutation(n, seed)[start..end].to_vec()
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
    fn nothing_to_split_is_no_panic() {
        assert!(cv_indices(0, 0.2, 42, 0).is_empty());
        assert!(cv_indices(1, 0.2, 42, u32::MAX).is_empty());
    }
}
