//! Transform sets and their parts (fastai 0.7's formulas and later augmentations), from a decoded image to the network's
//! square input.
//!
//! Drawing is separate from applying: [`Transform::draw`] draws all random values at an address, and [`Transform::apply`]
//! depends only on the image and the [`Draw`].

mod blur;
mod crop;
mod demand;
mod dihedral;
mod draw;
mod erase;
mod image;
mod lighting;
mod normalize;
mod operation;
mod pad;
mod pipeline;
mod resampling;
mod rotate;
mod scale;
mod signature;

pub use blur::blur;
pub use crop::{Area, CropWindow, Cut, Try};
pub use demand::Demand;
pub use dihedral::Dihedral;
pub use draw::{Draw, Effect, Hole};
pub use erase::Patch;
pub use image::{FloatImage, Picture, Pixels};
pub use lighting::Lighting;
pub use normalize::InputValue;
pub use operation::Operation;
pub use pipeline::Transform;
pub use rotate::{Warp, rotate};
pub use scale::{resize, scale_min};
pub use signature::Signature;
