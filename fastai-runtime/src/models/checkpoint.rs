//! A saved model: weights and header in one file.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::tensor::Device;
use fastai_dsl::{
    Augmentation, HeadSpec, MODEL_KEY, Metric, Recipe, Stats, Step, TaskKind, Transforms, arch, is_of_another_layout,
};
use serde::{Deserialize, Serialize};

use super::WeightsError;
use super::network::Network;
use super::parameter;
use super::safetensors_file::{self, Array};
use super::tensor_file::TensorFile;
use crate::data::FileError;
use crate::metrics::Thresholds;
use crate::transforms::Transform;

/// Largest width of a head's layer that is accepted.
const MAX_WIDTH: u32 = 1 << 20;
/// Largest number of hidden layers that is accepted.
const MAX_LAYERS: usize = 64;

/// Largest image side that is accepted, pixels.
const MAX_SIDE: u32 = 1 << 14;

/// The header of a saved model: everything besides the weights that prediction needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelMeta {
    /// Name of the recipe, such as `DogBreed`.
    pub recipe: String,
    /// Text of the recipe.
    pub text: String,
    /// Name of the architecture.
    pub arch: String,
    /// Modules left out at the end of the body.
    #[serde(default)]
    pub cut: u32,
    /// The head's shape.
    pub head: HeadSpec,
    /// Class names in order.
    pub classes: Vec<String>,
    /// Image side of the last training stage, pixels.
    pub size: u32,
    /// What a label is.
    pub task: TaskKind,
    /// The preparation of images, at `size`.
    pub transforms: Transforms,
    /// Mean of each channel, for normalising pixels.
    pub mean: [f32; 3],
    /// Standard deviation of each channel.
    pub std: [f32; 3],
    /// Images per batch.
    pub batch: u32,
    /// The run's seed, which also determines the augmentations of `tta`.
    pub seed: u64,
    /// The probability above which a tag is predicted, of all tags or of each.
    pub threshold: Option<Thresholds>,
    /// Augmented passes of the recipe's last `tta`.
    pub tta: Option<u32>,
    /// Weight of each class in the run's losses, in the order of `classes`.
    #[serde(default)]
    pub class_weights: Option<Vec<f32>>,
    /// Shorter side of the scaled copies that the run read instead of larger images, pixels.
    #[serde(default)]
    pub resize_to: Option<u32>,
}

impl ModelMeta {
    /// Returns the header of a model of `recipe` after its last step, with its first head and its last image size.
    pub fn of(recipe: &Recipe, classes: Vec<String>) -> Self {
        let model = recipe.model();
        let size = recipe.steps().iter().rev().find_map(|step| match step {
            Step::Resize { size, .. } => Some(*size),
            _ => None,
        });
        let fixed = recipe.metrics().iter().find_map(Metric::fixed_threshold);
        let stats = recipe.transforms().stats(model.facts().stats);
        let meta = ModelMeta {
            recipe: recipe.name().to_string(),
            text: recipe.to_string(),
            arch: model.arch.name().to_string(),
            cut: model.cut,
            head: model.head.clone(),
            classes,
            size: 0,
            task: recipe.task(),
            transforms: recipe.transforms().clone(),
            mean: stats.mean,
            std: stats.std,
            batch: recipe.data().batch,
            seed: recipe.seed(),
            threshold: (recipe.task() == TaskKind::MultiLabel).then(|| fixed.unwrap_or(DEFAULT_THRESHOLD).into()),
            tta: recipe.last_tta().map(|(_, n_aug)| n_aug),
            class_weights: None,
            resize_to: recipe.data().resize_to,
        };
        meta.at_size(size.unwrap_or(recipe.transforms().size))
    }

    /// Sets the image side, pixels.
    pub fn at_size(mut self, size: u32) -> Self {
        self.size = size;
        self.transforms.size = size;
        self
    }

    /// The preparation of images.
    pub fn transform(&self) -> Transform {
        Transform::new(&self.transforms, self.stats())
    }

    /// The statistics for normalising pixels.
    pub fn stats(&self) -> Stats {
        Stats { mean: self.mean, std: self.std }
    }

    /// Whether all values are ones that a recipe can have: the header comes from an untrusted file.
    fn is_sane(&self) -> bool {
        let Transforms { size, max_zoom: [low, high], pad, ref augment, .. } = self.transforms;
        let positive = |x: &f32| x.is_finite() && *x > 0.0;
        // Sizes are bounded before they are multiplied.
        self.head.hidden.len() <= MAX_LAYERS
            && self.head.hidden.iter().all(|width| (1..=MAX_WIDTH).contains(width))
            && self.head.dropout.len() == self.head.hidden.len() + 1
            && self.head.dropout.iter().all(|p| (0.0..1.0).contains(p))
            && (1..=MAX_WIDTH as usize).contains(&self.classes.len())
            && (1..=MAX_SIDE).contains(&size)
            && size == self.size
            && pad <= MAX_SIDE
            && (8..=16).contains(&self.transforms.bits)
            && augment.len() <= MAX_LAYERS
            && augment.iter().all(Augmentation::is_legal)
            && self.transforms.stats.is_legal()
            && (1.0..=10.0).contains(&low)
            && (low..=10.0).contains(&high)
            && self.mean.iter().all(|x| x.is_finite())
            && self.std.iter().all(positive)
            && self.batch >= 1
            && self.threshold.as_ref().is_none_or(|thresholds| thresholds.are_of(self.classes.len()))
            && self.tta.is_none_or(|n| (1..=1000).contains(&n))
            && self.class_weights.as_ref().is_none_or(|w| w.len() == self.classes.len() && w.iter().all(positive))
            && self.resize_to.is_none_or(|side| (1..=MAX_SIDE).contains(&side))
    }
}

/// The probability above which a tag is predicted if the recipe names no threshold, as in the planet lesson.
pub(crate) const DEFAULT_THRESHOLD: f64 = 0.2;

/// The digest of a saved model, which its header contains: it tells one saved model from every other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelDigest(pub(super) String);

/// Writes the model as safetensors, atomically, with `meta` in its metadata.
pub fn save_model(network: &Network, meta: &ModelMeta, path: &Path) -> Result<ModelDigest, WeightsError> {
    let mut tensors = BTreeMap::new();
    parameter::visit(network, |at, seen| {
        tensors.insert(at.to_owned(), Array { shape: seen.shape.clone(), values: (seen.read)() });
    });
    let header = SealedMeta { blake3: safetensors_file::BLANK, meta };
    let json = serde_json::to_string(&header).map_err(|e| FileError::new("write", path, e.into()))?;
    // A single key keeps files reproducible, since the order of several keys varies.
    let metadata = HashMap::from([(MODEL_KEY.to_owned(), json)]);
    safetensors_file::write(path, &tensors, metadata).map(ModelDigest)
}

/// The header as it is written: the digest comes first.
#[derive(Serialize)]
struct SealedMeta<'a> {
    blake3: &'a str,
    #[serde(flatten)]
    meta: &'a ModelMeta,
}

/// The digest in a header.
#[derive(Serialize, Deserialize)]
pub(super) struct Seal {
    pub(super) blake3: String,
}

/// Checks the digest and the header of a saved model, without building its network, and returns the digest.
pub fn verify_model(path: &Path) -> Result<ModelDigest, WeightsError> {
    Ok(open(path)?.digest)
}

/// Reads a saved model of any recipe.
pub fn read_model(path: &Path, device: &Device) -> Result<(Network, ModelMeta), WeightsError> {
    built(open(path)?, path, device)
}

/// Reads a saved model of any recipe from the bytes of its file; errors call it `name`.
pub fn read_model_bytes(
    bytes: Cow<'static, [u8]>,
    name: &Path,
    device: &Device,
) -> Result<(Network, ModelMeta), WeightsError> {
    built(described(TensorFile::in_memory(bytes, name)?, name)?, name, device)
}

fn built(saved: SavedFile, path: &Path, device: &Device) -> Result<(Network, ModelMeta), WeightsError> {
    let SavedFile { file, meta, .. } = saved;
    let network = Network::cut(&meta.arch, meta.cut, &meta.head, meta.classes.len(), 0, device);
    Ok((fill(network, file, path)?, meta))
}

/// Loads the weights of a saved model, whose recipe, architecture, head and classes must match `meta`; sizes may differ.
/// Where `saved` is known, it must be that very model.
pub fn load_model(
    network: Network,
    meta: &ModelMeta,
    path: &Path,
    saved: Option<&ModelDigest>,
) -> Result<Network, WeightsError> {
    let SavedFile { file, meta: found, digest } = open(path)?;
    let mut other = Vec::new();
    let mut differs = |what: &str, wanted: String, found: String| {
        if wanted != found {
            other.push(format!("  {what}: {wanted} wanted, {found} in the file"));
        }
    };
    differs("recipe", meta.recipe.clone(), found.recipe.clone());
    differs("model", meta.arch.clone(), found.arch.clone());
    differs("modules cut", meta.cut.to_string(), found.cut.to_string());
    differs("hidden layers", format!("{:?}", meta.head.hidden), format!("{:?}", found.head.hidden));
    differs("classes", meta.classes.join(", "), found.classes.join(", "));
    if !other.is_empty() {
        let other = other.join("\n");
        let reason = format!("a model of another run\n{other}\nload a model that this recipe saved");
        return Err(WeightsError::unfit(path, reason));
    }
    if saved.is_some_and(|saved| *saved != digest) {
        return Err(WeightsError::unfit(path, "a sound model, but not the one that this run saved there"));
    }
    fill(network, file, path)
}

/// An open saved model whose digest and header are right.
struct SavedFile {
    file: TensorFile,
    meta: ModelMeta,
    digest: ModelDigest,
}

fn open(path: &Path) -> Result<SavedFile, WeightsError> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if !absolute.is_file() {
        return Err(WeightsError::NoModel(absolute));
    }
    described(TensorFile::open(path)?, path)
}

/// Checks the digest and the header.
fn described(mut file: TensorFile, path: &Path) -> Result<SavedFile, WeightsError> {
    let broken = |why: &str| WeightsError::unfit(path, why);
    let facts = file.metadata();
    let Some(text) = facts.and_then(|facts| facts.get(MODEL_KEY)).cloned() else {
        return Err(broken(match facts.is_some_and(|facts| facts.keys().any(|key| is_of_another_layout(key))) {
            true => "a model of another version of fastai: train it again with this version",
            false => "not a model that `save` wrote (body weights are named with `weights`)",
        }));
    };
    let unreadable = |e: serde_json::Error| broken(&format!("its description cannot be read: {e}"));
    let Seal { blake3 } = serde_json::from_str(&text).map_err(unreadable)?;
    file.check_seal(&blake3)?;
    let meta: ModelMeta = serde_json::from_str(&text).map_err(unreadable)?;
    let Some(facts) = arch::find(&meta.arch) else {
        return Err(broken(&format!("of architecture {}, which this version does not know", meta.arch)));
    };
    if meta.cut > facts.max_cut() || !meta.is_sane() {
        return Err(broken("its description contradicts itself"));
    }
    // The file's own weights bound the sizes in the header.
    let wanted = meta.head.parameters(facts.head_input_without(meta.cut), meta.classes.len() as u64);
    let held =
        file.shapes().values().map(|s| s.iter().map(|n| *n as u64).product::<u64>()).fold(0, u64::saturating_add);
    if wanted > held {
        return Err(broken("its description names a larger head than it holds"));
    }
    Ok(SavedFile { file, meta, digest: ModelDigest(blake3) })
}

fn fill(network: Network, mut file: TensorFile, path: &Path) -> Result<Network, WeightsError> {
    let wrong: Vec<String> = network
        .shapes()
        .iter()
        .filter(|(name, shape)| file.shapes().get(name) != Some(shape))
        .map(|(name, shape)| format!("{name} {shape:?}"))
        .collect();
    if !wrong.is_empty() {
        let shown = wrong.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
        let reason = format!("{} tensors are missing or of another shape, such as {shown}", wrong.len());
        return Err(WeightsError::unfit(path, reason));
    }
    network.filled(|name| Some(file.read_finite(name)))
}
