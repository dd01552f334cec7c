//! Pools over windows of pixels: maxima and averages.
//!
//! The gradient of a pixel is gathered from the windows that it lies in, so that every pixel is written once.

use std::ops::Range;

use crate::block::{BLOCK, each, meeting};
use crate::depthwise::rows;
use crate::isa::{Isa, dispatch};
use crate::map::{Map, MapMut, MapShape, SharedMut};
use crate::math::Math;
use crate::prefetch;
use crate::scratch;
use crate::vector::{load, store};

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

/// Rows and columns of the windows that cover an image evenly, and may overlap.
fn adaptive(image: MapShape, windows: MapShape) -> [Vec<Range<usize>>; 2] {
    assert_eq!([image.batch, image.channels], [windows.batch, windows.channels]);
    assert!(image.height > 0 && image.width > 0, "an average of no pixel");
    let ranges = |side: usize, windows: usize| -> Vec<_> {
        (0..windows).map(|window| window * side / windows..((window + 1) * side).div_ceil(windows)).collect()
    };
    [ranges(image.height, windows.height), ranges(image.width, windows.width)]
}

/// For each of `side` pixels the windows that it lies in.
fn windows_at(windows: &[Range<usize>], side: usize) -> Vec<Range<usize>> {
    let at = |pixel: usize| {
        let first = windows.iter().position(|window| window.contains(&pixel)).unwrap_or(0);
        first..first + windows.iter().filter(|window| window.contains(&pixel)).count()
    };
    (0..side).map(at).collect()
}

/// The largest side of a window whose places have numbers below 255.
const MOST: usize = 15;

/// Bytes that threads write apart.
#[derive(Clone, Copy)]
struct SharedBytes(*mut u8);

// SAFETY: it is an address; whoever writes through it vouches that no two threads access the same byte.
unsafe impl Send for SharedBytes {}
// SAFETY: as above.
unsafe impl Sync for SharedBytes {}

impl SharedBytes {
    /// The address; a method, so that closures capture the whole.
    fn get(self) -> *mut u8 {
        self.0
    }
}

/// A row of outputs of a max pool.
struct MaxRow<'a> {
    window: PoolWindow,
    /// First pixel of the topmost row that the windows reach, which may lie over the border, and the rows from there that
    /// lie in the image.
    from: *const f32,
    rows: Range<usize>,
    step: usize,
    width: usize,
    channels: usize,
    xs: &'a [Range<usize>],
    to: *mut f32,
    to_step: usize,
    /// `[output, channel]`; null for none.
    winners: *mut u8,
}

dispatch! {
    unsafe fn max_row(isa, row: &MaxRow<'_>) = max_row_body;
}

#[inline(always)]
unsafe fn max_row_body<V: Math>(row: &MaxRow<'_>) {
    // SAFETY: the caller's.
    unsafe {
        match (row.window.kernel, row.window.stride, row.winners.is_null()) {
            (2, 2, true) => max_blocks::<V, 2, 2, false>(row),
            (2, 2, false) => max_blocks::<V, 2, 2, true>(row),
            (3, 2, true) => max_blocks::<V, 3, 2, false>(row),
            (3, 2, false) => max_blocks::<V, 3, 2, true>(row),
            (3, 1, true) => max_blocks::<V, 3, 1, false>(row),
            (3, 1, false) => max_blocks::<V, 3, 1, true>(row),
            _ => (0..row.xs.len()).for_each(|x| max_output::<V>(row, x)),
        }
    }
}

#[inline(always)]
unsafe fn max_blocks<V: Math, const K: usize, const S: usize, const WINNERS: bool>(row: &MaxRow<'_>) {
    let mut x = 0;
    while x < row.xs.len() {
        let from = (x * S) as isize - row.window.pad as isize;
        let inside = from >= 0 && from as usize + (BLOCK - 1) * S + K <= row.width;
        // SAFETY: the block's windows lie in the image as the branch says; the rest is the caller's.
        unsafe {
            if inside && x + BLOCK <= row.xs.len() && row.rows == (0..K) {
                for channel in (0..row.channels).step_by(V::LANES) {
                    let lanes = V::LANES.min(row.channels - channel);
                    max_block::<V, K, S, WINNERS>(row, x, from as usize, channel, lanes);
                }
                x += BLOCK;
            } else {
                max_output::<V>(row, x);
                x += 1;
            }
        }
    }
}

/// A block of outputs whose windows lie in the image.
#[inline(always)]
unsafe fn max_block<V: Math, const K: usize, const S: usize, const WINNERS: bool>(
    row: &MaxRow<'_>,
    x: usize,
    from: usize,
    channel: usize,
    lanes: usize,
) {
    // SAFETY: the windows are `K` rows of pixels from `from` on, each with `lanes` channels from `channel` on, and as many
    // outputs begin at `x`.
    unsafe {
        let line = row.width * row.step;
        let source = row.from.add(from * row.step + channel);
        if channel.is_multiple_of(prefetch::LINE) {
            for y in K..K + S {
                for i in 0..BLOCK * S {
                    prefetch::read(source.wrapping_add(y * line + i * row.step));
                }
            }
            for i in 0..BLOCK {
                prefetch::write(row.to.wrapping_add((row.xs.len() + x + i) * row.to_step + channel));
            }
        }
        let mut best = [V::zero(); BLOCK];
        let mut winners = [V::zero(); BLOCK];
        each!(Y in [0 1 2] {
            each!(I in [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14] {
                if Y < K && I < (BLOCK - 1) * S + K {
                    let pixel = load::<V>(true, source.add(Y * line + I * row.step), lanes);
                    each!(X in [0 1 2] {
                        if let Some(output) = meeting::<K, S>(I, X) {
                            if Y + X == 0 {
                                best[output] = pixel;
                            } else {
                                if WINNERS {
                                    let tap = V::splat((Y * K + X) as f32);
                                    winners[output] = pixel.above(best[output], tap, winners[output]);
                                }
                                best[output] = pixel.max(best[output]);
                            }
                        }
                    });
                }
            });
        });
        each!(I in [0 1 2 3 4 5 6] {
            store(true, best[I], row.to.add((x + I) * row.to_step + channel), lanes);
            if WINNERS {
                winners[I].store_bytes(row.winners.add((x + I) * row.channels + channel), lanes);
            }
        });
    }
}

/// Any output.
#[inline(always)]
unsafe fn max_output<V: Math>(row: &MaxRow<'_>, x: usize) {
    let xs = &row.xs[x];
    let line = row.width * row.step;
    // Taps from the window's first to the image's first.
    let (kernel, left) = (row.window.kernel, (xs.start + row.window.pad) - x * row.window.stride);
    for channel in (0..row.channels).step_by(V::LANES) {
        let lanes = V::LANES.min(row.channels - channel);
        // SAFETY: `row.rows` and `xs` are the window's rows and columns in the image; the output is the row's `x`-th.
        unsafe {
            let pixel =
                |y: usize, x: usize| load::<V>(true, row.from.wrapping_add(y * line + x * row.step + channel), lanes);
            let mut best = pixel(row.rows.start, xs.start);
            let mut winner = V::splat((row.rows.start * kernel + left) as f32);
            for y in row.rows.clone() {
                for column in xs.clone() {
                    let pixel = pixel(y, column);
                    let tap = y * kernel + left + (column - xs.start);
                    winner = pixel.above(best, V::splat(tap as f32), winner);
                    best = pixel.max(best);
                }
            }
            store(true, best, row.to.add(x * row.to_step + channel), lanes);
            if !row.winners.is_null() {
                winner.store_bytes(row.winners.add(x * row.channels + channel), lanes);
            }
        }
    }
}

/// Where a max pool puts its maxima, or their places, or both.
struct MaxTo {
    /// First number, and numbers from one pixel to the next.
    output: Option<(SharedMut, usize)>,
    winners: Option<SharedBytes>,
}

/// Maxima of the windows of `x`, one for each pixel of `shape`.
fn max_windows(isa: Isa, x: Map<'_>, window: PoolWindow, shape: MapShape, to: &MaxTo) {
    let from = x.shape();
    assert!(to.winners.is_none() || window.kernel <= MOST, "a kernel of at most {MOST}");
    let [ys, xs] = window.windows(from, shape);
    rows(shape.batch, shape.height, shape.width * shape.channels, |image, y| {
        let first = (image * shape.height + y) * shape.width;
        let top = (image * from.height + y * window.stride) as isize - window.pad as isize;
        let above = (ys[y].start + window.pad) - y * window.stride;
        let run = |output, step| {
            let row = MaxRow {
                window,
                from: x.as_ptr().wrapping_offset(top * (from.width * x.step()) as isize),
                rows: above..above + ys[y].len(),
                step: x.step(),
                width: from.width,
                channels: shape.channels,
                xs: &xs,
                to: output,
                to_step: step,
                winners: match to.winners {
                    Some(winners) => winners.get().wrapping_add(first * shape.channels),
                    None => std::ptr::null_mut(),
                },
            };
            // SAFETY: the windows lie in the input; each row of outputs and winners belongs to one call, and whoever made
            // `to` has borrowed both uniquely and has seen that they have the shape.
            unsafe { max_row(isa, &row) }
        };
        match to.output {
            Some((output, step)) => run(output.get().wrapping_add(first * step), step),
            None => scratch::with(shape.width * shape.channels, |row| run(row.as_mut_ptr(), shape.channels)),
        }
    });
}

/// Largest value of each window. A NaN counts only where it is the first of its window.
///
/// # Panics
/// If the shapes do not belong together, or a window has no pixel in the image.
pub fn max_pool(isa: Isa, x: Map<'_>, window: PoolWindow, output: &mut MapMut<'_>) {
    let to = MaxTo { output: Some((output.shared(), output.step())), winners: None };
    max_windows(isa, x, window, output.shape(), &to);
}

/// As [`max_pool`]. `winners`, `[batch, height, width, channel]` of the output, gets for each maximum the number of its first
/// place in the window, row by row, for [`winners_gradient`].
///
/// # Panics
/// As [`max_pool`], or for a kernel above 15.
pub fn max_pool_winners(isa: Isa, x: Map<'_>, window: PoolWindow, output: &mut MapMut<'_>, winners: &mut [u8]) {
    assert_eq!(winners.len(), output.shape().numbers());
    let output_to = Some((output.shared(), output.step()));
    let to = MaxTo { output: output_to, winners: Some(SharedBytes(winners.as_mut_ptr())) };
    max_windows(isa, x, window, output.shape(), &to);
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

/// A window, as seen from a pixel.
#[derive(Clone, Copy)]
struct Overlap {
    output: usize,
    tap: u8,
}

dispatch! {
    unsafe fn max_spread(isa, row: &SpreadRow<'_>, y: usize, window: PoolWindow, winners: *const u8) = max_spread_body;
}

#[inline(always)]
unsafe fn max_spread_body<V: Math>(row: &SpreadRow<'_>, y: usize, window: PoolWindow, winners: *const u8) {
    // A pixel lies in at most as many windows as a window has pixels.
    let mut seen = [Overlap { output: 0, tap: 0 }; MOST * MOST];
    for (x, xs) in row.xs.iter().enumerate() {
        let mut count = 0;
        for oy in row.ys.clone() {
            for ox in xs.clone() {
                let tap = (y + window.pad - oy * window.stride) * window.kernel + x + window.pad - ox * window.stride;
                seen[count] = Overlap { output: oy * row.width + ox, tap: tap as u8 };
                count += 1;
            }
        }
        // SAFETY: `seen` are outputs of the image; pixel `x` belongs to the row.
        unsafe {
            match count {
                1 => max_spread_pixel::<V>(row, x, winners, &seen[..1]),
                2 => max_spread_pixel::<V>(row, x, winners, &seen[..2]),
                4 => max_spread_pixel::<V>(row, x, winners, &seen[..4]),
                count => max_spread_pixel::<V>(row, x, winners, &seen[..count]),
            }
        }
    }
}

#[inline(always)]
unsafe fn max_spread_pixel<V: Math>(row: &SpreadRow<'_>, x: usize, winners: *const u8, seen: &[Overlap]) {
    let channels = row.channels.end;
    for channel in (0..channels).step_by(V::LANES) {
        let lanes = V::LANES.min(channels - channel);
        // SAFETY: outputs, winners and the pixel have `lanes` channels from `channel` on.
        unsafe {
            let to = row.to.add(x * row.to_step + channel);
            if channel.is_multiple_of(prefetch::LINE) {
                prefetch::write(to.wrapping_add(row.xs.len() * row.to_step));
            }
            let mut sum = if row.accumulate { load::<V>(true, to, lanes) } else { V::zero() };
            for window in seen {
                let gradient = load::<V>(true, row.from.add(window.output * row.from_step + channel), lanes);
                let winner = winners.add(window.output * channels + channel);
                sum = sum.add(gradient.at_byte(winner, lanes, window.tap));
            }
            store(true, sum, to, lanes);
        }
    }
}

/// Gradient of [`max_pool`]'s input, which is set: that of an output goes to the first of the largest values in its window.
///
/// # Panics
/// As [`max_pool_winners`].
pub fn max_pool_gradient(isa: Isa, x: Map<'_>, dy: Map<'_>, window: PoolWindow, dx: &mut MapMut<'_>) {
    assert_eq!(x.shape(), dx.shape());
    let mut winners = vec![0u8; dy.shape().numbers()];
    let to = MaxTo { output: None, winners: Some(SharedBytes(winners.as_mut_ptr())) };
    max_windows(isa, x, window, dy.shape(), &to);
    winners_gradient(isa, &winners, dy, window, dx, false);
}

/// Gradient of the input of [`max_pool_winners`], which is set, or added to if `accumulate`.
///
/// # Panics
/// As [`max_pool_winners`].
pub fn winners_gradient(
    isa: Isa,
    winners: &[u8],
    dy: Map<'_>,
    window: PoolWindow,
    dx: &mut MapMut<'_>,
    accumulate: bool,
) {
    let (shape, from) = (dx.shape(), dy.shape());
    assert!(winners.len() == from.numbers() && window.kernel <= MOST, "winners of a kernel of at most {MOST}");
    let [ys, xs] = window.windows(shape, from);
    let (ys, xs) = (windows_at(&ys, shape.height), windows_at(&xs, shape.width));
    let (to, to_step) = (dx.shared(), dx.step());
    rows(shape.batch, shape.height, shape.width * shape.channels, |image, y| {
        let first = image * from.height * from.width;
        let row = SpreadRow {
            from: dy.as_ptr().wrapping_add(first * dy.step()),
            from_step: dy.step(),
            width: from.width,
            ys: ys[y].clone(),
            xs: &xs,
            channels: 0..shape.channels,
            to: to.get().wrapping_add((image * shape.height + y) * shape.width * to_step),
            to_step,
            accumulate,
        };
        let winners = winners.as_ptr().wrapping_add(first * shape.channels);
        // SAFETY: the windows lie in the output, and there is a winner for each of its numbers; each row of the input
        // belongs to one call, and the input is borrowed uniquely.
        unsafe { max_spread(isa, &row, y, window, winners) }
    });
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
            let mut channel = row.channels.start;
            while channel < row.channels.end {
                let left = row.channels.end - channel;
                // SAFETY: the window's pixels lie in the image, the output is the row's `x`-th, and both have the channels.
                unsafe {
                    let from = row.from.add((y * row.width + xs.start) * row.from_step + channel);
                    let to = row.to.add(x * row.to_step + channel);
                    let (first, last) = (y == row.ys.start, y + 1 == row.ys.end);
                    let count = last.then_some(count);
                    if left >= 4 * V::LANES {
                        average_part::<V, 4>(from, row.from_step, xs.len(), to, first, count, V::LANES);
                        channel += 4 * V::LANES;
                    } else {
                        average_part::<V, 1>(from, row.from_step, xs.len(), to, first, count, left.min(V::LANES));
                        channel += V::LANES;
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
