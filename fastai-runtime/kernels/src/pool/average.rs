//! Averages of windows.

use std::ops::Range;

use super::{PoolWindow, SpreadRow, windows_at};
use crate::depthwise::rows;
use crate::isa::{Isa, dispatch};
use crate::map::{Map, MapMut, MapShape};
use crate::math::Math;
use crate::prefetch;
use crate::vector::{ChannelSpan, WIDE, columns_of, load, store};

/// Rows and columns of the windows that cover an image evenly, and may overlap.
fn adaptive(image: MapShape, windows: MapShape) -> [Vec<Range<usize>>; 2] {
    assert_eq!([image.batch, image.channels], [windows.batch, windows.channels]);
    assert!(image.height > 0 && image.width > 0, "an average of no pixel");
    let ranges = |side: usize, windows: usize| -> Vec<_> {
        (0..windows).map(|window| window * side / windows..((window + 1) * side).div_ceil(windows)).collect()
    };
    [ranges(image.height, windows.height), ranges(image.width, windows.width)]
}

/// A row of averages.
struct AverageRow<'a> {
    /// First pixel of the image, and numbers from one to the next.
    from: *const f32,
    from_step: usize,
    width: usize,
    ys: Range<usize>,
    xs: &'a [Range<usize>],
    channels: Range<usize>,
    to: *mut f32,
    to_step: usize,
}

dispatch! {
    unsafe fn average_row(isa, row: &AverageRow<'_>) = average_row_body;
}

#[inline(always)]
unsafe fn average_row_body<V: Math>(row: &AverageRow<'_>) {
    for (x, xs) in row.xs.iter().enumerate() {
        let count = (row.ys.len() * xs.len()) as f32;
        // Sums of a row go to the sum of all rows, so that long sums stay exact.
        for y in row.ys.clone() {
            let (is_first, is_last) = (y == row.ys.start, y + 1 == row.ys.end);
            let count = is_last.then_some(count);
            for ChannelSpan { first, lanes, is_wide } in columns_of::<V>(row.channels.clone()) {
                // SAFETY: the window's pixels lie in the image, the output is the row's `x`-th, and both have the channels.
                unsafe {
                    let from = row.from.add((y * row.width + xs.start) * row.from_step + first);
                    let to = row.to.add(x * row.to_step + first);
                    match is_wide {
                        true => average_part::<V, WIDE>(from, row.from_step, xs.len(), to, is_first, count, lanes),
                        false => average_part::<V, 1>(from, row.from_step, xs.len(), to, is_first, count, lanes),
                    }
                }
            }
        }
    }
}

/// Adds `pixels` pixels to the sums at `to`, or sets these if `first`; divides by `count`.
#[inline(always)]
unsafe fn average_part<V: Math, const VECTORS: usize>(
    from: *const f32,
    step: usize,
    pixels: usize,
    to: *mut f32,
    first: bool,
    count: Option<f32>,
    lanes: usize,
) {
    // SAFETY: the caller's pointers are valid for `VECTORS` vectors of `lanes` numbers, whole ones if there are several.
    unsafe {
        let part = VECTORS == 1;
        let mut sums = [V::zero(); VECTORS];
        for pixel in 0..pixels {
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = sum.add(load::<V>(part, from.add(pixel * step + i * V::LANES), lanes));
            }
        }
        for (i, sum) in sums.iter().enumerate() {
            let to = to.add(i * V::LANES);
            let mut sum = if first { *sum } else { sum.add(load::<V>(part, to, lanes)) };
            if let Some(count) = count {
                sum = sum.div(V::splat(count));
            }
            store(part, sum, to, lanes);
        }
    }
}

/// Channels that a thread takes at least where there are few rows.
const CHANNELS: usize = 64;

/// Calls `work` for each row of `shape`, with all channels or parts of them: each channel is computed by itself, so that the
/// parts may depend on the number of threads.
fn rows_and_channels(shape: MapShape, numbers: usize, work: impl Fn(usize, usize, Range<usize>) + Sync) {
    let wanted = (4 * rayon::current_num_threads()).div_ceil((shape.batch * shape.height).max(1));
    let parts = if rayon::current_num_threads() == 1 { 1 } else { wanted.min(shape.channels / CHANNELS).max(1) };
    let each = shape.channels.div_ceil(parts).next_multiple_of(prefetch::LINE);
    let parts = shape.channels.div_ceil(each.max(1));
    rows(shape.batch, shape.height * parts, numbers / parts.max(1), |image, item| {
        let first = item % parts * each;
        work(image, item / parts, first..(first + each).min(shape.channels));
    });
}

fn average(isa: Isa, x: Map<'_>, [ys, xs]: &[Vec<Range<usize>>; 2], output: &mut MapMut<'_>) {
    let (shape, from) = (output.shape(), x.shape());
    let (to, to_step) = (output.shared(), output.step());
    let numbers = from.height * from.width * from.channels / shape.height.max(1);
    rows_and_channels(shape, numbers, |image, y, channels| {
        let row = AverageRow {
            from: x.as_ptr().wrapping_add(image * from.height * from.width * x.step()),
            from_step: x.step(),
            width: from.width,
            ys: ys[y].clone(),
            xs,
            channels,
            to: to.get().wrapping_add((image * shape.height + y) * shape.width * to_step),
            to_step,
        };
        // SAFETY: the windows lie in the input and are as many as outputs; each row and channel of the output belongs to
        // one call, and the output is borrowed uniquely.
        unsafe { average_row(isa, &row) }
    });
}

dispatch! {
    unsafe fn average_spread(isa, row: &SpreadRow<'_>, rows: &[f32], columns: &[f32]) = average_spread_body;
}

#[inline(always)]
unsafe fn average_spread_body<V: Math>(row: &SpreadRow<'_>, heights: &[f32], widths: &[f32]) {
    for (x, xs) in row.xs.iter().enumerate() {
        for channel in row.channels.clone().step_by(V::LANES) {
            let lanes = V::LANES.min(row.channels.end - channel);
            // SAFETY: the windows are outputs of the image; they and pixel `x` of the row have `lanes` channels from
            // `channel` on.
            unsafe {
                let to = row.to.add(x * row.to_step + channel);
                if channel.is_multiple_of(prefetch::LINE) {
                    prefetch::write(to.wrapping_add(row.xs.len() * row.to_step));
                }
                let mut sum = if row.accumulate { load::<V>(true, to, lanes) } else { V::zero() };
                for oy in row.ys.clone() {
                    for ox in xs.clone() {
                        let share = V::splat(1.0 / (heights[oy] * widths[ox]));
                        let from = row.from.add((oy * row.width + ox) * row.from_step + channel);
                        sum = load::<V>(true, from, lanes).fma(share, sum);
                    }
                }
                store(true, sum, to, lanes);
            }
        }
    }
}

fn average_gradient(isa: Isa, dy: Map<'_>, [ys, xs]: &[Vec<Range<usize>>; 2], dx: &mut MapMut<'_>, accumulate: bool) {
    let (shape, from) = (dx.shape(), dy.shape());
    let lengths = |windows: &[Range<usize>]| windows.iter().map(|window| window.len() as f32).collect::<Vec<_>>();
    let (heights, widths) = (lengths(ys), lengths(xs));
    let (ys, xs) = (windows_at(ys, shape.height), windows_at(xs, shape.width));
    let (to, to_step) = (dx.shared(), dx.step());
    rows_and_channels(shape, shape.width * shape.channels, |image, y, channels| {
        let row = SpreadRow {
            from: dy.as_ptr().wrapping_add(image * from.height * from.width * dy.step()),
            from_step: dy.step(),
            width: from.width,
            ys: ys[y].clone(),
            xs: &xs,
            channels,
            to: to.get().wrapping_add((image * shape.height + y) * shape.width * to_step),
            to_step,
            accumulate,
        };
        // SAFETY: the windows lie in the output; each row and channel of the input belongs to one call, and the input is
        // borrowed uniquely.
        unsafe { average_spread(isa, &row, &heights, &widths) }
    });
}

/// Averages of windows over their pixels in the image (PyTorch's `count_include_pad=False`).
///
/// # Panics
/// If the shapes do not belong together, or a window has no pixel in the image.
pub fn average_pool(isa: Isa, x: Map<'_>, window: PoolWindow, output: &mut MapMut<'_>) {
    average(isa, x, &window.windows(x.shape(), output.shape()), output);
}

/// Gradient of [`average_pool`]'s input, which is set, or added to if `accumulate`.
///
/// # Panics
/// As [`average_pool`].
pub fn average_pool_gradient(isa: Isa, dy: Map<'_>, window: PoolWindow, dx: &mut MapMut<'_>, accumulate: bool) {
    average_gradient(isa, dy, &window.windows(dx.shape(), dy.shape()), dx, accumulate);
}

/// Averages of as many windows as `output` has pixels, which cover the image evenly (PyTorch's adaptive average pool). With
/// one output it is the mean of the image.
///
/// # Panics
/// If batches or channels differ, or the image has no pixel.
pub fn adaptive_average(isa: Isa, x: Map<'_>, output: &mut MapMut<'_>) {
    average(isa, x, &adaptive(x.shape(), output.shape()), output);
}

/// Gradient of the input of [`adaptive_average`], which is set, or added to if `accumulate`.
///
/// # Panics
/// As [`adaptive_average`].
pub fn adaptive_average_gradient(isa: Isa, dy: Map<'_>, dx: &mut MapMut<'_>, accumulate: bool) {
    average_gradient(isa, dy, &adaptive(dx.shape(), dy.shape()), dx, accumulate);
}
