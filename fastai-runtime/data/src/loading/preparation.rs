//! The preparation of images for the network's input.

use fastai_dsl::{Stats, Transforms};

use crate::transforms::Transform;

/// The preparation of images for the network's input, and the size of batches.
#[derive(Clone, Debug)]
pub struct Preparation {
    /// Size, crop and augmentation.
    pub transforms: Transforms,
    /// Mean and standard deviation that normalise the pixels.
    pub stats: Stats,
    /// Images per batch.
    pub batch: usize,
    /// Threads that decode and transform.
    pub workers: usize,
    /// Seed of the order and the augmentation.
    pub seed: u64,
}

impl Preparation {
    /// Returns the preparation with another image side, pixels.
    pub fn at_size(&self, size: u32) -> Self {
        let mut other = self.clone();
        other.transforms.size = size;
        other
    }

    /// Returns a text that differs whenever the pixels of a plain pass differ.
    pub fn signature(&self) -> String {
        self.transform().signature().to_string()
    }

    pub(super) fn transform(&self) -> Transform {
        Transform::new(&self.transforms, self.stats)
    }
}
