//! Predictions for images in memory.

use image::RgbImage;
use rayon::prelude::*;

use super::inputs::InputNumber;
use super::{PredictOptions, Predictions, Predictor};
use crate::RunError;
use crate::data::{DataError, DecodeError, Finding, FindingKind};
use crate::metrics::Probabilities;
use crate::transforms::Picture;

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

/// An image to predict.
enum ShownImage<'a> {
    Given(&'a RgbImage),
    Decoded(Picture),
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
    /// order; for a file that cannot be decoded, it is the reason.
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
    ) -> Result<Vec<Result<ImageAnswer, DecodeError>>, RunError> {
        let (reading, demand) = (self.reading(), self.preparation().demand());
        let mut all = Vec::with_capacity(files.len());
        for part in files.chunks(self.batch(options)) {
            let read = |index: usize| reading.read_bytes(part[index].as_ref(), demand).map(ShownImage::Decoded);
            all.extend(self.filled(part.len(), options, &read)?);
        }
        Ok(all)
    }

    /// Predicts one batch.
    fn answers(&self, images: &[RgbImage], options: &PredictOptions) -> Result<Vec<ImageAnswer>, RunError> {
        empty(images)?;
        let (reading, demand) = (self.reading(), self.preparation().demand());
        let read = |index: usize| {
            let copy = reading.reread(&images[index], demand);
            copy.map(|copy| copy.map_or(ShownImage::Given(&images[index]), ShownImage::Decoded))
        };
        let answers = self.filled(images.len(), options, &read)?;
        let answers: Result<Vec<ImageAnswer>, DecodeError> = answers.into_iter().collect();
        Ok(answers.map_err(|reason| DataError::one(reason.to_string()))?)
    }

    /// Predicts one batch of `count` images; `read(index)` returns one of them.
    fn filled<'a>(
        &self,
        count: usize,
        options: &PredictOptions,
        read: &(dyn Fn(usize) -> Result<ShownImage<'a>, DecodeError> + Sync),
    ) -> Result<Vec<Result<ImageAnswer, DecodeError>>, RunError> {
        match self.sends_bytes() {
            true => self.filled_as::<u8>(count, options, read),
            false => self.filled_as::<f32>(count, options, read),
        }
    }

    /// [`filled`](Self::filled), with inputs that reach the device as these numbers.
    fn filled_as<'a, V: InputNumber>(
        &self,
        count: usize,
        options: &PredictOptions,
        read: &(dyn Fn(usize) -> Result<ShownImage<'a>, DecodeError> + Sync),
    ) -> Result<Vec<Result<ImageAnswer, DecodeError>>, RunError> {
        let (each, preparing) = (options.passes() * self.input_len(), self.preparation());
        let mut inputs = vec![V::default(); count * each];
        let fill = |(index, values): (usize, &mut [V])| {
            read(index).map(|image| match image {
                ShownImage::Given(image) => preparing.inputs(image, values),
                ShownImage::Decoded(image) => preparing.inputs(&image, values),
            })
        };
        let filled: Vec<Result<(), DecodeError>> = inputs.par_chunks_mut(each).enumerate().map(fill).collect();
        // The network sees what was read.
        let mut sound = 0;
        for (index, filled) in filled.iter().enumerate() {
            if filled.is_ok() {
                inputs.copy_within(index * each..(index + 1) * each, sound * each);
                sound += 1;
            }
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

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use fastai_dsl::{HeadSpec, PixelFormat, TaskKind, TransformSet, Transforms};
    use image::Rgb;

    use super::*;
    use crate::models::{ModelMeta, Network};

    /// A model of numbers, which are its logits, with inputs of bytes.
    fn predictor() -> Predictor {
        let device = Device::flex();
        let head = HeadSpec { hidden: vec![8], dropout: vec![0.0, 0.0] };
        let meta = ModelMeta {
            recipe: "Age".into(),
            text: String::new(),
            arch: "squeezenet1_1".into(),
            cut: 0,
            head: head.clone(),
            classes: vec!["age".into()],
            size: 64,
            task: TaskKind::Regression,
            transforms: Transforms { pixels: PixelFormat::Bytes, ..Transforms::new(TransformSet::TopDown, 64) },
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            batch: 8,
            seed: 42,
            threshold: None,
            tta: None,
            class_weights: None,
            resize_to: None,
        };
        Predictor::new(Network::cut("squeezenet1_1", 0, &head, 1, 7, &device), meta, device)
    }

    #[test]
    fn inputs_that_a_device_normalises_have_the_logits_of_those_that_are_normalised_here() {
        let level = |x: u32, y: u32, c: u32| ((x * (c + 3) + y * (7 - c)) % 256) as u8;
        let image = |shift: u32| RgbImage::from_fn(90, 70, |x, y| Rgb([0, 1, 2].map(|c| level(x + 31 * shift, y, c))));
        let images: Vec<RgbImage> = (0..3).map(image).collect();
        let read = |index: usize| Ok::<_, DecodeError>(ShownImage::Given(&images[index]));
        let predictor = predictor();
        assert!(!predictor.sends_bytes(), "the CPU's inputs are normalised here");
        for options in [PredictOptions::default(), PredictOptions::augmented(2).with_embeddings()] {
            let numbers = |answers: Result<Vec<Result<ImageAnswer, DecodeError>>, RunError>| -> Vec<f32> {
                let answers = answers.unwrap().into_iter().map(Result::unwrap);
                answers
                    .flat_map(|answer| [answer.probabilities, answer.embedding.unwrap_or_default()].concat())
                    .collect()
            };
            let here = numbers(predictor.filled_as::<f32>(images.len(), &options, &read));
            let there = numbers(predictor.filled_as::<u8>(images.len(), &options, &read));
            assert_eq!(here.len(), there.len());
            let largest = here.iter().fold(0f32, |largest, x| largest.max(x.abs()));
            assert!(largest > 0.0, "{here:?}");
            for (here, there) in here.iter().zip(&there) {
                assert!((here - there).abs() <= 1e-4 * largest, "{here} here, {there} there, at most {largest}");
            }
        }
    }
}
