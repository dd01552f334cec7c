//! Cached features as the examples of a stage.

use burn::tensor::{Device, Tensor, TensorData};

use super::Features;
use crate::RunError;
use crate::data::{Traversal, batch_ranges, order};
use crate::train::{ExampleBatch, ExampleBatches, Examples, Inputs};

/// Features from the cache. Features cannot be augmented, so all views of an image are the plain one.
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

    fn batches<'a>(
        &'a self,
        traversal: &Traversal,
        skip: usize,
        device: &Device,
    ) -> Result<ExampleBatches<'a>, RunError> {
        let order = order(self.len(), traversal, self.seed, self.weights);
        let device = device.clone();
        let views = traversal.views();
        let ranges = batch_ranges(order.len(), self.batch / views);
        Ok(Box::new(ranges.into_iter().skip(skip).map(move |range| {
            let images = order[range].to_vec();
            let rows: Vec<usize> = images.iter().flat_map(|image| std::iter::repeat_n(*image, views)).collect();
            let values = self.features.gather(&rows)?;
            let data = TensorData::new(values, [rows.len(), self.features.width()]);
            Ok(ExampleBatch { inputs: Inputs::Features(Tensor::from_data(data, &device)), images })
        })))
    }
}
