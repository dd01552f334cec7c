//! Pools over windows of pixels: maxima and averages.
//!
//! The gradient of a pixel is gathered from the windows that it lies in, so that every pixel is written once.

mod average;
mod max;

use std::ops::Range;

pub use average::{adaptive_average, adaptive_average_gradient, average_pool, average_pool_gradient};
pub use max::{max_pool, max_pool_gradient, max_pool_winners, winners_gradient};

use crate::map::MapShape;

/// Square windows of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolWindow {
    /// Side of a window, pixels.
    pub kernel: usize,
    /// Pixels between two windows.
    pub stride: usize,
    /// Pixels that windows reach over each border; what lies there does not count.
    pub pad: usize,
}

impl PoolWindow {
    /// The pixels in the image of each of `windows` windows along a side of `side` pixels.
    ///
    /// # Panics
    /// If one has no pixel.
    fn ranges(self, side: usize, windows: usize) -> Vec<Range<usize>> {
        let Self { kernel, stride, pad } = self;
        assert!(stride > 0 && pad < kernel, "{self:?}");
        let start = |window: usize| window * stride;
        let range = |window| start(window).saturating_sub(pad)..(start(window) + kernel - pad).min(side);
        let ranges: Vec<_> = (0..windows).map(range).collect();
        assert!(ranges.iter().all(|range| !range.is_empty()), "{self:?} on {side} for {windows}");
        ranges
    }

    /// Rows and columns in the image of each window.
    ///
    /// # Panics
    /// If one has no pixel, or batches or channels differ.
    fn windows(self, image: MapShape, windows: MapShape) -> [Vec<Range<usize>>; 2] {
        assert_eq!([image.batch, image.channels], [windows.batch, windows.channels]);
        [self.ranges(image.height, windows.height), self.ranges(image.width, windows.width)]
    }
}

/// For each of `side` pixels the windows that it lies in.
fn windows_at(windows: &[Range<usize>], side: usize) -> Vec<Range<usize>> {
    let at = |pixel: usize| {
        let first = windows.iter().position(|window| window.contains(&pixel)).unwrap_or(0);
        first..first + windows.iter().filter(|window| window.contains(&pixel)).count()
    };
    (0..side).map(at).collect()
}

/// A row of pixels that get gradients from the windows that they lie in.
struct SpreadRow<'a> {
    /// First output of the image, and numbers from one to the next.
    from: *const f32,
    from_step: usize,
    /// Outputs of a row.
    width: usize,
    /// Windows that the row lies in, and those of each of its pixels.
    ys: Range<usize>,
    xs: &'a [Range<usize>],
    channels: Range<usize>,
    to: *mut f32,
    to_step: usize,
    accumulate: bool,
}
