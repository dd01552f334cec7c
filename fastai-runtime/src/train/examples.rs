//! The examples of a stage: images, or features computed from them earlier.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use fastai_dsl::{PixelFormat, Stats};

use crate::RunError;
use crate::data::{ImageExamples, Traversal};
use crate::device::is_cpu;

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
        if self.pixel_format() == PixelFormat::Bytes && takes_bytes(&device) {
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

/// Whether `device` receives bytes and normalises them: the CPU's images are normalised where they are loaded, and WebGPU's
/// own shader language has no 8-bit integers.
fn takes_bytes(device: &Device) -> bool {
    !is_cpu(device) && device.supports_dtype(DType::U8)
}

/// Sends 8-bit images to a device and normalises them there.
struct ByteUpload {
    /// The factor of each channel, `[1, 3, 1, 1]`.
    scale: Tensor<4>,
    /// What is added to each channel, `[1, 3, 1, 1]`.
    shift: Tensor<4>,
    device: Device,
}

impl ByteUpload {
    fn new(Stats { mean, std }: Stats, device: &Device) -> Self {
        let row = |values: [f32; 3]| Tensor::<1>::from_data(values, device).reshape([1, 3, 1, 1]);
        let scale = row(std.map(|std| 1.0 / (255.0 * std)));
        let shift = row(std::array::from_fn(|c| -mean[c] / std[c]));
        ByteUpload { scale, shift, device: device.clone() }
    }

    /// Uploads `bytes`, `[batch, 3, height, width]`, and returns `(byte / 255 - mean) / std`.
    fn normalised(&self, bytes: TensorData) -> Tensor<4> {
        let bytes = Tensor::<4, Int>::from_data(bytes, (&self.device, DType::U8));
        bytes.float() * self.scale.clone() + self.shift.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_normalises_every_byte_as_the_loader_does() {
        let device = Device::flex();
        let stats = Stats::IMAGENET;
        let bytes: Vec<u8> = (0..3).flat_map(|_| 0..=255).collect();
        let wanted = bytes.iter().enumerate().map(|(i, byte)| {
            let (mean, std) = (f64::from(stats.mean[i / 256]), f64::from(stats.std[i / 256]));
            (f64::from(*byte) / 255.0 - mean) / std
        });
        let upload = ByteUpload::new(stats, &device);
        let got = upload.normalised(TensorData::new(bytes.clone(), [1, 3, 16, 16])).into_data();
        for (got, wanted) in got.try_into_vec::<f32>().unwrap().into_iter().zip(wanted) {
            assert!((f64::from(got) - wanted).abs() < 1e-6, "{got} for {wanted}");
        }
    }
}
