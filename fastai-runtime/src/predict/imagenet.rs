//! Published networks with their 1000 classes.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use fastai_dsl::{ArchFacts, Crop, TransformSet, Transforms};
use image::{RgbImage, imageops};

use crate::models::{Classifier, WeightsError, load_classifier};
use crate::slow_kernels;
use crate::transforms::Transform;

/// A published network with its classifier and its image preparation.
#[derive(Debug)]
pub struct ImagenetClassifier {
    network: Classifier,
    transform: Transform,
    side: usize,
    share: f64,
    device: Device,
}

impl ImagenetClassifier {
    /// Loads the network with the weights at `path`, for squares of `size` pixels.
    ///
    /// # Errors
    /// Those of [`load_classifier`].
    pub fn load(facts: &ArchFacts, path: &Path, size: u32, device: &Device) -> Result<Self, WeightsError> {
        slow_kernels::warn();
        let network = load_classifier(Classifier::new(facts.name, 0, device), path)?;
        let plain = Transforms { crop: Crop::Center, ..Transforms::new(TransformSet::None, size) };
        let transform = Transform::new(&plain, facts.stats);
        Ok(Self { network, transform, side: size as usize, share: 1.0, device: device.clone() })
    }

    /// Crops each image to its central square, whose side is `share` (0 to 1) of the image's shorter side. Most accuracies
    /// are published for 0.875.
    pub fn middle(self, share: f64) -> Self {
        Self { share: share.clamp(0.0, 1.0), ..self }
    }

    /// Returns the logits, 1000 per image in the order of [`imagenet_classes`](crate::models::imagenet_classes). The
    /// shorter side is scaled to the size, the centre is cropped, and the pixels are normalised with the network's
    /// statistics.
    ///
    /// # Panics
    /// If an image has no pixels.
    pub fn logits(&self, images: &[RgbImage]) -> Vec<f32> {
        if images.is_empty() {
            return Vec::new();
        }
        let mut pixels = vec![0.0; images.len() * 3 * self.side * self.side];
        for (image, out) in images.iter().zip(pixels.chunks_mut(3 * self.side * self.side)) {
            if self.share < 1.0 {
                let shorter = image.width().min(image.height());
                let side = ((f64::from(shorter) * self.share).round() as u32).max(1);
                let (left, top) = ((image.width() - side) / 2, (image.height() - side) / 2);
                self.transform.valid(&imageops::crop_imm(image, left, top, side, side).to_image(), out);
            } else {
                self.transform.valid(image, out);
            }
        }
        let data = TensorData::new(pixels, [images.len(), 3, self.side, self.side]);
        let logits = self.network.forward(Tensor::from_data(data, &self.device));
        logits.into_data().convert::<f32>().try_to_vec().expect("converted to f32")
    }
}
