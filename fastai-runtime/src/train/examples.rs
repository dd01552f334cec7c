//! The examples of a stage: images, or features computed from them earlier.

use burn::tensor::{Device, Tensor, TensorData};

use crate::RunError;
use crate::activations::Features;
use crate::data::{ImageExamples, Traversal, batch_ranges, order};

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
    /// Starts a pass; inputs are created on `device`. The first `skip` batches are left out, without being read.
    ///
    /// # Errors
    /// If reading cannot start; each batch has its own result.
    fn batches<'a>(
        &'a self,
        traversal: &Traversal,
        skip: usize,
        device: &Device,
    ) -> Result<ExampleBatches<'a>, RunError>;
}

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

impl Examples for ImageExamples {
    fn len(&self) -> usize {
        ImageExamples::len(self)
    }

    fn batches<'a>(
        &'a self,
        traversal: &Traversal,
        skip: usize,
        device: &Device,
    ) -> Result<ExampleBatches<'a>, RunError> {
        let (side, device) = (self.side(), device.clone());
        Ok(Box::new(self.load(traversal, skip)?.map(move |batch| {
            let batch = batch?;
            let inputs = batch.pixels.len() / (3 * side * side);
            let data = TensorData::new(batch.pixels, [inputs, 3, side, side]);
            Ok(ExampleBatch { inputs: Inputs::Images(Tensor::from_data(data, &device)), images: batch.indices })
        })))
    }
}
