//! The examples of a stage: images, or features computed from them earlier.

use burn::tensor::{Device, Tensor, TensorData};

use crate::RunError;
use crate::data::{ImageExamples, Traversal};
use crate::device::{ByteUpload, takes_bytes};

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
        let shape = move |values: usize| [values / (3 * side * side), 3, side, side];
        if takes_bytes(self.pixel_format(), &device) {
            let upload = ByteUpload::new(self.stats(), &device);
            return Ok(Box::new(self.load_bytes(traversal, skip)?.map(move |batch| {
                let batch = batch?;
                let shape = shape(batch.pixels.len());
                let images = upload.normalised(TensorData::new(batch.pixels, shape));
                Ok(ExampleBatch { inputs: Inputs::Images(images), images: batch.indices })
            })));
        }
        Ok(Box::new(self.load(traversal, skip)?.map(move |batch| {
            let batch = batch?;
            let shape = shape(batch.pixels.len());
            let images = Tensor::from_data(TensorData::new(batch.pixels, shape), &device);
            Ok(ExampleBatch { inputs: Inputs::Images(images), images: batch.indices })
        })))
    }
}
