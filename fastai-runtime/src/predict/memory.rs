//! Predictions for images in memory.

use image::RgbImage;
use rayon::prelude::*;

use super::{PredictOptions, Predictions, Predictor};
use crate::RunError;
use crate::data::{DataError, Finding, FindingKind};
use crate::metrics::Probabilities;

/// Features of images, `[image, width]`: for each channel of the body's last map the largest value, then for each the mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    values: Vec<f32>,
    width: usize,
}

impl Embeddings {
    /// Numbers per image.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All numbers, `[image, width]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// One image's embedding, in the order of the images.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width.max(1))
    }
}

/// The prediction for one image in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageAnswer {
    /// One probability per class, in the order of the classes.
    pub probabilities: Vec<f32>,
    /// The embedding, if [`PredictOptions`] asks for it.
    pub embedding: Option<Vec<f32>>,
}

impl Predictor {
    /// Returns the probabilities of images in memory, in their order, prepared like the validation images. The ids are the
    /// positions, from 0.
    ///
    /// Images are 8-bit RGB, upright, of any size. The prediction for an image does not depend on the others. Memory beyond
    /// the images is bounded by a batch.
    ///
    /// # Errors
    /// All images without pixels at once; a failure of the device.
    pub fn predict(&self, images: &[RgbImage]) -> Result<Predictions, RunError> {
        self.predict_with(images, &PredictOptions::default())
    }

    /// Like [`predict`](Self::predict), with test-time augmentation if `options` asks for it. The model's seed and the pixels
    /// determine the augmentation. `options.embeddings` is ignored.
    ///
    /// # Errors
    /// Those of [`predict`](Self::predict).
    pub fn predict_with(&self, images: &[RgbImage], options: &PredictOptions) -> Result<Predictions, RunError> {
        empty(images)?;
        let options = PredictOptions { embeddings: false, ..*options };
        let mut values = Vec::with_capacity(images.len() * self.classes().len());
        for part in images.chunks(self.batch(&options)) {
            self.answers(part, &options)?.into_iter().for_each(|answer| values.extend(answer.probabilities));
        }
        let ids = (0..images.len()).map(|image| image.to_string()).collect();
        let probabilities = Probabilities::new(values, self.classes().len());
        Ok(Predictions::new(ids, self.classes().to_vec(), probabilities, None))
    }

    /// Returns the embeddings of images in memory, in their order: `[max, mean]` of the channels of the body's last map,
    /// which is what the head sees. An ensemble's embedding consists of those of its networks, one after the other.
    ///
    /// # Errors
    /// Those of [`predict`](Self::predict).
    pub fn embed(&self, images: &[RgbImage]) -> Result<Embeddings, RunError> {
        empty(images)?;
        let (options, width) = (PredictOptions::default().with_embeddings(), self.embedding_len());
        let mut values = Vec::with_capacity(images.len() * width);
        for part in images.chunks(self.batch(&options)) {
            self.answers(part, &options)?
                .into_iter()
                .for_each(|answer| values.extend(answer.embedding.into_iter().flatten()));
        }
        Ok(Embeddings { values, width })
    }

    /// Predicts any number of images, lazily: one batch is in memory at a time. The iterator ends after an error.
    ///
    /// # Errors
    /// Those of [`predict`](Self::predict), for each batch.
    pub fn predict_iter<I: IntoIterator<Item = RgbImage>>(
        &self,
        images: I,
        options: PredictOptions,
    ) -> impl Iterator<Item = Result<ImageAnswer, RunError>> + use<'_, I> {
        let size = self.batch(&options);
        let (mut images, mut failed) = (images.into_iter(), false);
        std::iter::from_fn(move || {
            let batch: Vec<RgbImage> = images.by_ref().take(size).collect();
            if batch.is_empty() || failed {
                return None;
            }
            let answers = self.answers(&batch, &options);
            failed = answers.is_err();
            Some(match answers {
                Ok(answers) => answers.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            })
        })
        .flatten()
    }

    /// Predicts the bytes of image files, decoded as the run decoded its files. The result has one entry per file, in their
    /// order; for a file that cannot be decoded, it is the reason, a text for people.
    ///
    /// The content determines the format: JPEG, PNG, GIF (its first frame), BMP, WebP or TIFF. An image has at most 16,384 pixels
    /// a side and takes at most 512 MiB decoded.
    ///
    /// # Errors
    /// A failure of the device.
    pub fn predict_encoded<B: AsRef<[u8]> + Sync>(
        &self,
        files: &[B],
        options: &PredictOptions,
    ) -> Result<Vec<Result<ImageAnswer, String>>, RunError> {
        let (reading, preparing) = (self.reading(), self.preparation());
        let mut all = Vec::with_capacity(files.len());
        for part in files.chunks(self.batch(options)) {
            all.extend(self.filled(part.len(), options, |index, values| {
                let bytes = part[index].as_ref();
                preparing.inputs(&reading.read_bytes(bytes, preparing.demand())?, values);
                Ok(())
            })?);
        }
        Ok(all)
    }

    /// Predicts one batch.
    fn answers(&self, images: &[RgbImage], options: &PredictOptions) -> Result<Vec<ImageAnswer>, RunError> {
        empty(images)?;
        let (reading, preparing) = (self.reading(), self.preparation());
        let answers = self.filled(images.len(), options, |index, values| {
            let image = &images[index];
            match reading.reread(image, preparing.demand())? {
                Some(copy) => preparing.inputs(&copy, values),
                None => preparing.inputs(image, values),
            }
            Ok(())
        })?;
        let answers: Result<Vec<ImageAnswer>, String> = answers.into_iter().collect();
        Ok(answers.map_err(DataError::one)?)
    }

    /// Predicts one batch of `count` images; `fill(index, values)` writes the inputs of one.
    fn filled(
        &self,
        count: usize,
        options: &PredictOptions,
        fill: impl Fn(usize, &mut [f32]) -> Result<(), String> + Sync,
    ) -> Result<Vec<Result<ImageAnswer, String>>, RunError> {
        let each = options.passes() * self.input_len();
        let mut inputs = vec![0.0; count * each];
        let filled: Vec<Result<(), String>> =
            inputs.par_chunks_mut(each).enumerate().map(|(index, values)| fill(index, values)).collect();
        // The network sees what was read.
        let mut sound = 0;
        for (index, filled) in filled.iter().enumerate() {
            if filled.is_ok() {
                inputs.copy_within(index * each..(index + 1) * each, sound * each);
                sound += 1;
            }
        }
        if sound == 0 {
            return Ok(filled.into_iter().map(|failed| Err(failed.err().unwrap_or_default())).collect());
        }
        let answers = self.answer(&inputs[..sound * each], sound, options)?;
        let mut embeddings = answers.embeddings.iter().flat_map(|all| all.chunks_exact(self.embedding_len()));
        let mut rows = answers.probabilities.rows();
        let mut answer = || ImageAnswer {
            probabilities: rows.next().unwrap_or_default().to_vec(),
            embedding: embeddings.next().map(<[f32]>::to_vec),
        };
        Ok(filled.into_iter().map(|filled| filled.map(|()| answer())).collect())
    }
}

/// # Errors
/// Every image without pixels.
fn empty(images: &[RgbImage]) -> Result<(), RunError> {
    let findings: Vec<Finding> = images
        .iter()
        .enumerate()
        .filter(|(_, image)| image.width() == 0 || image.height() == 0)
        .map(|(index, image)| {
            let text = format!("image {index}: {} x {} pixels, at least 1 x 1 wanted", image.width(), image.height());
            Finding::new(FindingKind::BrokenInput { image: index }, text)
        })
        .collect();
    if findings.is_empty() { Ok(()) } else { Err(DataError::from(findings).into()) }
}
