//! Augmentations: each declared once, with its word, its keys and what a recipe holds of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::check::Bound;
use crate::schema::{Construct, Key};
use crate::word_enums::word_enums;

/// Declares the augmentations: the constructs of the registry, the variants of [`Augmentation`] with their lowering, and
/// what the canonical text and the ranges need of their arguments.
macro_rules! augmentations {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident = $konst:ident $name:ident $({ $(
            $(#[doc = $about:literal])+
            $key:ident: $ty:ident $(($words:ident))? $(in $bounds:ident($lo:literal, $hi:literal))? $(= $default:literal)? $(, $required:ident)?;
        )+ })? $(;)?
    )+) => {
        /// The constructs of the augmentations.
        pub mod calls {
            crate::schema::construct_lists! {
                /// The parts of `augment`.
                AUGMENTATIONS in augmentations { $(
                    $(#[doc = $doc])+
                    $konst $name { $($(
                        $(#[doc = $about])+
                        $key: $ty $(($words))? $(in $bounds($lo, $hi))? $(= $default)? $(, $required)?;
                    )+)? }
                )+ }
            }
        }

        /// One augmentation of a list. Shares and probabilities lie in [0, 1].
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Augmentation { $(
            $(#[doc = $doc])+
            $variant $({ $( $(#[doc = $about])+ $key: argument!($ty $($words)?), )+ })?,
        )+ }

        impl Augmentation {
            /// The augmentation that a construct's bound keys stand for; `None` if one of them was refused.
            pub(crate) fn lower(bound: &Bound) -> Option<Self> {
                match bound.construct().name {
                    $( stringify!($name) => {
                        Some(Augmentation::$variant $({ $( $key: bound.read(stringify!($key))?, )+ })?)
                    } )+
                    _ => None,
                }
            }

            /// The construct, and each argument in its order.
            fn arguments(&self) -> (&'static Construct, Vec<&dyn Argument>) {
                match self { $(
                    Augmentation::$variant $({ $($key),+ })? => (&calls::$konst, vec![$($($key as &dyn Argument),+)?]),
                )+ }
            }
        }
    };
}

/// The Rust type of an argument.
macro_rules! argument {
    (Number) => {
        f64
    };
    (Count) => {
        u32
    };
    (Zoom) => {
        [f64; 2]
    };
    (Numbers) => {
        [f64; 4]
    };
    (Word $words:ident) => {
        $words
    };
}

augmentations! {
    /// Rotates by up to `degrees` either way about the middle; what comes in at the border is reflected.
    Rotate = ROTATE rotate {
        /// Largest angle.
        degrees: Number in range(0.0, 180.0), required;
        /// How often.
        p: Number in range(0.0, 1.0) = "0.75";
    }
    /// Changes brightness and contrast.
    Lighting = LIGHTING lighting {
        /// Largest change of brightness, of a range of 0 to 1.
        brightness: Number in range(0.0, 1.0), required;
        /// Largest change of contrast: a factor of up to `1 + contrast` either way.
        contrast: Number in below(0.0, 1.0), required;
    }
    /// Mirrors left to right.
    Flip = FLIP flip {
        /// How often.
        p: Number in range(0.0, 1.0) = "0.5";
    }
    /// One of the eight flips and quarter turns, each as often.
    Dihedral = DIHEDRAL dihedral;
    /// Enlarges about the middle by a factor of `1 + min` to `1 + max`.
    Zoom = ZOOM zoom {
        /// Largest enlargement.
        max: Number in range(0.0, 3.0), required;
        /// Smallest enlargement.
        min: Number in range(0.0, 3.0) = "0";
    }
    /// Enlarges either width or height, by a factor of up to `1 + max`.
    Stretch = STRETCH stretch {
        /// Largest enlargement.
        max: Number in range(0.0, 3.0), required;
    }
    /// One of `rotate`, `zoom`, `stretch` and nothing.
    RotateZoom = ROTATE_ZOOM rotate_zoom {
        /// Largest angle.
        degrees: Number in range(0.0, 180.0), required;
        /// Largest enlargement of `zoom`.
        zoom: Number in range(0.0, 3.0), required;
        /// Largest enlargement of `stretch`.
        stretch: Number in range(0.0, 3.0), required;
        /// Probabilities of the four; their sum is 1.
        ps: Numbers in range(0.0, 1.0) = "[0.25, 0.25, 0.25, 0.25]";
    }
    /// Averages over a square of `2 * strength - 1` pixels.
    Blur = BLUR blur {
        /// How much.
        strength: Count in range(1.0, 15.0) = "5";
        /// How often.
        p: Number in range(0.0, 1.0) = "0.5";
    }
    /// Blackens squares anywhere in the image; what comes after it in the list turns and lights them too.
    Cutout = CUTOUT cutout {
        /// How many.
        holes: Count in range(1.0, 64.0), required;
        /// Their side, pixels of the scaled image; less where the image ends.
        length: Count in range(1.0, 1024.0), required;
        /// How often.
        p: Number in range(0.0, 1.0) = "0.5";
    }
    /// Erases a rectangle of the square, of an aspect of 0.3 to 3.3 (random erasing). This comes after everything else.
    Erase = ERASE erase {
        /// How often.
        p: Number in range(0.0, 1.0) = "0.5";
        /// Its share of the square, `[min, max]`.
        area: Zoom in open(0.0, 1.0) = "[0.02, 0.33]";
        /// What it shows: the mean of the statistics that pixels are normalised with, or noise about it.
        value: Word(Erased) = "mean";
    }
    /// One of 14 operations of random strength (TrivialAugment, wide) on the square, in 8 bits, after the crop.
    TrivialAugment = TRIVIAL_AUGMENT trivial_augment;
    /// Some of 14 operations, one after another, all equally strong (RandAugment), on the square, in 8 bits, after the crop.
    RandAugment = RAND_AUGMENT rand_augment {
        /// How many.
        n: Count in range(1.0, 14.0) = "2";
        /// How strong.
        m: Count in range(0.0, 30.0) = "9";
    }
}

word_enums! {
    values in augmentation_words;

    /// What an erased rectangle shows.
    Erased {
        /// The mean that pixels are normalised with: zeros to the network.
        Mean = mean,
        /// A normal distribution about it with its deviation, drawn for each channel of each pixel.
        Noise = noise,
    }
}

/// An argument of an augmentation.
trait Argument {
    /// As a recipe writes it.
    fn text(&self) -> String;
    /// The numbers in it.
    fn numbers(&self) -> Vec<f64>;
}
impl Argument for f64 {
    fn text(&self) -> String {
        format!("{self:?}")
    }
    fn numbers(&self) -> Vec<f64> {
        vec![*self]
    }
}
impl Argument for u32 {
    fn text(&self) -> String {
        self.to_string()
    }
    fn numbers(&self) -> Vec<f64> {
        vec![f64::from(*self)]
    }
}
impl<const N: usize> Argument for [f64; N] {
    fn text(&self) -> String {
        format!("{self:?}")
    }
    fn numbers(&self) -> Vec<f64> {
        self.to_vec()
    }
}
impl Argument for Erased {
    fn text(&self) -> String {
        self.word().to_string()
    }
    fn numbers(&self) -> Vec<f64> {
        Vec::new()
    }
}

impl Augmentation {
    /// Whether its numbers are some that a recipe can say: a description that is read from a file may hold others.
    pub fn is_legal(&self) -> bool {
        let (construct, arguments) = self.arguments();
        let in_range = |(key, argument): (&Key, &&dyn Argument)| {
            argument.numbers().into_iter().all(|x| key.range.is_none_or(|range| range.holds(x)))
        };
        let ordered = match *self {
            Augmentation::Zoom { max, min } | Augmentation::Erase { area: [min, max], .. } => min <= max,
            _ => true,
        };
        ordered && construct.keys.iter().zip(&arguments).all(in_range)
    }
}

/// As in a recipe: the arguments that must be given by position, at least one, the others by name.
impl fmt::Display for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (construct, arguments) = self.arguments();
        let positional = construct.keys.iter().filter(|key| key.required).count().max(1);
        let written = construct.keys.iter().zip(arguments).enumerate().map(|(i, (key, argument))| {
            let name = if i < positional { String::new() } else { format!("{} = ", key.name) };
            name + &argument.text()
        });
        match written.collect::<Vec<_>>() {
            none if none.is_empty() => f.write_str(construct.name),
            some => write!(f, "{}({})", construct.name, some.join(", ")),
        }
    }
}
