//! A saved model, ready to predict.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use fastai_dsl::TaskKind;

use super::{Predictions, TtaWeights, average};
use crate::data::{DataError, Item, LoadJob, Loader, Reading, Target, Visit};
use crate::error::Reached;
use crate::metrics::Probabilities;
use crate::models::{self, ModelMeta, Network, WeightsError};
use crate::progress::Watch;
use crate::random::Stream;
use crate::report::Summary;
use crate::transforms::Picture;
use crate::{RunError, device};

/// Memory limit of prepared images that wait for the network, bytes.
const AHEAD: usize = 64 << 20;

/// A network with everything that prediction needs; neither training data nor published weights are required.
#[derive(Clone, Debug)]
pub struct Predictor {
    network: Network,
    meta: ModelMeta,
    device: Device,
}

/// The prediction for one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said<'a> {
    /// Index of the image.
    pub image: usize,
    /// Its file.
    pub path: &'a Path,
    /// One probability per class, in the order of the classes.
    pub probabilities: &'a [f32],
}

/// An image that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Index of the image.
    pub image: usize,
    /// Its file.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

impl Predictor {
    /// Loads a model: `path` is a `.safetensors` file that a run saved, or a run folder.
    ///
    /// In a run folder, `model` selects the `NAME` of `save("NAME")`; without it, the run's final model is loaded.
    ///
    /// # Errors
    /// If there is no such model (the error lists the existing ones), it is broken or a link, or the run's summary was
    /// edited or describes another model.
    pub fn load(path: &Path, model: Option<&str>, device: &Device) -> Result<Self, RunError> {
        let file = model_file(path, model)?;
        let (network, meta) = models::read_model(&file, device)?;
        if path.is_dir() && path.join("summary.json").is_file() {
            let run = Summary::read(path)?;
            if (&run.name, &run.classes, run.task) != (&meta.recipe, &meta.classes, meta.task) {
                let reason = format!(
                    "a model of recipe `{}` with {} classes, in the folder of a run of `{}` with {} classes: it is of \
                     another run",
                    meta.recipe,
                    meta.classes.len(),
                    run.name,
                    run.classes.len()
                );
                return Err(WeightsError::unfit(&file, reason).into());
            }
        }
        Ok(Predictor { network, meta, device: device.clone() })
    }

    pub(crate) fn new(network: Network, meta: ModelMeta, device: Device) -> Self {
        Predictor { network: network.valid(), meta, device: device.without_autodiff() }
    }

    /// The model's header.
    pub fn meta(&self) -> &ModelMeta {
        &self.meta
    }

    /// The network, and the device that it is on.
    pub(crate) fn network(&self) -> (&Network, &Device) {
        (&self.network, &self.device)
    }

    /// Class or tag names, in the order of the probabilities.
    pub fn classes(&self) -> &[String] {
        &self.meta.classes
    }

    /// Returns the predicted labels for an image's probabilities: the most probable class, or the tags above `threshold`;
    /// empty for regressions.
    pub fn said<'a>(&'a self, probabilities: &[f32], threshold: f64) -> Vec<&'a str> {
        let classes = &self.meta.classes;
        match self.meta.task {
            TaskKind::MultiLabel => {
                let said = classes.iter().zip(probabilities).filter(|(_, p)| f64::from(**p) > threshold);
                said.map(|(tag, _)| tag.as_str()).collect()
            }
            TaskKind::Regression => Vec::new(),
            TaskKind::SingleLabel => {
                let top = Probabilities::new(probabilities.to_vec(), classes.len()).top(0);
                vec![classes[top].as_str()]
            }
        }
    }

    /// Predicts the images in order, calls `each` for every readable one, and returns the others.
    ///
    /// With `tta`, each prediction is the mean of `ceil(tta / 4)` plain and `tta` augmented predictions. The model's seed
    /// and the file's name determine the augmentation, so the prediction for an image does not depend on the other images.
    /// A model of a run with `resize_to` sees larger images as that run did: as a scaled copy would show them, computed in
    /// memory. Memory is bounded by a few batches, however many images there are.
    ///
    /// # Errors
    /// The errors of `each`; [`RunError::Stopped`] on a stop request.
    pub fn stream(
        &self,
        images: &[PathBuf],
        tta: Option<u32>,
        watch: Watch<'_>,
        each: &mut dyn FnMut(Said<'_>) -> Result<(), RunError>,
    ) -> Result<Vec<Unreadable>, RunError> {
        let Watch { progress, stop } = watch;
        let passes = 1 + tta.unwrap_or(0) as usize;
        let mut failed = Vec::new();
        let loader = Loader::new(self.job(images, passes))?;
        progress.begin("images", images.len() as u64);
        let mut done = 0;
        for mut batch in loader {
            done += batch.indices.len() as u64;
            let broken = batch.take_broken().into_iter();
            failed.extend(broken.map(|(image, reason)| Unreadable { image, path: images[image].clone(), reason }));
            if !batch.indices.is_empty() {
                let probabilities = self.probabilities(&batch.pixels, batch.indices.len(), tta)?;
                for (&image, probabilities) in batch.indices.iter().zip(probabilities.rows()) {
                    each(Said { image, path: &images[image], probabilities })?;
                }
            }
            progress.advance(done, "");
            if stop.requested() {
                progress.finish();
                let part = format!("{done} of {} images are through", images.len());
                return Err(RunError::Stopped(Reached::Part(part)));
            }
        }
        progress.finish();
        Ok(failed)
    }

    /// Returns the probabilities of all images, which must be readable.
    ///
    /// # Errors
    /// All unreadable images at once.
    pub fn predict(&self, images: &[PathBuf], tta: Option<u32>, watch: Watch<'_>) -> Result<Predictions, RunError> {
        let mut values = Vec::with_capacity(images.len() * self.meta.classes.len());
        let failed = self.stream(images, tta, watch, &mut |said| {
            values.extend_from_slice(said.probabilities);
            Ok(())
        })?;
        if !failed.is_empty() {
            let findings: Vec<String> = failed.iter().map(|f| format!("{}: {}", f.path.display(), f.reason)).collect();
            return Err(DataError::from(findings).into());
        }
        let id = |path: &PathBuf| path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let probabilities = Probabilities::new(values, self.meta.classes.len());
        Ok(Predictions::new(images.iter().map(id).collect(), self.meta.classes.clone(), probabilities, None))
    }

    /// Loads the images in order, each with its plain input and `passes - 1` augmented ones.
    fn job(&self, images: &[PathBuf], passes: usize) -> LoadJob {
        let item = |path: &PathBuf| Item { id: String::new(), path: path.clone(), target: Target::Unlabelled };
        let items: Arc<[Item]> = images.iter().map(item).collect();
        let input = self.input_len();
        let batch = (AHEAD / (passes * input * 4)).clamp(1, self.meta.batch.clamp(1, 1024) as usize);
        let transform = self.meta.transform();
        let demand = transform.demand();
        let (files, seed) = (Arc::clone(&items), self.meta.seed);
        let load = move |visit: Visit, image: &Picture, inputs: &mut [f32]| {
            let name = files[visit.index].path.file_name().unwrap_or_default();
            let name = blake3::hash(name.as_encoded_bytes());
            let name = u64::from_le_bytes(*name.as_bytes().first_chunk().expect("a hash has 32 bytes"));
            let (plain, augmented) = inputs.split_at_mut(input);
            transform.valid(image, plain);
            for (pass, values) in augmented.chunks_exact_mut(input).enumerate() {
                let stream = Stream::new(seed, "tta of files");
                transform.train(image, stream.address(&[name, pass as u64]), values);
            }
        };
        LoadJob {
            items,
            order: (0..images.len()).collect(),
            batches: (0..images.len()).step_by(batch).map(|at| at..images.len().min(at + batch)).collect(),
            values_per_image: passes * input,
            load: Arc::new(load),
            threads: rayon::current_num_threads(),
            reading: Reading::of(self.meta.resize_to),
            demand,
            cache: None,
        }
    }

    /// Values of one input, `3 * size * size`.
    fn input_len(&self) -> usize {
        3 * (self.meta.size as usize).pow(2)
    }

    /// Probabilities of `count` images from their inputs `[count, pass, 3, size, size]`.
    fn probabilities(&self, inputs: &[f32], count: usize, tta: Option<u32>) -> Result<Probabilities, RunError> {
        let side = self.meta.size as usize;
        let classes = self.meta.classes.len();
        let passes = inputs.len() / (count * self.input_len());
        let of_pass = |pass: usize| {
            let images = inputs.chunks_exact(passes * self.input_len());
            let pixels: Vec<&[f32]> =
                images.map(|image| &image[pass * self.input_len()..][..self.input_len()]).collect();
            let data = TensorData::new(pixels.concat(), [count, 3, side, side]);
            let out = self.network.forward(Tensor::from_data(data, &self.device));
            Ok(Probabilities::of_logits(self.meta.task, device::read(out)?, classes))
        };
        let mut passes = (0..passes).map(of_pass).collect::<Result<Vec<_>, RunError>>()?;
        Ok(match tta {
            None => passes.swap_remove(0),
            Some(n_aug) => average(&passes[0], TtaWeights::new(n_aug).plain, &passes[1..]),
        })
    }
}

/// The file of a model: `path` itself, or the one called `model` in the run folder `path`.
fn model_file(path: &Path, model: Option<&str>) -> Result<PathBuf, RunError> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    if !path.is_dir() {
        if let Some(name) = model {
            let reason = format!("not a run folder, so it has no model {name:?}");
            return Err(WeightsError::unfit(&absolute, reason).into());
        }
        return Ok(path.to_path_buf());
    }
    let folder = path.join("models");
    let file = folder.join(format!("{}.safetensors", model.unwrap_or("final")));
    if file.is_file() {
        for path in [&folder, &file] {
            if let Ok(target) = std::fs::read_link(path) {
                let target = target.display();
                let reason =
                    format!("a link to {target}, and a run writes no links: give the path of the model itself");
                return Err(WeightsError::unfit(path, reason).into());
            }
        }
        return Ok(file);
    }
    let mut there: Vec<String> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| Some(e.file_name().to_str()?.strip_suffix(".safetensors")?.to_string()))
        .collect();
    there.sort();
    let what = match (model, there.is_empty()) {
        (_, true) => "it has no models: no run saved any there".to_string(),
        (Some(name), _) => format!("it has no model {name:?}; it has {}", there.join(", ")),
        (None, _) => {
            format!("the run has not ended; choose one of its models with `--model`: {}", there.join(", "))
        }
    };
    Err(WeightsError::unfit(&absolute, what).into())
}
