//! Image size and augmentation.

use serde::{Deserialize, Serialize};

use crate::schema::{NORMALIZE, Range};
use crate::stats::Stats;
use crate::word_enums::word_enums;

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
    /// At which size JPEGs are decoded.
    #[serde(default)]
    pub decode: Decode,
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
            decode: Decode::Full,
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

    /// At which size JPEGs are decoded.
    Decode {
        /// At their own.
        Full = full,
        /// At a half, a quarter or an eighth of it, where enough pixels are left.
        Reduced = reduced,
    }

    /// What an erased rectangle shows.
    Erased {
        /// The mean that pixels are normalised with: zeros to the network.
        Mean = mean,
        /// A normal distribution about it with its deviation, drawn for each channel of each pixel.
        Noise = noise,
    }
}

/// Which statistics pixels are normalised with.
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
    /// These.
    Given {
        /// Means of red, green and blue, 0 to 1.
        mean: [f64; 3],
        /// Their standard deviations, 0.001 to 1.
        std: [f64; 3],
    },
}

impl StatsWish {
    /// Whether its numbers are some that a recipe can say: a description that is read from a file may hold others.
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
    /// A rectangle erased.
    Erase {
        /// How often.
        p: f64,
        /// Smallest and largest share of the square.
        area: [f64; 2],
        /// What it shows.
        value: Erased,
    },
    /// One of 14 operations, of any strength.
    TrivialAugment,
    /// Several of 14 operations, equally strong.
    RandAugment {
        /// How many.
        n: u32,
        /// How strong, 0 to 30.
        m: u32,
    },
}

impl Augmentation {
    /// Whether its numbers are some that a recipe can say: a description that is read from a file may hold others.
    pub fn is_legal(&self) -> bool {
        let share = |p: f64| (0.0..=1.0).contains(&p);
        let more = |x: f64| (0.0..=3.0).contains(&x);
        let angle = |x: f64| (0.0..=180.0).contains(&x);
        match *self {
            Augmentation::Rotate { degrees, p } => angle(degrees) && share(p),
            Augmentation::Lighting { brightness, contrast } => share(brightness) && (0.0..1.0).contains(&contrast),
            Augmentation::Flip { p } => share(p),
            Augmentation::Dihedral => true,
            Augmentation::Zoom { max, min } => more(min) && more(max) && min <= max,
            Augmentation::Stretch { max } => more(max),
            Augmentation::RotateZoom { degrees, zoom, stretch, ps } => {
                angle(degrees) && more(zoom) && more(stretch) && ps.into_iter().all(share)
            }
            Augmentation::Blur { strength, p } => (1..=15).contains(&strength) && share(p),
            Augmentation::Cutout { holes, length, p } => {
                (1..=64).contains(&holes) && (1..=1024).contains(&length) && share(p)
            }
            Augmentation::Erase { p, area: [min, max], .. } => share(p) && 0.0 < min && min <= max && max < 1.0,
            Augmentation::TrivialAugment => true,
            Augmentation::RandAugment { n, m } => (1..=14).contains(&n) && m <= 30,
        }
    }
}
