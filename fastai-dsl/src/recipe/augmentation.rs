//! Augmentations: one declaration each, with word, keys and the fields in a recipe.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bound::Bound;
use crate::construct::{Construct, Key};
use crate::word_enums::word_enums;

/// Declares the augmentations: the constructs of the registry, the variants of [`Augmentation`] with their lowering, and
/// the access to arguments for canonical text and range checks.
macro_rules! augmentations {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident = $konst:ident $name:ident $({ $(
            $(#[doc = $about:literal])+
            $key:ident: $ty:ident $(($words:ident))? $(in $bounds:ident($lo:literal, $hi:literal))?
                $(= $default:literal)? $(, $required:ident)? $(like $example:literal)?;
        )+ })? $(;)?
    )+) => {
        /// The constructs of the augmentations.
        pub mod calls {
            use super::Erased;

            crate::construct::construct_lists! {
                /// The parts of `augment`.
                AUGMENTATIONS in augmentations { $(
                    $(#[doc = $doc])+
                    $konst $name { $($(
                        $(#[doc = $about])+
                        $key: $ty $(($words))? $(in $bounds($lo, $hi))? $(= $default)? $(, $required)? $(like $example)?;
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
            /// Returns the augmentation of a construct's bound keys; `None` if the value of one has an error.
            pub(crate) fn lower(bound: &Bound) -> Option<Self> {
                match bound.construct().name {
                    $( stringify!($name) => {
                        Some(Augmentation::$variant $({ $( $key: bound.read(stringify!($key))?, )+ })?)
                    } )+
                    _ => None,
                }
            }

            /// Returns the construct and its arguments in order.
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
    /// Rotates by up to `degrees` in either direction about the centre, with a reflected border.
    Rotate = ROTATE rotate {
        /// Largest angle.
        degrees: Number in range(0.0, 180.0), required like "10";
        /// Probability.
        p: Number in range(0.0, 1.0) = "0.75";
    }
    /// Changes brightness and contrast.
    Lighting = LIGHTING lighting {
        /// Largest change of brightness, relative to a range of 0 to 1.
        brightness: Number in range(0.0, 1.0), required;
        /// Largest change of contrast: a factor of up to `1 + contrast` or its reciprocal.
        contrast: Number in below(0.0, 1.0), required;
    }
    /// Mirrors left to right.
    Flip = FLIP flip {
        /// Probability.
        p: Number in range(0.0, 1.0) = "0.5";
    }
    /// One of the eight combinations of flips and quarter turns, drawn uniformly.
    Dihedral = DIHEDRAL dihedral;
    /// Enlarges about the centre by a factor of `1 + min` to `1 + max`.
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
    /// One of `rotate`, `zoom`, `stretch` and no change.
    RotateZoom = ROTATE_ZOOM rotate_zoom {
        /// Largest angle.
        degrees: Number in range(0.0, 180.0), required like "10";
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
        /// Probability.
        p: Number in range(0.0, 1.0) = "0.5";
    }
    /// Blackens squares anywhere in the image; later augmentations in the list transform the squares too.
    Cutout = CUTOUT cutout {
        /// How many.
        holes: Count in range(1.0, 64.0), required;
        /// Side of the squares, pixels of the scaled image; shorter at the border.
        length: Count in range(1.0, 1024.0), required;
        /// Probability.
        p: Number in range(0.0, 1.0) = "0.5";
    }
    /// Erases a rectangle of the square with an aspect ratio of 0.3 to 3.3 (random erasing), after everything else.
    Erase = ERASE erase {
        /// Probability.
        p: Number in range(0.0, 1.0) = "0.5";
        /// The rectangle's share of the square, `[min, max]`.
        area: Zoom in open(0.0, 1.0) = "[0.02, 0.33]";
        /// Content of the rectangle: the mean of the normalisation statistics, or noise about it.
        value: Word(Erased) = "mean";
    }
    /// One of 14 operations with random strength (TrivialAugment, wide) on the 8-bit square after the crop.
    TrivialAugment = TRIVIAL_AUGMENT trivial_augment;
    /// Several of 14 operations with equal strength (RandAugment) on the 8-bit square after the crop.
    RandAugment = RAND_AUGMENT rand_augment {
        /// How many.
        n: Count in range(1.0, 14.0) = "2";
        /// How strong.
        m: Count in range(0.0, 30.0) = "9";
    }
}

word_enums! {
    values in augmentation_words;

    /// The content of an erased rectangle.
    Erased {
        /// The mean of the statistics, which is zero after normalisation.
        Mean = mean,
        /// Normal noise with the mean and deviation of the statistics, drawn for each channel of each pixel.
        Noise = noise,
    }
}

/// An argument of an augmentation.
trait Argument {
    /// Formats the argument as recipe text.
    fn text(&self) -> String;
    /// Returns its numbers.
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
    /// Whether the values are ones that a recipe can have: a header from a file may contain others.
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

/// Formats the augmentation as recipe text: required arguments by position, the others by name.
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
