//! The random values of one training image.

use fastai_dsl::{Augmentation, Crop};
use rand_chacha::ChaCha8Rng;

use super::crop::Cut;
use super::dihedral::Dihedral;
use super::erase::Patch;
use super::lighting::Lighting;
use super::operation::Operation;
use super::rotate::Warp;
use crate::random::{Address, below, chance, uniform, unit};

/// Probability of a random zoom.
const OFTEN: f64 = 0.75;

/// The random values of one training image.
#[derive(Clone, Debug, PartialEq)]
pub struct Draw {
    /// The zoom: the shorter side becomes `trunc(zoom * size)`, but at least the size. 1 means none; the googlenet crop
    /// does not zoom.
    pub zoom: f64,
    /// The operations before the crop, in order.
    pub parts: Vec<Effect>,
    /// The crop.
    pub cut: Cut,
    /// The operations on the square after rounding to 8 bits, in order.
    pub operations: Vec<Operation>,
    /// The rectangles to erase last.
    pub patches: Vec<Patch>,
}

/// One change of a scaled and padded image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    /// Rotation, zoom or stretching on the same canvas.
    Warp(Warp),
    /// Quarter turns and a flip.
    Dihedral(Dihedral),
    /// Brightness and contrast, about the mean of the whole image.
    Lighting(Lighting),
    /// The average over a square with this odd side, pixels.
    Blur(usize),
    /// A black square.
    Hole(Hole),
}

/// A black square.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hole {
    /// Vertical position of its centre relative to the height, in `[0, 1)`.
    pub row: f64,
    /// Horizontal position of its centre relative to the width, in `[0, 1)`.
    pub column: f64,
    /// Its side, pixels of the scaled image; shorter at the border.
    pub length: usize,
}

/// The generators that parts draw from. These are the numbers of zoom and crop; [`kind`] contains those of augmentations.
const ZOOM: u32 = 0;
const CROP: u32 = 1;

/// The number of generators.
const KINDS: usize = 14;

/// The number of the generator that an augmentation draws from. The number of a kind never changes, since the pixels of a
/// seed depend on it.
fn kind(augmentation: &Augmentation) -> u32 {
    match augmentation {
        Augmentation::Rotate { .. } => 2,
        Augmentation::Lighting { .. } => 3,
        Augmentation::Flip { .. } => 4,
        Augmentation::Dihedral => 5,
        Augmentation::Zoom { .. } => 6,
        Augmentation::Stretch { .. } => 7,
        Augmentation::RotateZoom { .. } => 8,
        Augmentation::Blur { .. } => 9,
        Augmentation::Cutout { .. } => 10,
        Augmentation::Erase { .. } => 11,
        Augmentation::TrivialAugment => 12,
        Augmentation::RandAugment { .. } => 13,
    }
}

impl Draw {
    /// A draw with only a crop.
    pub fn plain(cut: Cut) -> Self {
        Draw { zoom: 1.0, parts: Vec::new(), cut, operations: Vec::new(), patches: Vec::new() }
    }

    /// Draws the random values at `address` for an image that becomes a square of `side` pixels.
    ///
    /// Each part has its own generator, addressed by its kind and by the number of parts of that kind before it in
    /// `augmentations`. Neither the values nor the presence of other parts change its draws.
    pub(super) fn new<'a>(
        max_zoom: [f64; 2],
        crop: Crop,
        augmentations: impl Iterator<Item = &'a Augmentation>,
        side: usize,
        address: Address,
    ) -> Self {
        let mut rng = address.part(ZOOM, 0);
        let zoomed = chance(&mut rng, OFTEN);
        let zoom = uniform(&mut rng, max_zoom[0], max_zoom[1]);
        let cut = Cut::draw(crop, &mut address.part(CROP, 0));
        let mut draw = Draw { zoom: if zoomed { zoom } else { 1.0 }, ..Draw::plain(cut) };
        let mut before = [0u32; KINDS];
        for augmentation in augmentations {
            let kind = kind(augmentation);
            let number = &mut before[kind as usize];
            draw.add(augmentation, side, &mut address.part(kind, *number));
            *number += 1;
        }
        draw
    }

    /// Adds the draws of one augmentation for a square of `side` pixels.
    fn add(&mut self, augmentation: &Augmentation, side: usize, rng: &mut ChaCha8Rng) {
        let stretched = |max: f64, rng: &mut ChaCha8Rng| {
            Effect::Warp(Warp::Stretch { factor: uniform(rng, 1.0, 1.0 + max), across: chance(rng, 0.5) })
        };
        let rotated = |degrees: f64, rng: &mut ChaCha8Rng| Effect::Warp(Warp::Rotate(uniform(rng, -degrees, degrees)));
        match *augmentation {
            Augmentation::Rotate { degrees, p } => {
                if chance(rng, p) {
                    self.parts.push(rotated(degrees, rng));
                }
            }
            Augmentation::Lighting { brightness, contrast } => {
                self.parts.push(Effect::Lighting(Lighting::draw(brightness, contrast, rng)));
            }
            Augmentation::Flip { p } => self.turn(Dihedral { turns: 0, flip: chance(rng, p) }),
            Augmentation::Dihedral => self.turn(Dihedral { turns: below(rng, 4) as u8, flip: chance(rng, 0.5) }),
            Augmentation::Zoom { max, min } => {
                self.parts.push(Effect::Warp(Warp::Zoom(uniform(rng, 1.0 + min, 1.0 + max))));
            }
            Augmentation::Stretch { max } => self.parts.push(stretched(max, rng)),
            Augmentation::RotateZoom { degrees, zoom, stretch, ps } => {
                let u = unit(rng);
                if u < ps[0] {
                    self.parts.push(rotated(degrees, rng));
                } else if u < ps[0] + ps[1] {
                    self.parts.push(Effect::Warp(Warp::Zoom(uniform(rng, 1.0, 1.0 + zoom))));
                } else if u < ps[0] + ps[1] + ps[2] {
                    self.parts.push(stretched(stretch, rng));
                }
            }
            Augmentation::Blur { strength, p } => {
                if chance(rng, p) {
                    self.parts.push(Effect::Blur(2 * strength as usize - 1));
                }
            }
            Augmentation::Cutout { holes, length, p } => {
                if chance(rng, p) {
                    let hole = |_| Hole { row: unit(rng), column: unit(rng), length: length as usize };
                    self.parts.extend((0..holes).map(hole).map(Effect::Hole));
                }
            }
            Augmentation::Erase { p, area, value } => {
                if chance(rng, p) {
                    self.patches.extend(Patch::draw(area, value, side, rng));
                }
            }
            Augmentation::TrivialAugment => self.operations.push(Operation::trivial(rng)),
            Augmentation::RandAugment { n, m } => {
                self.operations.extend((0..n).map(|_| Operation::rand(m, side, rng)));
            }
        }
    }

    fn turn(&mut self, dihedral: Dihedral) {
        if dihedral != Dihedral::IDENTITY {
            self.parts.push(Effect::Dihedral(dihedral));
        }
    }

    /// Whether height and width are swapped before the crop.
    pub(super) fn turned(&self) -> bool {
        let odd = |part: &&Effect| matches!(part, Effect::Dihedral(dihedral) if dihedral.turns % 2 == 1);
        self.parts.iter().filter(odd).count() % 2 == 1
    }
}
