//! What happens to the sums of a convolution before they are stored.

use crate::map::Map;
use crate::tile::OPEN;

/// Bias, residual and clamp that are applied while the sums are in registers.
#[derive(Clone, Copy, Debug)]
pub struct Finish<'a> {
    /// Added to each channel.
    pub bias: Option<&'a [f32]>,
    /// Added to each number, before the clamp.
    pub residual: Option<Map<'a>>,
    /// Range of the output.
    pub clamp: [f32; 2],
}

impl Finish<'_> {
    /// The sums as they are.
    pub const PLAIN: Finish<'static> = Finish { bias: None, residual: None, clamp: OPEN };
}
