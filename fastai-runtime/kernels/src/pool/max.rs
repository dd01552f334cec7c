//! Maxima of windows, and which pixel was the largest.

use std::ops::Range;

use super::{PoolWindow, SpreadRow, windows_at};
use crate::block::{BLOCK, each, meeting};
use crate::depthwise::rows;
use crate::isa::{Isa, dispatch};
use crate::map::{Map, MapMut, MapShape, SharedMut};
use crate::math::Math;
use crate::prefetch;
use crate::scratch;
use crate::vector::{load, store};

/// The largest side of a window whose places have numbers below 255.
const MOST: usize = 15;

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
    winners: Option<SharedMut<u8>>,
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
    let to = MaxTo { output: output_to, winners: Some(SharedMut::of(winners)) };
    max_windows(isa, x, window, output.shape(), &to);
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
    let to = MaxTo { output: None, winners: Some(SharedMut::of(&mut winners)) };
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
