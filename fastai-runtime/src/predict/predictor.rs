//! A saved model, ready to predict.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use fastai_dsl::{TaskKind, canonical_text};

use super::inputs::{InputNumber, Preparing};
use super::origin::{ModelOrigin, fold_folder, saved_models};
use super::{TtaWeights, average};
use crate::data::Reading;
use crate::metrics::{Probabilities, Thresholds, most_probable, top_of};
use crate::models::{self, DEFAULT_THRESHOLD, ModelMeta, Network, WeightsError};
use crate::summary_file::{MODELS, resuming};
use crate::{RunError, device, slow_kernels};

/// Memory limit of prepared images that wait for the network, bytes.
const AHEAD: usize = 64 << 20;

/// What errors call a model that is no file.
pub(crate) const IN_MEMORY: &str = "the model in memory";

/// A network with everything that prediction needs, or an ensemble: the networks of a run's folds, whose predictions are
/// averaged. Prediction needs neither the training data nor published weights.
///
/// Predictions take `&self` and change nothing, so threads can share a predictor. A clone shares the weights.
///
/// | method | predicts |
/// |---|---|
/// | [`predict`](Self::predict), [`predict_with`](Self::predict_with) | images in memory |
/// | [`predict_encoded`](Self::predict_encoded) | the bytes of image files, such as an upload |
/// | [`predict_iter`](Self::predict_iter) | any number of images, with one batch in memory |
/// | [`predict_files`](Self::predict_files), [`stream`](Self::stream) | files, decoded on all cores |
/// | [`embed`](Self::embed) | nothing: it returns the features of the body |
///
/// If the kernels are not optimised, the program says so once on standard error when it loads a model.
#[derive(Clone, Debug)]
pub struct Predictor {
    /// The network, or those of an ensemble, each with its header.
    members: Vec<(Network, ModelMeta)>,
    meta: ModelMeta,
    device: Device,
}

/// How images are predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PredictOptions {
    /// Number of augmented predictions to average with `ceil(tta / 4)` plain ones; `None` or 0 for a plain prediction. Time and
    /// memory grow in proportion to it; the program `fastai` accepts up to 1000.
    pub tta: Option<u32>,
    /// Whether to return the embedding of each image too.
    pub embeddings: bool,
}

impl Predictor {
    /// Loads a model: `path` is a `.safetensors` file that a run saved, or a run folder.
    ///
    /// In a run folder, `model` selects the `NAME` of `save("NAME")`; without it, the run's final model is loaded. The folder of
    /// a run with folds yields the ensemble of the models of all folds; that of one fold, `RUN/folds/1`, its model.
    ///
    /// # Errors
    /// If there is no such model (the error lists the existing ones); if it is broken or a link; if the run's summary was edited
    /// or describes another model; if folds are missing.
    pub fn load(path: &Path, model: Option<&str>, device: &Device) -> Result<Self, RunError> {
        slow_kernels::warn();
        if let Some(ensemble) = Self::ensemble(path, model, device)? {
            return Ok(ensemble);
        }
        let file = model_file(path, model)?;
        let (network, meta) = models::read_model(&file, device).map_err(|error| told_by_run(error, path))?;
        if let Some(run) = ModelOrigin::of(path)?
            && (&run.name, &run.classes, run.task) != (&meta.recipe, &meta.classes, meta.task)
        {
            let reason = format!(
                "a model of recipe `{}` with {} classes, in the folder of a run of `{}` with {} classes: it is of another run",
                meta.recipe,
                meta.classes.len(),
                run.name,
                run.classes.len()
            );
            return Err(WeightsError::unfit(&file, reason).into());
        }
        Ok(Self::of_one(network, meta, device.clone()))
    }

    /// Loads the ensemble of a run with folds; `None` for what is none.
    fn ensemble(path: &Path, model: Option<&str>, device: &Device) -> Result<Option<Self>, RunError> {
        let Some(run) = ModelOrigin::of(path)? else { return Ok(None) };
        let lacking = run.lacks_folds(path);
        let Some(folds) = run.folds else { return Ok(None) };
        let refuse = |why: String| Err(WeightsError::unfit(path, why).into());
        if let Some(lacking) = lacking {
            return refuse(lacking);
        }
        let count = folds.count;
        let load = |number: usize| Self::load(&fold_folder(path, number), model, device);
        let folds_of = (1..=count).map(load).collect::<Result<Vec<_>, _>>()?;
        match Self::of_folds(folds_of, canonical_text(&run.recipe), folds.thresholds) {
            Ok(ensemble) => Ok(Some(ensemble)),
            Err(why) => refuse(why),
        }
    }

    /// Joins the models of all folds of the recipe of that text.
    ///
    /// # Errors
    /// What the models do not share, or thresholds that are not of their tags.
    pub(crate) fn of_folds(folds: Vec<Self>, text: String, thresholds: Option<Thresholds>) -> Result<Self, String> {
        let first = folds.first().ok_or("it has no folds")?.clone();
        let shared = |p: &Self| {
            let ModelMeta { recipe, classes, task, size, transforms, .. } = &p.meta;
            (recipe.clone(), classes.clone(), *task, *size, transforms.clone())
        };
        if let Some(number) = folds.iter().position(|fold| shared(fold) != shared(&first)) {
            return Err(format!("the model of fold {} has other classes or inputs than that of fold 1", number + 1));
        }
        if thresholds.as_ref().is_some_and(|thresholds| !thresholds.are_of(first.meta.classes.len())) {
            return Err("the thresholds in its `summary.json` are not of the tags of its models".to_string());
        }
        let meta = ModelMeta { text, threshold: thresholds.or(first.meta.threshold), ..first.meta };
        Ok(Predictor { members: folds.into_iter().flat_map(|fold| fold.members).collect(), meta, device: first.device })
    }

    /// Loads a model from the bytes of the `.safetensors` file that a run saved: `include_bytes!("..")`, or a `Vec<u8>` from
    /// anywhere.
    ///
    /// ```no_run
    /// # mod fastai {
    /// #     pub mod engine {
    /// #         pub use fastai_dsl::DeviceWish;
    /// #     }
    /// #     pub mod predict {
    /// #         pub use fastai_runtime::device::pick;
    /// #         pub use fastai_runtime::predict::Predictor;
    /// #     }
    /// # }
    /// # fn main() -> Result<(), fastai_runtime::RunError> {
    /// use fastai::engine::DeviceWish;
    /// use fastai::predict::{Predictor, pick};
    /// let bytes = std::fs::read("final.safetensors").unwrap_or_default();
    /// let predictor = Predictor::from_bytes(bytes, &pick(DeviceWish::Auto)?.device)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the bytes are no saved model, or are damaged.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>, device: &Device) -> Result<Self, RunError> {
        slow_kernels::warn();
        let (network, meta) = models::read_model_bytes(bytes.into(), Path::new(IN_MEMORY), device)?;
        Ok(Self::of_one(network, meta, device.clone()))
    }

    pub(crate) fn new(network: Network, meta: ModelMeta, device: Device) -> Self {
        Self::of_one(network.valid(), meta, device.without_autodiff())
    }

    fn of_one(network: Network, meta: ModelMeta, device: Device) -> Self {
        Predictor { members: vec![(network, meta.clone())], meta, device }
    }

    /// The model's header. That of an ensemble is the header of its first network, with the text of the whole recipe and the
    /// threshold of the predictions of all folds.
    pub fn meta(&self) -> &ModelMeta {
        &self.meta
    }

    /// The networks: one, or those of an ensemble.
    pub fn networks(&self) -> impl ExactSizeIterator<Item = &Network> {
        self.members.iter().map(|(network, _)| network)
    }

    /// The network of each fold as a predictor of its own; none unless this is an ensemble.
    pub fn folds(&self) -> Vec<Predictor> {
        let each = self.members.iter().filter(|_| self.members.len() > 1).cloned();
        each.map(|(network, meta)| Self::of_one(network, meta, self.device.clone())).collect()
    }

    /// The device that the networks are on.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Class or tag names, in the order of the probabilities.
    pub fn classes(&self) -> &[String] {
        &self.meta.classes
    }

    /// The thresholds for tags: `given` for all tags; otherwise those of the model's header, or 0.2.
    ///
    /// `given` should lie in `(0, 1)` and is not checked: no tag exceeds 1, and every tag exceeds a negative number.
    pub fn thresholds(&self, given: Option<f64>) -> Thresholds {
        let of_model = || self.meta.threshold.clone();
        given.map(Thresholds::All).or_else(of_model).unwrap_or(Thresholds::All(DEFAULT_THRESHOLD))
    }

    /// Returns the predicted labels for an image's probabilities: the most probable class, or the tags above `thresholds`;
    /// empty for regressions and without probabilities.
    ///
    /// `probabilities` are those of one image, one per class in the order of [`classes`](Self::classes); more are ignored.
    pub fn said<'a>(&'a self, probabilities: &[f32], thresholds: &Thresholds) -> Vec<&'a str> {
        let classes = &self.meta.classes;
        match self.meta.task {
            TaskKind::MultiLabel => thresholds.select(classes, probabilities).into_iter().map(String::as_str).collect(),
            TaskKind::Regression => Vec::new(),
            TaskKind::SingleLabel => {
                let probabilities = &probabilities[..probabilities.len().min(classes.len())];
                probabilities.first().map(|_| classes[top_of(probabilities)].as_str()).into_iter().collect()
            }
        }
    }

    /// Returns the `k` most probable classes with their probabilities, the most probable first; equal ones keep the order of
    /// the classes.
    pub fn top(&self, probabilities: &[f32], k: usize) -> Vec<(&str, f32)> {
        most_probable(self.meta.classes.iter().map(String::as_str), probabilities, k)
    }

    /// The BLAKE3 digests of the body's parameters and running statistics, in hexadecimal, of each network: equal for equal
    /// bodies only.
    pub fn body_digests(&self) -> Vec<String> {
        self.networks().map(models::body_digest).collect()
    }

    /// Numbers in an embedding: twice the channels of the body's last map, summed over the networks.
    pub fn embedding_len(&self) -> usize {
        self.networks().map(Network::head_input).sum()
    }

    /// Where the pixels of a file come from.
    pub(super) fn reading(&self) -> Reading {
        Reading::of(self.meta.resize_to)
    }

    /// Values of one input, `3 * size * size`.
    pub(super) fn input_len(&self) -> usize {
        3 * (self.meta.size as usize).pow(2)
    }

    /// Images per pass through the network.
    pub(super) fn batch(&self, options: &PredictOptions) -> usize {
        (AHEAD / (options.passes() * self.input_len() * 4)).clamp(1, self.meta.batch.clamp(1, 1024) as usize)
    }

    /// The preparation of images.
    pub(super) fn preparation(&self) -> Preparing {
        Preparing::new(&self.meta, self.input_len())
    }

    /// Whether inputs reach the device as bytes, as they do in training.
    pub(super) fn sends_bytes(&self) -> bool {
        device::takes_bytes(self.meta.transforms.pixels, &self.device)
    }

    /// What the network says to the inputs of `count` images, `[count, pass, 3, size, size]`; nothing to none.
    ///
    /// # Errors
    /// A failure of the device.
    pub(super) fn answer<V: InputNumber>(
        &self,
        inputs: &[V],
        count: usize,
        options: &PredictOptions,
    ) -> Result<Answers, RunError> {
        if count == 0 {
            return Ok(Answers::default());
        }
        device::guarded_on(&self.device, "the device", || self.compute(inputs, count, options))?
    }

    fn compute<V: InputNumber>(
        &self,
        inputs: &[V],
        count: usize,
        options: &PredictOptions,
    ) -> Result<Answers, RunError> {
        let (side, classes) = (self.meta.size as usize, self.meta.classes.len());
        let (input, passes) = (self.input_len(), options.passes());
        let stats = self.meta.transforms.stats(self.meta.stats());
        let (mut said, mut features) = (Vec::new(), Vec::new());
        for network in self.networks() {
            let mut of_pass = |pass: usize| {
                let images = inputs.chunks_exact(passes * input);
                let pixels: Vec<&[V]> = images.map(|image| &image[pass * input..][..input]).collect();
                let x = V::on_device(pixels.concat(), [count, 3, side, side], stats, &self.device);
                let logits = if options.embeddings && pass == 0 {
                    let found = network.features(x);
                    features.push((network.head_input(), device::read(found.clone())?));
                    network.logits(found)
                } else {
                    network.forward(x)
                };
                Ok(Probabilities::of_logits(self.meta.task, device::read(logits)?, classes))
            };
            let mut each = (0..passes).map(&mut of_pass).collect::<Result<Vec<_>, RunError>>()?;
            said.push(match options.tta {
                None => each.swap_remove(0),
                Some(n_aug) => average(&each[0], TtaWeights::new(n_aug).plain, &each[1..]),
            });
        }
        Ok(Answers { probabilities: mean(said), embeddings: options.embeddings.then(|| beside(&features, count)) })
    }
}

impl PredictOptions {
    /// Averages `n_aug` augmented predictions with `ceil(n_aug / 4)` plain ones; 0 is a plain prediction.
    pub fn augmented(n_aug: u32) -> Self {
        PredictOptions { tta: Some(n_aug), ..PredictOptions::default() }
    }

    /// Returns embeddings too.
    pub fn with_embeddings(self) -> Self {
        PredictOptions { embeddings: true, ..self }
    }

    /// Inputs of an image: a plain one and the augmented ones.
    pub(super) fn passes(&self) -> usize {
        1 + self.tta.unwrap_or(0) as usize
    }
}

/// The mean of what the networks of an ensemble predict; what one network predicts is unchanged.
pub(crate) fn mean(mut said: Vec<Probabilities>) -> Probabilities {
    match said.len() {
        1 => said.swap_remove(0),
        _ => average(&said[0], 1, &said[1..]),
    }
}

/// The rows of several matrices of `count` rows, those of one image one after the other; each matrix with its width.
fn beside(parts: &[(usize, Vec<f32>)], count: usize) -> Vec<f32> {
    (0..count)
        .flat_map(|row| parts.iter().flat_map(move |(width, all)| &all[row * width..][..*width]))
        .copied()
        .collect()
}

/// What the network says about some images.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// `[image, class]`.
    pub(super) probabilities: Probabilities,
    /// `[image, embedding_len]` of the plain inputs, if asked for.
    pub(super) embeddings: Option<Vec<f32>>,
}

/// The error of a model in the run folder `path`, with what the run's summary says of weights that are no numbers.
fn told_by_run(error: WeightsError, path: &Path) -> RunError {
    match error {
        WeightsError::NotFinite { path: file, tensor, .. } => {
            let run = ModelOrigin::of(path).ok().flatten().and_then(|run| run.lost_numbers());
            WeightsError::NotFinite { path: file, tensor, run }.into()
        }
        other => other.into(),
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
    let folder = path.join(MODELS);
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
    let there = saved_models(path);
    // A run that lost its numbers loses them again where it goes on.
    let run = ModelOrigin::of(path)?;
    let lost = run.as_ref().and_then(ModelOrigin::lost_numbers);
    let is_complete = run.is_some_and(|run| run.is_complete(path));
    let goes_on = resuming(path).filter(|_| lost.is_none());
    let what = match (model, there.is_empty()) {
        (None, _) | (_, true) if lost.is_some() => {
            let saved = if there.is_empty() {
                String::new()
            } else {
                format!(", or choose one of its models with `--model`: {}", there.join(", "))
            };
            format!("the run has no final model: {}{saved}", lost.unwrap_or_default())
        }
        (None, _) if is_complete => {
            let others = if there.is_empty() {
                String::new()
            } else {
                format!("; choose another of its models with `--model`: {}", there.join(", "))
            };
            format!(
                "{} is not there: the run is complete and saved it, so it was removed since{others}",
                file.display()
            )
        }
        (_, true) => match &goes_on {
            Some(command) => format!("the run has not ended and has saved no model yet: {command}"),
            None => "it has no models: no run saved any there".to_string(),
        },
        (Some(name), false) => {
            let more = goes_on.map_or_else(String::new, |command| format!("; the run has not ended: {command}"));
            format!("it has no model {name:?}; it has {}{more}", there.join(", "))
        }
        (None, false) => {
            let more = goes_on.map_or_else(String::new, |command| format!(": {command}"));
            format!("the run has not ended{more}; choose one of its models with `--model`: {}", there.join(", "))
        }
    };
    Err(WeightsError::unfit(&absolute, what).into())
}
