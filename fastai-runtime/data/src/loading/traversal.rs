//! The order in which a pass visits images, and its batches.

use std::ops::Range;

use rand_chacha::ChaCha8Rng;

use crate::random::{Stream, permutation, unit};

/// The order and augmentation of one pass over a set.
#[derive(Clone, Debug, PartialEq)]
pub enum Traversal {
    /// Every image in set order, without augmentation.
    Plain,
    /// These images of the set in this order, without augmentation.
    Listed(Vec<usize>),
    /// Every image in set order with several augmented inputs, which lie together, so that it is decoded once.
    Views {
        /// Index of an image's first input among all its augmented ones.
        first: u32,
        /// Inputs of an image, at least 1.
        views: u32,
    },
    /// Every image once, or as often as its weight states, shuffled and augmented.
    Shuffled {
        /// Stage of the run: keys the random draws.
        stage: u64,
        /// Epoch of the stage: keys the random draws.
        epoch: u64,
    },
}

impl Traversal {
    /// Inputs of an image.
    pub fn views(&self) -> usize {
        match self {
            Traversal::Views { views, .. } => (*views).max(1) as usize,
            Traversal::Plain | Traversal::Listed(_) | Traversal::Shuffled { .. } => 1,
        }
    }
}

/// The order of a pass over a set of `n` images.
pub fn order(n: usize, traversal: &Traversal, seed: u64, weights: Option<&[f64]>) -> Vec<usize> {
    match traversal {
        Traversal::Plain | Traversal::Views { .. } => (0..n).collect(),
        Traversal::Listed(images) => images.clone(),
        Traversal::Shuffled { stage, epoch } => {
            let order = permutation(&mut Stream::new(seed, "order").at(&[*stage, *epoch]), n);
            match weights {
                None => order,
                Some(weights) => resample(&order, weights, &mut Stream::new(seed, "sampler").at(&[*stage, *epoch])),
            }
        }
    }
}

/// Draws as many images as there are, each in proportion to its weight, rounded up or down at random.
///
/// Uses systematic resampling: evenly spaced points over the cumulative weights in shuffled order, then another shuffle.
/// The counts vary less than those of independent draws, and an image whose expected count is at least 1 always occurs.
fn resample(order: &[usize], weights: &[f64], rng: &mut ChaCha8Rng) -> Vec<usize> {
    let total: f64 = order.iter().map(|index| weights[*index]).sum();
    let step = total / order.len().max(1) as f64;
    let mut point = unit(rng) * step;
    let mut reached = 0.0;
    let mut drawn = Vec::with_capacity(order.len());
    for index in order {
        reached += weights[*index];
        while point < reached && drawn.len() < order.len() {
            drawn.push(*index);
            point += step;
        }
    }
    // Rounding may put the last point just beyond the end.
    while let (true, Some(last)) = (drawn.len() < order.len(), order.last()) {
        drawn.push(*last);
    }
    permutation(rng, drawn.len()).into_iter().map(|place| drawn[place]).collect()
}

/// Batches of `n` images; a trailing batch of one joins the one before it, because BatchNorm cannot train on it.
pub fn batch_ranges(n: usize, batch: usize) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = (0..n).step_by(batch.max(1)).map(|at| at..n.min(at + batch.max(1))).collect();
    if ranges.len() > 1 && ranges.last().is_some_and(|last| last.len() == 1) {
        ranges.pop();
        if let Some(last) = ranges.last_mut() {
            last.end = n;
        }
    }
    ranges
}

/// Returns the notice that `n` images in batches of `batch` leave one image over, which joins the batch before.
pub fn merged_batches(n: usize, batch: usize) -> Option<String> {
    let merged = batch > 1 && n > batch && n % batch == 1;
    merged.then(|| {
        format!(
            "{n} training images in batches of {batch} leave one over, which BatchNorm cannot train on: the last batch \
             of an epoch has {} images",
            batch + 1
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_say_how_often_an_image_comes() {
        // 90 images of a frequent class and 10 of a rare one, balanced: 50 of each in an epoch.
        let weights: Vec<f64> = (0..100).map(|i| if i % 10 == 3 { 1.0 / 10.0 } else { 1.0 / 90.0 }).collect();
        let mut counts = [0u32; 100];
        for epoch in 0..40 {
            let traversal = Traversal::Shuffled { stage: 1, epoch };
            let drawn = order(100, &traversal, 42, Some(&weights));
            assert_eq!(drawn, order(100, &traversal, 42, Some(&weights)));
            let rare = drawn.iter().filter(|i| *i % 10 == 3).count();
            assert_eq!((drawn.len(), rare), (100, 50), "epoch {epoch}");
            drawn.iter().for_each(|i| counts[*i] += 1);
        }
        assert!(counts.iter().enumerate().all(|(i, n)| if i % 10 == 3 { *n == 200 } else { (8..=36).contains(n) }));
        let even = order(7, &Traversal::Shuffled { stage: 0, epoch: 0 }, 1, Some(&[0.1; 7]));
        assert_eq!(even.iter().collect::<std::collections::BTreeSet<_>>().len(), 7);
        assert_eq!(order(3, &Traversal::Plain, 1, Some(&[0.0, 0.0, 1.0])), [0, 1, 2]);
        assert_eq!(order(5, &Traversal::Listed(vec![4, 1]), 1, Some(&[1.0; 5])), [4, 1]);
    }

    #[test]
    fn a_trailing_batch_of_one_is_merged_as_the_plan_counts() {
        for n in 1..40usize {
            for batch in 2..9u32 {
                let ranges = batch_ranges(n, batch as usize);
                assert_eq!(ranges.len() as u64, fastai_dsl::plan::batches_per_epoch(n as u64, batch));
                assert_eq!(ranges.iter().map(ExactSizeIterator::len).sum::<usize>(), n);
                assert!(n == 1 || ranges.iter().all(|r| r.len() > 1));
                let longer = ranges.iter().any(|r| r.len() > batch as usize);
                assert_eq!(merged_batches(n, batch as usize).is_some(), longer, "{n} by {batch}");
            }
        }
    }
}
