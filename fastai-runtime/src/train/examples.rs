//! The examples of a stage: images, or features computed from them earlier.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use crate::RunError;
use crate::activations::Features;
use crate::random::{Stream, permutation, unit};

/// The network's input.
#[derive(Clone, Debug)]
pub enum Inputs {
    /// Concat-pooled features `[batch, head_input]`.
    Features(Tensor<2>),
    /// Normalised images `[batch, 3, height, width]`.
    Images(Tensor<4>),
}

/// A batch: inputs, and the rows of their images in the set.
#[derive(Clone, Debug)]
pub struct ExampleBatch {
    /// The network's input.
    pub inputs: Inputs,
    /// Row of each image in the set.
    pub images: Vec<usize>,
}

/// The order and augmentation of one pass over a set.
#[derive(Clone, Debug, PartialEq)]
pub enum Pass {
    /// Every image in set order, without augmentation.
    Plain,
    /// Every image in set order, augmented; `pass` counts the augmented passes.
    Augmented {
        /// Stage of the run: keys the random draws.
        stage: u64,
        /// Index of the pass.
        pass: u64,
    },
    /// Every image once, or as often as its weight states, shuffled and augmented.
    Shuffled {
        /// Stage of the run: keys the random draws.
        stage: u64,
        /// Epoch of the stage: keys the random draws.
        epoch: u64,
    },
}

/// The batches of a pass, in order.
pub type ExampleBatches<'a> = Box<dyn Iterator<Item = Result<ExampleBatch, RunError>> + 'a>;

/// A set of images that yields batches.
pub trait Examples {
    /// Images.
    fn len(&self) -> usize;
    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Starts a pass; inputs are created on `device`.
    ///
    /// # Errors
    /// If reading cannot start; each batch has its own result.
    fn batches<'a>(&'a self, pass: &Pass, device: &Device) -> Result<ExampleBatches<'a>, RunError>;
}

/// Features from the cache. Features cannot be augmented, so every pass except the shuffled one equals the plain one.
#[derive(Clone, Copy, Debug)]
pub struct CachedExamples<'a> {
    /// The features.
    pub features: &'a Features,
    /// Images per batch.
    pub batch: usize,
    /// Seed of the shuffles.
    pub seed: u64,
    /// Sampling weight of each image in a shuffled pass, relative to the others; `None` to visit each image once.
    pub weights: Option<&'a [f64]>,
}

impl Examples for CachedExamples<'_> {
    fn len(&self) -> usize {
        self.features.rows()
    }

    fn batches<'a>(&'a self, pass: &Pass, device: &Device) -> Result<ExampleBatches<'a>, RunError> {
        let order = order(self.len(), pass, self.seed, self.weights);
        let device = device.clone();
        let ranges = batch_ranges(self.len(), self.batch);
        Ok(Box::new(ranges.into_iter().map(move |range| {
            let images = order[range].to_vec();
            let values = self.features.gather(&images)?;
            let data = TensorData::new(values, [images.len(), self.features.width()]);
            Ok(ExampleBatch { inputs: Inputs::Features(Tensor::from_data(data, &device)), images })
        })))
    }
}

/// The order of a pass over `n` images.
pub(super) fn order(n: usize, pass: &Pass, seed: u64, weights: Option<&[f64]>) -> Vec<usize> {
    match pass {
        Pass::Plain | Pass::Augmented { .. } => (0..n).collect(),
        Pass::Shuffled { stage, epoch } => {
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
pub(super) fn batch_ranges(n: usize, batch: usize) -> Vec<Range<usize>> {
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
pub(crate) fn merged_batches(n: usize, batch: usize) -> Option<String> {
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
            let pass = Pass::Shuffled { stage: 1, epoch };
            let drawn = order(100, &pass, 42, Some(&weights));
            assert_eq!(drawn, order(100, &pass, 42, Some(&weights)));
            let rare = drawn.iter().filter(|i| *i % 10 == 3).count();
            assert_eq!((drawn.len(), rare), (100, 50), "epoch {epoch}");
            drawn.iter().for_each(|i| counts[*i] += 1);
        }
        assert!(counts.iter().enumerate().all(|(i, n)| if i % 10 == 3 { *n == 200 } else { (8..=36).contains(n) }));
        let even = order(7, &Pass::Shuffled { stage: 0, epoch: 0 }, 1, Some(&[0.1; 7]));
        assert_eq!(even.iter().collect::<std::collections::BTreeSet<_>>().len(), 7);
        assert_eq!(order(3, &Pass::Plain, 1, Some(&[0.0, 0.0, 1.0])), [0, 1, 2]);
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
