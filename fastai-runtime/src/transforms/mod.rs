//! Transform sets and their parts (fastai 0.7's formulas, and the augmentations that came after it), from a decoded image to the square that a network reads.
//!
//! Drawing is separate from applying: [`Transform::draw`] takes everything random from an address, and
//! [`Transform::apply`] is a function of the image and the [`Draw`] alone.

mod blur;
mod crop;
mod dihedral;
mod draw;
mod erase;
mod image;
mod lighting;
mod normalize;
mod operation;
mod pad;
mod pipeline;
mod rotate;
mod scale;
mod stage;

pub use blur::blur;
pub use crop::{Area, Cut, Try, Window};
pub use dihedral::Dihedral;
pub use draw::{Draw, Hole, Part};
pub use erase::Patch;
pub use image::{FloatImage, Picture, Pixels};
pub use lighting::Lighting;
pub use operation::Operation;
pub use pipeline::Transform;
pub use rotate::{Warp, rotate};
pub use scale::{resize, scale_min};
