//! The checked recipe: plain data, the only thing the engine takes.

use serde::{Deserialize, Serialize};

use crate::arch::{self, ArchFacts};
use crate::rate::Rate;
use crate::stats::Stats;

/// A recipe that passed every check. Only [`crate::check`] makes one, whichever door it came through.
///
/// Its [`std::fmt::Display`] is flat canonical text (loops unrolled, values evaluated) that parses back to an equal recipe;
/// run folders and model headers store that text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipe {
    pub(crate) name: String,
    pub(crate) doc: Option<String>,
    pub(crate) task: TaskKind,
    pub(crate) data: Data,
    pub(crate) transforms: Transforms,
    pub(crate) model: Model,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) steps: Vec<Step>,
    pub(crate) options: Options,
}

/// The optional sections of a recipe.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Options {
    /// The one seed that every random draw comes from. Default 42.
    pub seed: Option<u64>,
    /// Which device the recipe asks for; `run --device` overrides it.
    pub device: Option<DeviceWish>,
    /// Whether `report.html` is written. Default yes.
    pub report: Option<bool>,
    /// Weights of the classes in the loss.
    pub class_weights: Option<ClassWeights>,
    /// Largest global gradient norm.
    pub clip: Option<f64>,
    /// Keep the weights of the epoch that was best by this metric.
    pub keep_best: Option<String>,
}

impl Recipe {
    /// The type name, `DogBreed`.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// The recipe's doc comment.
    pub fn doc(&self) -> Option<&str> {
        self.doc.as_deref()
    }
    /// One label an image, many, or a number.
    pub fn task(&self) -> TaskKind {
        self.task
    }
    /// Where images and labels come from.
    pub fn data(&self) -> &Data {
        &self.data
    }
    /// Image size and augmentation at the start (`resize` changes the size later).
    pub fn transforms(&self) -> &Transforms {
        &self.transforms
    }
    /// Architecture, head and weights.
    pub fn model(&self) -> &Model {
        &self.model
    }
    /// What is measured after each epoch, in the order of the table's columns.
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }
    /// The flat list of steps: loops unrolled, `let`s evaluated.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
    /// The seed that every random draw comes from (default 42).
    pub fn seed(&self) -> u64 {
        self.options.seed.unwrap_or(42)
    }
    /// Which device the recipe asks for.
    pub fn device(&self) -> DeviceWish {
        self.options.device.unwrap_or_default()
    }
    /// Whether `report.html` is written.
    pub fn report(&self) -> bool {
        self.options.report.unwrap_or(true)
    }
    /// Weights of the classes in the loss; `None` = all equal.
    pub fn class_weights(&self) -> Option<&ClassWeights> {
        self.options.class_weights.as_ref()
    }
    /// Largest global gradient norm; `None` = no clipping.
    pub fn clip(&self) -> Option<f64> {
        self.options.clip
    }
    /// The metric by which the best epoch is kept; `None` = the last epoch counts.
    pub fn keep_best(&self) -> Option<&str> {
        self.options.keep_best.as_deref()
    }
    /// How many `lr_find` steps there are.
    pub fn finders(&self) -> usize {
        self.steps.iter().filter(|s| matches!(s, Step::LrFind(_))).count()
    }
}

/// What a label is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Exactly one class an image: log-softmax and cross-entropy.
    SingleLabel,
    /// Any number of tags an image: sigmoid and binary cross-entropy.
    MultiLabel,
    /// A number an image: no activation, L1.
    Regression,
}

impl TaskKind {
    /// The word in a recipe.
    pub fn word(self) -> &'static str {
        match self {
            TaskKind::SingleLabel => "single_label",
            TaskKind::MultiLabel => "multi_label",
            TaskKind::Regression => "regression",
        }
    }
}

/// Where images and labels come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// Folder that everything else is relative to; itself relative to the working directory.
    pub root: String,
    /// Folders or a csv file.
    pub source: Source,
    /// Which images are held out.
    pub valid: Valid,
    /// Folder of unlabelled test images below `root` (or one sub-folder a class).
    pub test: Option<String>,
    /// Images a batch, at least 2 (batch norm).
    pub batch: u32,
    /// Threads that decode and transform; `None` = one a CPU core.
    pub workers: Option<u32>,
    /// What to do about files that are missing or cannot be decoded.
    #[serde(default)]
    pub corrupt: Corrupt,
    /// What to do about training images that equal a validation image.
    #[serde(default)]
    pub duplicates: Duplicates,
    /// How an epoch goes through the training images.
    #[serde(default)]
    pub sampler: Sampler,
    /// Shorter side of the scaled copies that are read instead of the images, pixels.
    #[serde(default)]
    pub resize_to: Option<u32>,
}

/// What to do about files that are missing or cannot be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Corrupt {
    /// Stop before training and list them all.
    #[default]
    Deny,
    /// Leave them out and list them.
    Skip,
}

impl Corrupt {
    /// The word in a recipe.
    pub fn word(self) -> &'static str {
        match self {
            Corrupt::Deny => "deny",
            Corrupt::Skip => "skip",
        }
    }
}

/// What to do about training images that equal a validation image byte for byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// Leave them out of training; the validation set stays as the split says.
    #[default]
    Drop,
    /// Train on them.
    Keep,
}

impl Duplicates {
    /// The word in a recipe.
    pub fn word(self) -> &'static str {
        match self {
            Duplicates::Drop => "drop",
            Duplicates::Keep => "keep",
        }
    }
}

/// How an epoch goes through the training images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// Each image once, in random order.
    #[default]
    Shuffle,
    /// As many images as there are, each as often as its class is rare.
    Balanced,
}

impl Sampler {
    /// The word in a recipe.
    pub fn word(self) -> &'static str {
        match self {
            Sampler::Shuffle => "shuffle",
            Sampler::Balanced => "balanced",
        }
    }
}

/// How labels are stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// One sub-folder a class.
    Folders {
        /// Folder of the training images, below `root`.
        train: String,
    },
    /// A csv file with one row an image.
    Csv {
        /// The csv file, below `root`.
        labels: String,
        /// Folder of the images, below `root`.
        images: String,
        /// Appended to the id to make the file name, `.jpg`.
        suffix: String,
        /// Column of the image name.
        id: Column,
        /// Column of the label or the tags.
        label: Column,
        /// What separates tags in a cell (multi-label only).
        separator: String,
        /// Whether the first row is a header.
        header: bool,
    },
}

/// A csv column, by name or by 0-based position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// By its name in the header.
    Name(String),
    /// By its 0-based position.
    Position(u32),
}

/// Which images are held out for validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Valid {
    /// fastai's `get_cv_idxs`, bit for bit.
    Random {
        /// Share of all images, in (0, 1).
        share: f64,
        /// Seed of the permutation.
        seed: u32,
        /// Which slice of the permutation, 0-based.
        fold: u32,
    },
    /// A share of each class.
    Stratified {
        /// Share of all images, in (0, 1).
        share: f64,
        /// Seed of the permutation.
        seed: u32,
        /// Which slice, 0-based; folds do not overlap.
        fold: u32,
    },
    /// Blocks of consecutive images, held out as a whole.
    Blocks {
        /// Images a block, at least 2.
        size: u32,
        /// Share of all blocks, in (0, 1).
        share: f64,
        /// Seed of the permutation of the blocks.
        seed: u32,
        /// Which slice of the permutation, 0-based.
        fold: u32,
    },
    /// Images with the same cell in a csv column, held out as a whole.
    Grouped {
        /// The column's name.
        column: String,
        /// Share of all groups, in (0, 1).
        share: f64,
        /// Seed of the permutation of the groups.
        seed: u32,
        /// Which slice of the permutation, 0-based.
        fold: u32,
    },
    /// A folder below `root`, laid out as the training folder.
    Folder(String),
    /// A text file below `root` with one image id a line.
    Indices(String),
    /// A csv column with 0/1 or true/false.
    Column(String),
    /// Train on everything; nothing is measured.
    None,
}

/// Image size and augmentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transforms {
    /// Which augmentations.
    pub set: TransformSet,
    /// Side of the square that the network sees, pixels.
    pub size: u32,
    /// Range of the random zoom, `[min, max]`; a single number z in a recipe is `[1, z]`.
    pub max_zoom: [f64; 2],
    /// How the square is cut out while training.
    pub crop: Crop,
    /// Border added before cropping, pixels.
    pub pad: u32,
    /// What the border shows.
    #[serde(default)]
    pub pad_mode: PadMode,
    /// Augmentations besides those of the set, in the order of the recipe.
    #[serde(default)]
    pub augment: Vec<Augmentation>,
    /// Statistics that pixels are normalised with.
    #[serde(default)]
    pub stats: StatsWish,
}

impl Transforms {
    /// Transforms of a set, with everything else as it is unless a recipe says otherwise.
    pub fn new(set: TransformSet, size: u32) -> Self {
        Transforms {
            set,
            size,
            max_zoom: [1.0, 1.0],
            crop: Crop::Random,
            pad: 0,
            pad_mode: PadMode::Reflect,
            augment: Vec::new(),
            stats: StatsWish::Weights,
        }
    }

    /// What pixels are normalised with, where the architecture's weights were trained with `weights`.
    pub fn stats(&self, weights: Stats) -> Stats {
        match self.stats {
            StatsWish::Weights => weights,
            StatsWish::Imagenet => Stats::IMAGENET,
            StatsWish::Inception => Stats::INCEPTION,
            StatsWish::None => Stats::NONE,
        }
    }
}

/// What the border of `pad` shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PadMode {
    /// The image, mirrored: `2 1 0 | 0 1 2`.
    #[default]
    Reflect,
    /// Black.
    Constant,
}

impl PadMode {
    /// The word in a recipe.
    pub fn word(self) -> &'static str {
        match self {
            PadMode::Reflect => "reflect",
            PadMode::Constant => "constant",
        }
    }
}

/// Which statistics pixels are normalised with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatsWish {
    /// Those of the architecture's published weights.
    #[default]
    Weights,
    /// ImageNet's.
    Imagenet,
    /// Mean and standard deviation 0.5.
    Inception,
    /// None: pixels stay in [0, 1].
    None,
}

/// One augmentation of a list. Shares and probabilities lie in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Augmentation {
    /// Rotation about the middle.
    Rotate {
        /// Largest angle either way.
        degrees: f64,
        /// How often.
        p: f64,
    },
    /// Brightness and contrast.
    Lighting {
        /// Largest change of brightness either way.
        brightness: f64,
        /// Largest change of contrast either way.
        contrast: f64,
    },
    /// Mirrored left to right.
    Flip {
        /// How often.
        p: f64,
    },
    /// One of the eight flips and quarter turns.
    Dihedral,
    /// Enlargement about the middle, by `1 + min` to `1 + max`.
    Zoom {
        /// Largest.
        max: f64,
        /// Smallest.
        min: f64,
    },
    /// Enlargement of one side, by up to `1 + max`.
    Stretch {
        /// Largest.
        max: f64,
    },
    /// One of rotation, zoom, stretch and nothing.
    RotateZoom {
        /// Largest angle either way.
        degrees: f64,
        /// Largest enlargement of both sides.
        zoom: f64,
        /// Largest enlargement of one side.
        stretch: f64,
        /// Probabilities of the four, whose sum is 1.
        ps: [f64; 4],
    },
    /// The average over a square of `2 * strength - 1` pixels.
    Blur {
        /// How much.
        strength: u32,
        /// How often.
        p: f64,
    },
    /// Black squares.
    Cutout {
        /// How many.
        holes: u32,
        /// Their side, pixels.
        length: u32,
        /// How often.
        p: f64,
    },
}

/// fastai's transform sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransformSet {
    /// No augmentation (the crop stays random).
    None,
    /// Rotation by up to 10 degrees, lighting.
    Basic,
    /// Basic and left-right flips: photos taken from the side.
    SideOn,
    /// Basic and all eight flips and quarter turns: images from above.
    TopDown,
}

impl TransformSet {
    /// The word in a recipe.
    pub fn word(self) -> &'static str {
        match self {
            TransformSet::None => "none",
            TransformSet::Basic => "basic",
            TransformSet::SideOn => "side_on",
            TransformSet::TopDown => "top_down",
        }
    }
}

/// How a square is cut out of the scaled image while training; validation uses the centre for `Random` and `Googlenet`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crop {
    /// A random square.
    Random,
    /// The centre.
    Center,
    /// No crop: squash to the square.
    None,
    /// A random area of 8 to 100 % and aspect 3/4 to 4/3, squashed.
    Googlenet,
}

impl Crop {
    /// The word in a recipe.
    pub fn word(self) -> &'static str {
        match self {
            Crop::Random => "random",
            Crop::Center => "center",
            Crop::None => "none",
            Crop::Googlenet => "googlenet",
        }
    }
}

/// The network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Name of the architecture, one of [`arch::ARCHS`].
    pub arch: String,
    /// The new head.
    pub head: HeadSpec,
    /// Where the body's weights come from.
    pub weights: Weights,
}

impl Model {
    /// What the language knows about the architecture.
    pub fn facts(&self) -> &'static ArchFacts {
        arch::find(&self.arch).expect("a checked recipe names a known architecture")
    }
}

/// fastai's head: concat pool `[max, avg]`, then BatchNorm, dropout, linear, ReLU for each hidden layer, and a last
/// BatchNorm, dropout, linear to the classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadSpec {
    /// Width of each hidden layer.
    pub hidden: Vec<u32>,
    /// Dropout before each linear layer, `hidden.len() + 1` values in [0, 1).
    pub dropout: Vec<f64>,
}

impl HeadSpec {
    /// Trainable parameters of the head: BatchNorms (weight and bias) and linear layers.
    pub fn parameters(&self, input: u32, classes: u64) -> u64 {
        let mut n = 0;
        let mut width = u64::from(input);
        for next in self.hidden.iter().map(|h| u64::from(*h)).chain([classes]) {
            n += 2 * width + width * next + next;
            width = next;
        }
        n
    }
}

/// Where the body's weights come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// The architecture's published ImageNet weights.
    Pretrained,
    /// A file, relative to the working directory.
    File(String),
    /// Random: the body starts unfrozen.
    None,
}

/// What is measured on the validation set, accumulated over the whole set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of images whose most probable class is the label (single-label).
    Accuracy,
    /// Mean of -ln p(label) (single-label), or mean binary cross-entropy (multi-label).
    LogLoss,
    /// Mean over images of F-beta with beta 2 (multi-label).
    F2 {
        /// How probabilities become tags.
        threshold: Threshold,
    },
    /// Mean absolute error (regression).
    MeanAbsError,
    /// Root of the mean squared error (regression).
    RootMeanSquareError,
}

impl Metric {
    /// Name of the table's column; a searched threshold is marked `f2_best`.
    pub fn column(&self) -> &'static str {
        match self {
            Metric::Accuracy => "accuracy",
            Metric::LogLoss => "log_loss",
            Metric::F2 { threshold: Threshold::Fixed(_) } => "f2",
            Metric::F2 { threshold: Threshold::Search } => "f2_best",
            Metric::MeanAbsError => "mae",
            Metric::RootMeanSquareError => "rmse",
        }
    }

    /// The word in a recipe, whatever its arguments.
    pub fn word(&self) -> &'static str {
        match self {
            Metric::F2 { .. } => "f2",
            other => other.column(),
        }
    }

    /// Whether larger is better.
    pub fn higher_is_better(&self) -> bool {
        matches!(self, Metric::Accuracy | Metric::F2 { .. })
    }
}

/// How probabilities become tags: a tag is said when `p > threshold`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// A fixed number, 0.2 unless told.
    Fixed(f64),
    /// The best of .17, .18, .. .23 on the images it is measured on, one for all of them.
    Search,
}

/// Which device to run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceWish {
    /// CUDA, else a real wgpu adapter, else the CPU.
    #[default]
    Auto,
    /// CUDA or an error.
    Cuda,
    /// wgpu or an error.
    Wgpu,
    /// The CPU.
    Cpu,
}

impl DeviceWish {
    /// The word in a recipe and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            DeviceWish::Auto => "auto",
            DeviceWish::Cuda => "cuda",
            DeviceWish::Wgpu => "wgpu",
            DeviceWish::Cpu => "cpu",
        }
    }
}

/// Weights of the classes in the loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeights {
    /// Inverse to the class's count in the training set, mean 1.
    Balanced,
    /// One a class, in class order.
    Given(Vec<f64>),
}

/// One step of `train`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Switch cached activations on or off.
    Precompute {
        /// On or off.
        on: bool,
    },
    /// Learning-rate finder; the weights are as before when it ends.
    LrFind(LrFind),
    /// Train.
    Fit(Fit),
    /// Train only the head from here on.
    Freeze,
    /// Train group `group` and everything after it; negative counts from the end, as in Python.
    FreezeTo {
        /// First trainable group.
        group: i32,
    },
    /// Train everything.
    Unfreeze,
    /// BatchNorms of the body keep their running statistics.
    BnFreeze {
        /// On or off.
        on: bool,
    },
    /// A new, untrained head (the deck's second learner).
    Head(HeadSpec),
    /// Another image size, pixels.
    Resize {
        /// Side of the square.
        size: u32,
    },
    /// Test-time augmentation on the validation set (and the test set, if there is one).
    Tta {
        /// Augmented passes; the plain prediction is counted `ceil(n_aug / 4)` times.
        n_aug: u32,
    },
    /// Save the whole model as `models/NAME.safetensors`.
    Save {
        /// File name without its suffix.
        name: String,
    },
    /// Load a saved model.
    Load {
        /// File name without its suffix.
        name: String,
    },
}

impl Step {
    /// The step's word in a recipe.
    pub fn word(&self) -> &'static str {
        match self {
            Step::Precompute { .. } => "precompute",
            Step::LrFind(_) => "lr_find",
            Step::Fit(_) => "fit",
            Step::Freeze => "freeze",
            Step::FreezeTo { .. } => "freeze_to",
            Step::Unfreeze => "unfreeze",
            Step::BnFreeze { .. } => "bn_freeze",
            Step::Head(_) => "head",
            Step::Resize { .. } => "resize",
            Step::Tta { .. } => "tta",
            Step::Save { .. } => "save",
            Step::Load { .. } => "load",
        }
    }
}

/// Arguments of `lr_find`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LrFind {
    /// Which finder of the recipe this is, from 0; rates refer to it.
    pub index: u16,
    /// How a rate is read off the curve.
    pub suggest: Suggest,
    /// Used when the curve suggests nothing; without it the run stops there.
    pub or: Option<f64>,
    /// First rate of the sweep.
    pub start: f64,
    /// The sweep ends just below this rate.
    pub end: f64,
    /// Batches of the sweep; `None` = 100 on cached activations, 40 from images.
    pub iters: Option<u32>,
}

impl LrFind {
    /// Batches of the sweep.
    pub fn iterations(&self, precomputed: bool) -> u32 {
        self.iters.unwrap_or(if precomputed { 100 } else { 40 })
    }
}

/// How `lr_find` reads a rate off its curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suggest {
    /// The longest falling stretch, two thirds along it.
    Valley,
    /// Where the loss falls fastest.
    Steep,
    /// A tenth of the rate with the lowest loss.
    Minimum,
}

impl Suggest {
    /// The word in a recipe.
    pub fn word(self) -> &'static str {
        match self {
            Suggest::Valley => "valley",
            Suggest::Steep => "steep",
            Suggest::Minimum => "minimum",
        }
    }
}

/// Arguments of `fit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// One rate for all groups, or one a group, earliest layers first.
    pub lrs: Vec<Rate>,
    /// Cycles with `cycle_len`, epochs without.
    pub cycles: u32,
    /// Epochs of the first cycle; `None` = constant rate.
    pub cycle_len: Option<u32>,
    /// Each cycle is this many times as long as the one before.
    pub cycle_mult: u32,
    /// L2 weight decay: none, one for all groups, or one a group.
    pub wds: Vec<f64>,
    /// Shape of a cycle.
    pub anneal: Anneal,
}

/// Shape of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anneal {
    /// Half a cosine, from the full rate to nothing.
    Cosine,
    /// A straight line, from the full rate to nothing.
    Linear,
}

impl Anneal {
    /// The word in a recipe.
    pub fn word(self) -> &'static str {
        match self {
            Anneal::Cosine => "cosine",
            Anneal::Linear => "linear",
        }
    }
}
