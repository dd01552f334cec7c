//! Image size and augmentation.

use serde::{Deserialize, Serialize};

use super::Augmentation;
use crate::construct::Range;
use crate::fits::{Fits, kind};
use crate::stats::Stats;
use crate::word;
use crate::word_enums::word_enums;
use calls::{NORMALIZE, TRANSFORMS};

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
    /// The statistics for normalising pixels.
    #[serde(default)]
    pub stats: StatsWish,
    /// The size at which JPEGs are decoded.
    #[serde(default)]
    pub decode: Decode,
    /// Bits that 16-bit images use, 8 to 16.
    #[serde(default = "all_bits")]
    pub bits: u32,
    /// The numbers that the network's input is made of.
    #[serde(default)]
    pub pixels: PixelFormat,
}

fn all_bits() -> u32 {
    TRANSFORMS.default("bits")
}

impl Transforms {
    /// Creates the transforms of a set; every other key has its default.
    pub fn new(set: TransformSet, size: u32) -> Self {
        Transforms {
            set,
            size,
            max_zoom: [1.0, TRANSFORMS.default("max_zoom")],
            crop: TRANSFORMS.default("crop"),
            pad: TRANSFORMS.default("pad"),
            pad_mode: TRANSFORMS.default("pad_mode"),
            augment: Vec::new(),
            stats: StatsWish::default(),
            decode: TRANSFORMS.default("decode"),
            bits: all_bits(),
            pixels: TRANSFORMS.default("pixels"),
        }
    }

    /// What pixels are normalised with, where the architecture's weights were trained with `weights`.
    pub fn stats(&self, weights: Stats) -> Stats {
        match self.stats {
            StatsWish::Weights => weights,
            StatsWish::Imagenet => Stats::IMAGENET,
            StatsWish::Inception => Stats::INCEPTION,
            StatsWish::None => Stats::NONE,
            StatsWish::Given { mean, std } => Stats { mean: mean.map(|x| x as f32), std: std.map(|x| x as f32) },
        }
    }
}

word_enums! {
    values in transforms_words;

    /// fastai's transform sets.
    TransformSet {
        /// Rotation by up to 10 degrees, lighting.
        Basic = basic,
        /// Basic and left-right flips: photos taken from the side.
        SideOn = side_on,
        /// Basic and all eight flips and quarter turns: images from above.
        TopDown = top_down,
        /// No augmentation (the crop stays random).
        None = "none",
    }

    /// How a square is cut out of the scaled image while training; validation uses the centre for `Random` and `Googlenet`.
    Crop {
        /// A random square.
        Random = random,
        /// The centre.
        Center = center,
        /// No crop: squash to the square.
        None = "none",
        /// A random area of 8 to 100 % and aspect 3/4 to 4/3, squashed.
        Googlenet = googlenet,
    }

    /// What the border of `pad` shows.
    PadMode {
        /// The image, mirrored: `2 1 0 | 0 1 2`.
        Reflect = reflect,
        /// Black.
        Constant = constant,
    }

    /// The size at which JPEGs are decoded.
    Decode {
        /// At full size.
        Full = full,
        /// At a half, a quarter or an eighth of the size, if enough pixels remain.
        Reduced = reduced,
    }

    /// The numbers that the network's input is made of, before it is normalised.
    PixelFormat {
        /// What scaling and augmentation compute.
        Floats = floats,
        /// What scaling and augmentation compute, rounded to 8 bits: a GPU receives a quarter of the data and normalises it.
        Bytes = bytes,
    }
}

/// The constructs of the transforms and their statistics.
pub mod calls {
    use super::{Crop, Decode, PadMode, PixelFormat};

    crate::construct::construct_lists! {
        /// What `transforms` and its key `stats` take.
        IMAGES in images {
            /// Image size and augmentation: `basic`, `side_on`, `top_down` or `none`.
            TRANSFORMS transforms {
                /// Side of the square that the network sees, pixels.
                size: Count in range(8.0, 4096.0), required like "224";
                /// Largest random zoom, or `[min, max]`.
                max_zoom: Zoom in range(1.0, 4.0) = "1.0";
                /// The crop of the square.
                crop: Word(Crop) = "random";
                /// Border around the scaled image, pixels.
                pad: Count in range(0.0, 1024.0) = "0";
                /// Content of the border of `pad` in training; validation always mirrors the border.
                pad_mode: Word(PadMode) = "reflect";
                /// Augmentations after those of the set, in list order: first those of the scaled image; then, on the cropped
                /// square, `trivial_augment` and `rand_augment`; last `erase`.
                augment: Augment = "[]";
                /// Statistics for normalising pixels; the default is those of the architecture's weights.
                stats: Stats;
                /// Decoding of JPEGs: `reduced` decodes at a half, a quarter or an eighth of the side lengths if twice the
                /// needed pixels remain, which is faster and nearly equal (`LANGUAGE.md` states the differences).
                decode: Word(Decode) = "full";
                /// The bits that 16-bit images use: with `12`, the value 4095 is white. Sensors and scanners often store 10 or 12
                /// bits in 16, and such images are nearly black without this key.
                bits: Count in range(8.0, 16.0) = "16";
                /// The network's input: `bytes` rounds it to 8 bits a channel, so that GPUs and remote devices receive a quarter of
                /// the data and normalise it themselves.
                pixels: Word(PixelFormat) = "floats";
            }
            /// Statistics of your own data for normalising pixels, which are numbers from 0 to 1.
            NORMALIZE normalize {
                /// Means of red, green and blue; a single number applies to all three.
                mean: Numbers in range(0.0, 1.0), required like "[0.485, 0.456, 0.406]";
                /// Standard deviations of red, green and blue.
                std: Numbers in range(0.001, 1.0), required like "[0.229, 0.224, 0.225]";
            }
        }
    }
}

impl Fits<kind::Stats> for calls::normalize {}

registry_defaults! {
    PadMode = TRANSFORMS.pad_mode;
    Decode = TRANSFORMS.decode;
    PixelFormat = TRANSFORMS.pixels;
}

/// The statistics for normalising pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// The given statistics.
    Given {
        /// Means of red, green and blue, 0 to 1.
        mean: [f64; 3],
        /// Their standard deviations, 0.001 to 1.
        std: [f64; 3],
    },
}

impl StatsWish {
    /// Returns the statistics that `word` stands for.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        let named = [StatsWish::Imagenet, StatsWish::Inception, StatsWish::None];
        named.into_iter().find(|known| known.word() == Some(word))
    }

    /// The word in a recipe; `None` for the statistics of the weights and for numbers.
    pub(crate) fn word(&self) -> Option<&'static str> {
        match self {
            StatsWish::Imagenet => Some(word::imagenet.0),
            StatsWish::Inception => Some(word::inception.0),
            StatsWish::None => Some(word::none.0),
            StatsWish::Weights | StatsWish::Given { .. } => None,
        }
    }

    /// Whether the values are ones that a recipe can have: a header from a file may contain others.
    pub fn is_legal(&self) -> bool {
        match self {
            StatsWish::Given { mean, std } => {
                let within = |range: Option<Range>, x: &f64| range.is_some_and(|range| range.holds(*x));
                let [of_mean, of_std] = [&NORMALIZE.keys[0], &NORMALIZE.keys[1]];
                mean.iter().all(|x| within(of_mean.range, x)) && std.iter().all(|x| within(of_std.range, x))
            }
            _ => true,
        }
    }
}
