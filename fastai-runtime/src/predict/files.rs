//! Predictions for image files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::inputs::InputNumber;
use super::{PredictOptions, Predictions, Predictor};
use crate::RunError;
use crate::data::{DataError, DecodeError, Finding, Item, LoadJob, LoadedBatch, Loader, SeenFiles, Target, Visit};
use crate::error::Reached;
use crate::metrics::Probabilities;
use crate::progress::Watch;
use crate::transforms::Picture;

/// Files that are known at a time.
const KNOWN: usize = 4096;

/// The prediction for one image file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said<'a> {
    /// 0-based position of the image in the input.
    pub image: usize,
    /// The file.
    pub path: &'a Path,
    /// One probability per class, in the order of the classes.
    pub probabilities: &'a [f32],
    /// The embedding, if [`PredictOptions`] asks for it.
    pub embedding: Option<&'a [f32]>,
}

/// An image that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// 0-based position of the image in the input.
    pub image: usize,
    /// The file.
    pub path: PathBuf,
    /// Why it cannot be read.
    pub reason: DecodeError,
}

/// The prediction for a file, or why it cannot be read.
pub type FileAnswer<'a> = Result<Said<'a>, Unreadable>;

impl Predictor {
    /// Predicts files in order and calls `each` for every one; returns their number.
    ///
    /// `images` yields paths, or errors of their source, which end the work. With `tta`, each prediction is the mean of
    /// `ceil(tta / 4)` plain and `tta` augmented predictions. The model's seed and the pixels determine the
    /// augmentation, so the prediction for an image does not depend on the other images. A model of a run with `resize_to`
    /// sees larger images as that run did: as a scaled copy would show them, computed in memory. Memory is bounded by a few
    /// batches and 4096 paths, however many images there are.
    ///
    /// # Errors
    /// Those of `images` and of `each`; [`RunError::Stopped`] on a stop request.
    pub fn stream<P: Into<PathBuf>>(
        &self,
        images: impl IntoIterator<Item = Result<P, RunError>>,
        options: &PredictOptions,
        watch: Watch<'_>,
        each: &mut dyn FnMut(FileAnswer<'_>) -> Result<(), RunError>,
    ) -> Result<usize, RunError> {
        let Watch { progress, stop } = watch;
        let mut images = images.into_iter();
        let total = match images.size_hint() {
            (least, Some(most)) if least == most => most as u64,
            // Not known before the end.
            _ => 0,
        };
        progress.begin("images", total);
        let mut done = 0;
        loop {
            let part: Vec<PathBuf> =
                images.by_ref().take(KNOWN).map(|path| path.map(Into::into)).collect::<Result<_, _>>()?;
            if part.is_empty() {
                break;
            }
            let watch = Watch { progress: &mut *progress, stop };
            done = match self.sends_bytes() {
                true => self.tell_all::<u8>(&part, done, options, watch, each)?,
                false => self.tell_all::<f32>(&part, done, options, watch, each)?,
            };
        }
        progress.finish();
        Ok(done)
    }

    /// Returns the probabilities of all files, which must be readable. [`stream`](Self::stream) describes `tta`.
    ///
    /// # Errors
    /// All unreadable images at once.
    pub fn predict_files(
        &self,
        images: &[PathBuf],
        tta: Option<u32>,
        watch: Watch<'_>,
    ) -> Result<Predictions, RunError> {
        let mut values = Vec::with_capacity(images.len() * self.classes().len());
        let mut failed = Vec::new();
        let options = PredictOptions { tta, embeddings: false };
        self.stream(images.iter().map(Ok), &options, watch, &mut |said| {
            match said {
                Ok(said) => values.extend_from_slice(said.probabilities),
                Err(image) => failed.push(Finding::broken_image(&image.path, &image.reason)),
            }
            Ok(())
        })?;
        if !failed.is_empty() {
            return Err(DataError::from(failed).into());
        }
        let id = |path: &PathBuf| path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let probabilities = Probabilities::new(values, self.classes().len());
        Ok(Predictions::new(images.iter().map(id).collect(), self.classes().to_vec(), probabilities, None))
    }

    /// Predicts files and calls `each` for every one, in order. `first` is the index of `files[0]`. Returns the index after the
    /// last one.
    fn tell_all<V: InputNumber>(
        &self,
        files: &[PathBuf],
        first: usize,
        options: &PredictOptions,
        watch: Watch<'_>,
        each: &mut dyn FnMut(FileAnswer<'_>) -> Result<(), RunError>,
    ) -> Result<usize, RunError> {
        let Watch { progress, stop } = watch;
        let mut done = first;
        for mut batch in Loader::new(self.job::<V>(files, options))? {
            done += batch.indices.len();
            self.tell(&mut batch, files, first, options, each)?;
            progress.advance(done as u64, "");
            if stop.requested() {
                progress.finish();
                return Err(RunError::Stopped(Reached::Images(done)));
            }
        }
        Ok(done)
    }

    /// Predicts a batch and calls `each` for its images, in order. `first` is the index of `files[0]`.
    fn tell<V: InputNumber>(
        &self,
        batch: &mut LoadedBatch<V>,
        files: &[PathBuf],
        first: usize,
        options: &PredictOptions,
        each: &mut dyn FnMut(FileAnswer<'_>) -> Result<(), RunError>,
    ) -> Result<(), RunError> {
        let places = batch.indices.clone();
        let broken = batch.take_broken();
        let answers = self.answer(&batch.pixels, batch.indices.len(), options)?;
        let mut rows = answers.probabilities.rows();
        let mut embeddings = answers.embeddings.iter().flat_map(|all| all.chunks_exact(self.embedding_len()));
        let mut unread = broken.into_iter().peekable();
        for place in places {
            let (image, path) = (first + place, files[place].as_path());
            if let Some((_, reason)) = unread.next_if(|(index, _)| *index == place) {
                each(Err(Unreadable { image, path: path.to_path_buf(), reason }))?;
            } else if let Some(probabilities) = rows.next() {
                each(Ok(Said { image, path, probabilities, embedding: embeddings.next() }))?;
            }
        }
        Ok(())
    }

    /// Loads the images in order, each with its plain input and the augmented ones.
    fn job<V: InputNumber>(&self, images: &[PathBuf], options: &PredictOptions) -> LoadJob<V> {
        let item = |path: &PathBuf| Item { id: String::new(), path: path.clone(), target: Target::Unlabelled };
        let items: Arc<[Item]> = images.iter().map(item).collect();
        let batch = self.batch(options);
        let preparing = self.preparation();
        let demand = preparing.demand();
        let load = move |_: Visit, image: &Picture, inputs: &mut [V]| preparing.inputs(image, inputs);
        LoadJob {
            items,
            order: (0..images.len()).collect(),
            batches: (0..images.len()).step_by(batch).map(|at| at..images.len().min(at + batch)).collect(),
            values_per_image: options.passes() * self.input_len(),
            load: Arc::new(load),
            threads: rayon::current_num_threads(),
            reading: self.reading(),
            seen: SeenFiles::default(),
            demand,
            cache: None,
        }
    }
}
