//! Max pool of maps.

use rayon::prelude::*;

use crate::isa::{Isa, dispatch};
use crate::map::{Map, MapMut, SharedMut};
use crate::vector::Vector;

/// How to pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolWindow {
    /// Side of the square window, pixels.
    pub kernel: usize,
    /// Pixels between two windows.
    pub stride: usize,
    /// Pixels that windows reach over each border; what lies there is not looked at.
    pub pad: usize,
}

impl PoolWindow {
    /// Pixels of window `number` along an axis of `side` pixels.
    #[inline(always)]
    fn along(self, number: usize, side: usize) -> std::ops::Range<usize> {
        let start = number * self.stride;
        start.saturating_sub(self.pad)..(start + self.kernel - self.pad).min(side)
    }

    /// # Panics
    /// If a window of the output has no pixel.
    fn check(self, input: [usize; 2], output: [usize; 2]) {
        for (input, output) in input.into_iter().zip(output) {
            let empty = (0..output).any(|number| self.along(number, input).is_empty());
            assert!(self.stride > 0 && self.pad < self.kernel && !empty, "{self:?} on {input} for {output}");
        }
    }
}

/// Channels that a thread takes at least.
const CHANNELS: usize = 64;

/// Largest value of each window. A NaN counts only where it is the first of its window.
///
/// # Panics
/// If the shapes do not belong together, or a window is empty.
pub fn max_pool(isa: Isa, x: Map<'_>, window: PoolWindow, output: &mut MapMut<'_>) {
    let (from, to) = (x.shape(), output.shape());
    assert_eq!([from.batch, from.channels], [to.batch, to.channels]);
    window.check([from.height, from.width], [to.height, to.width]);
    let (address, step) = (output.shared(), output.step());
    (0..to.batch * to.height).into_par_iter().for_each(|line| {
        // SAFETY: windows lie in the input, and this line of the output is nobody else's.
        unsafe { max_line(isa, x, window, address, step, to.height, to.width, line) };
    });
}

dispatch! {
    unsafe fn max_line(
        isa, x: Map<'_>, window: PoolWindow, to: SharedMut, step: usize, height: usize, width: usize, line: usize,
    ) = max_line_body;
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn max_line_body<V: Vector>(
    x: Map<'_>,
    window: PoolWindow,
    to: SharedMut,
    step: usize,
    height: usize,
    width: usize,
    line: usize,
) {
    let shape = x.shape();
    let image = line / height;
    let rows = window.along(line % height, shape.height);
    for column in 0..width {
        let columns = window.along(column, shape.width);
        for first in (0..shape.channels).step_by(V::LANES) {
            let lanes = V::LANES.min(shape.channels - first);
            // SAFETY: `lanes` channels of pixels of the window, and of the output's pixel.
            unsafe {
                let load = |row: usize, column: usize| {
                    let at = x.as_ptr().add(((image * shape.height + row) * shape.width + column) * x.step() + first);
                    if lanes == V::LANES { V::load(at) } else { V::load_first(at, lanes) }
                };
                let mut best = load(rows.start, columns.start);
                for row in rows.clone() {
                    for column in columns.clone() {
                        best = load(row, column).max(best);
                    }
                }
                let at = to.get().add((line * width + column) * step + first);
                if lanes == V::LANES { best.store(at) } else { best.store_first(at, lanes) }
            }
        }
    }
}

/// Gradient of [`max_pool`]'s input, which is set: that of an output goes to the first of the largest values in its window.
///
/// # Panics
/// As [`max_pool`].
pub fn max_pool_gradient(isa: Isa, x: Map<'_>, dy: Map<'_>, window: PoolWindow, dx: &mut MapMut<'_>) {
    let (from, to) = (x.shape(), dy.shape());
    assert_eq!(from, dx.shape());
    assert_eq!([from.batch, from.channels], [to.batch, to.channels]);
    window.check([from.height, from.width], [to.height, to.width]);
    let parts = from.channels.div_ceil(CHANNELS);
    let (address, step) = (dx.shared(), dx.step());
    (0..from.batch * parts).into_par_iter().for_each(|item| {
        let channels = item % parts * CHANNELS..(item % parts * CHANNELS + CHANNELS).min(from.channels);
        // SAFETY: windows lie in the input; these channels of this image's gradient are nobody else's.
        unsafe { max_gradient(isa, x, dy, window, address, step, item / parts, channels) };
    });
}

dispatch! {
    unsafe fn max_gradient(
        isa, x: Map<'_>, dy: Map<'_>, window: PoolWindow, to: SharedMut, step: usize, image: usize,
        channels: std::ops::Range<usize>,
    ) = max_gradient_body;
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn max_gradient_body<V: Vector>(
    x: Map<'_>,
    dy: Map<'_>,
    window: PoolWindow,
    to: SharedMut,
    step: usize,
    image: usize,
    channels: std::ops::Range<usize>,
) {
    let (from, out) = (x.shape(), dy.shape());
    let pixel = |row: usize, column: usize| (image * from.height + row) * from.width + column;
    for first in channels.clone().step_by(V::LANES) {
        let lanes = V::LANES.min(channels.end - first);
        // SAFETY: `lanes` channels of pixels of the image in each map.
        unsafe {
            let get = |at: *const f32| if lanes == V::LANES { V::load(at) } else { V::load_first(at, lanes) };
            let put = |value: V, at: *mut f32| {
                if lanes == V::LANES { value.store(at) } else { value.store_first(at, lanes) }
            };
            for at in pixel(0, 0)..pixel(from.height, 0) {
                put(V::zero(), to.get().add(at * step + first));
            }
            for row in 0..out.height {
                let rows = window.along(row, from.height);
                for column in 0..out.width {
                    let columns = window.along(column, from.width);
                    let load = |row: usize, column: usize| get(x.as_ptr().add(pixel(row, column) * x.step() + first));
                    let mut best = load(rows.start, columns.start);
                    for row in rows.clone() {
                        for column in columns.clone() {
                            best = load(row, column).max(best);
                        }
                    }
                    let number = (image * out.height + row) * out.width + column;
                    // What is left of the gradient: all of it, until the first of the largest took it.
                    let mut left = get(dy.as_ptr().add(number * dy.step() + first));
                    for row in rows.clone() {
                        for column in columns.clone() {
                            let part = left.where_equal(load(row, column), best);
                            let at = to.get().add(pixel(row, column) * step + first);
                            put(get(at).add(part), at);
                            left = left.sub(part);
                        }
                    }
                }
            }
        }
    }
}
