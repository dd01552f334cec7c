//! CPU kernels over slices of `f32`. The crate knows neither burn nor the recipe language, and it is the only home of
//! `unsafe` code in the workspace.
//!
//! Maps are `[batch, height, width, channel]`. Results do not depend on the number of threads, bit for bit; they do depend
//! on the [`Isa`], within rounding.

// Loops over registers index several arrays at once.
#![allow(clippy::needless_range_loop)]

pub mod activation;
mod address_range;
pub mod bilinear;
mod block;
mod buffer;
pub mod conv;
pub mod convolution;
pub mod depthwise;
pub mod descent;
mod direct;
mod finish;
pub mod gate;
mod gather;
mod grouped;
mod isa;
pub mod layer_norm;
pub mod layout;
pub mod linear;
mod map;
mod math;
pub mod norm;
mod panel;
pub mod pool;
mod prefetch;
mod reached;
mod scratch;
mod sides;
mod split;
mod tile;
mod vector;
mod weight_gradient;
pub mod wide;
mod winograd;
mod winograd_gradient;

pub use buffer::Buffer;
pub use finish::Finish;
pub use isa::Isa;
pub use map::{Map, MapMut, MapShape};
pub use reached::ReachedTaps;
pub use weight_gradient::weight_gradient;
pub use winograd::Winograd;

/// Whether these kernels are built for speed: optimised, and without debug assertions, whose checks of every wide load cost
/// more than the loads.
pub const OPTIMISED: bool =
    !cfg!(debug_assertions) && !matches!(env!("FASTAI_OPT_LEVEL").as_bytes(), b"0" | b"1" | b"s" | b"z");

#[cfg(test)]
mod tests {
    #[test]
    #[cfg_attr(miri, ignore = "Miri interprets")]
    fn the_workspace_builds_for_speed() {
        let optimised = std::hint::black_box(super::OPTIMISED);
        assert!(optimised, "opt-level {}", env!("FASTAI_OPT_LEVEL"));
    }
}
