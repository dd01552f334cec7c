//! Images as a network sees them.

use burn::tensor::Device;
use fastai_dsl::{Stats, Transforms};

use super::examples::{ExampleBatches, Examples, Pass};
use crate::RunError;
use crate::data::Item;

/// How images are prepared.
#[derive(Clone, Debug)]
pub struct Preparation {
    /// Size, crop and augmentation.
    pub transforms: Transforms,
    /// Statistics that pixels are normalised with.
    pub stats: Stats,
    /// Images a batch.
    pub batch: usize,
    /// Threads that decode and transform.
    pub workers: usize,
    /// Seed of the order and the augmentation.
    pub seed: u64,
}

impl Preparation {
    /// The same at another image side, pixels.
    pub fn at_size(&self, size: u32) -> Self {
        let mut other = self.clone();
        other.transforms.size = size;
        other
    }

    /// A text that differs wherever the pixels of a plain pass do.
    pub fn signature(&self) -> String {
        let Transforms { size, crop, pad, .. } = &self.transforms;
        format!("plain 1: size {size}, crop {crop:?}, pad {pad}, {:?}", self.stats)
    }
}

/// A list of images, decoded and transformed as they are asked for.
///
/// Until the transforms are in, images are squashed to the square and the only augmentation is a left-right flip:
/// `batches` is the one place that the loader has to replace.
#[derive(Clone, Debug)]
pub struct ImageExamples<'a> {
    items: &'a [Item],
    preparation: Preparation,
}

impl<'a> ImageExamples<'a> {
    /// These images, prepared so.
    pub fn new(items: &'a [Item], preparation: Preparation) -> Self {
        ImageExamples { items, preparation }
    }
}

impl Examples for ImageExamples<'_> {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn batches<'a>(&'a self, pass: &Pass, device: &Device) -> Result<ExampleBatches<'a>, RunError> {
        let order = super::examples::order(self.len(), pass, self.preparation.seed);
        let device = device.clone();
        let ranges = super::examples::batch_ranges(self.len(), self.preparation.batch);
        let pass = pass.clone();
        let side = self.preparation.transforms.size;
        Ok(Box::new(ranges.into_iter().map(move |range| {
            use rayon::prelude::*;
            let images = order[range].to_vec();
            let one = |&i: &usize| -> Result<Vec<f32>, RunError> {
                let item = &self.items[i];
                let image = image::open(&item.path).map_err(|e| {
                    RunError::Data(crate::data::DataError::one(format!("{}: {e}", item.path.display())))
                })?;
                let mut image = image.resize_exact(side, side, image::imageops::FilterType::Triangle).to_rgb8();
                let key = match pass {
                    Pass::Plain => None,
                    Pass::Augmented { stage, pass } => Some([stage, 1000 + pass, i as u64]),
                    Pass::Shuffled { stage, epoch } => Some([stage, epoch, i as u64]),
                };
                if let Some(key) = key {
                    let mut rng = crate::random::Stream::new(self.preparation.seed, "transform").at(&key);
                    if crate::random::chance(&mut rng, 0.5) {
                        image = image::imageops::flip_horizontal(&image);
                    }
                }
                let n = (side * side) as usize;
                let mut out = vec![0.0; 3 * n];
                for (k, pixel) in image.pixels().enumerate() {
                    for c in 0..3 {
                        out[c * n + k] = (f32::from(pixel.0[c]) / 255.0 - self.preparation.stats.mean[c])
                            / self.preparation.stats.std[c];
                    }
                }
                Ok(out)
            };
            let values: Vec<Vec<f32>> = images.par_iter().map(one).collect::<Result<_, _>>()?;
            let data = burn::tensor::TensorData::new(values.concat(), [images.len(), 3, side as usize, side as usize]);
            Ok(super::ExampleBatch {
                inputs: super::Inputs::Images(burn::tensor::Tensor::from_data(data, &device)),
                images,
            })
        })))
    }
}
