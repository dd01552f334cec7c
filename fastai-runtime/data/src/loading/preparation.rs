//! The way from an image to the network's input.

use fastai_dsl::{Stats, Transforms};

use crate::transforms::Transform;

/// The way from an image to the network's input, and the batches it arrives in.
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
    /// This preparation at another image side, pixels.
    pub fn at_size(&self, size: u32) -> Self {
        let mut other = self.clone();
        other.transforms.size = size;
        other
    }

    /// Returns a text that differs wherever the pixels of a plain pass do.
    pub fn signature(&self) -> String {
        self.transform().signature()
    }

    pub(super) fn transform(&self) -> Transform {
        Transform::new(&self.transforms, self.stats)
    }
}
