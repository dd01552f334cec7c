//! Gradient of the weights of 3x3 convolutions with stride 1 by Winograd's F(3x3, 4x4): the tiles of the input are those of
//! [`winograd`](crate::winograd), the gradient's tiles of 4x4 are transformed at the same points, and the sums over all tiles
//! in each of the 36 places are transformed back to 3x3.

use rayon::prelude::*;

use crate::buffer::Buffer;
use crate::conv::Window;
use crate::isa::{Isa, dispatch};
use crate::map::{Map, SharedMut};
use crate::split;
use crate::tile::{OPEN, Tile, TileOrder, Tiles, WHOLE};
use crate::vector::{Vector, load};
use crate::winograd::{Grid, PLACES, REACH, SIDE, load_tiles};

/// Tiles that are summed in one go.
const DEPTH: usize = 192;
/// Tiles that a thread transforms together.
const BLOCK: usize = 14;
/// Numbers of the transformed tiles that are kept at once.
const KEPT: usize = 4 << 20;
/// Outputs that are turned together.
const LINE: usize = 16;

/// Gradient of the weights, `[output, input, 3, 3]`.
///
/// # Panics
/// If the shapes do not belong together, or for another kernel or stride.
pub(crate) fn weight_gradient(isa: Isa, input: Map<'_>, output: Map<'_>, window: Window, gradient: &mut [f32]) {
    let (from, to) = (input.shape(), output.shape());
    let (channels, columns) = (from.channels, to.channels);
    assert_eq!((window.kernel, window.stride), ([3, 3], 1));
    assert_eq!([from.height, from.width, from.batch], [window.input[0], window.input[1], to.batch]);
    assert_eq!([to.height, to.width], window.output);
    assert_eq!(gradient.len(), columns * channels * 9);
    let grid = Grid { down: to.height.div_ceil(SIDE), across: to.width.div_ceil(SIDE), pad: window.pad };
    let tiles = to.batch * grid.down * grid.across;
    let lanes = isa.lanes();
    let (step, padded) = (channels.next_multiple_of(16) + 16, columns.next_multiple_of(lanes));
    let round = (KEPT / (PLACES * (step + padded))).max(BLOCK);
    let mut sums = Buffer::new(PLACES * channels * columns);
    let mut left = Buffer::new(PLACES * (round * step + 32));
    let mut right = Buffer::new(PLACES * (round * padded + 32));
    for range in split::at_most(round, tiles) {
        let count = range.len();
        let (left_slab, right_slab) = (count * step + 32, count * padded + 32);
        let (to_left, to_right) = (SharedMut::of(left.values_mut()), SharedMut::of(right.values_mut()));
        (0..count.div_ceil(BLOCK)).into_par_iter().for_each(|block| {
            let rows = block * BLOCK..((block + 1) * BLOCK).min(count);
            let tiles = range.start + rows.start..range.start + rows.end;
            // SAFETY: both buffers have a slab of `count` rows for each place; the rows of the block are this item's. Rows of
            // the right one are parts of panels, of which `panels` counts the numbers before the block.
            unsafe {
                let left = to_left.get().add(rows.start * step);
                load_tiles(isa, input, &grid, tiles.clone(), left, [left_slab, step]);
                load_gradients(isa, output, &grid, tiles, to_right.get(), right_slab, [count, rows.start]);
            }
        });
        let (left, right) = (left.values(), right.values());
        let to_sums = SharedMut::of(sums.values_mut());
        (0..PLACES).into_par_iter().for_each(|place| {
            let (left, right) = (&left[place * left_slab..], &right[place * right_slab..]);
            for run in split::at_most(DEPTH, count) {
                for first in (0..columns).step_by(2 * lanes) {
                    let width = (padded - first).min(2 * lanes);
                    let walk = Tiles::new(isa, TileOrder::Columns);
                    for (row, height) in walk.split(channels) {
                        let tile = Tile {
                            k: run.len(),
                            a: left[run.start * step + row..].as_ptr(),
                            segments: WHOLE,
                            a_step: step,
                            b: right[first * count + run.start * width..].as_ptr(),
                            // SAFETY: a row and column of the place's sums.
                            c: unsafe { to_sums.get().add((place * channels + row) * columns + first) },
                            c_step: columns,
                            columns: width.min(columns - first),
                            accumulate: range.start > 0 || run.start > 0,
                            bias: std::ptr::null(),
                            residual: std::ptr::null(),
                            residual_step: 0,
                            ahead: right[first * count + run.start * width..].as_ptr(),
                            ahead_step: 0,
                            clamp: OPEN,
                        };
                        // SAFETY: the left slab holds `count` rows of `channels` numbers every `step`, the right one panels of
                        // `count` rows of whole vectors; the sums of a place are one item's.
                        unsafe { walk.run(height, &tile) }
                    }
                }
            }
        });
    }
    let sums = sums.values();
    gradient.par_chunks_mut(LINE * channels * 9).enumerate().for_each(|(block, gradient)| {
        let count = gradient.len() / (channels * 9);
        // SAFETY: `count` columns from `LINE * block` on of the sums of each place and channel.
        unsafe { finish(isa, sums, [channels, columns, block * LINE, count], gradient) };
    });
}

dispatch! {
    unsafe fn load_gradients(
        isa, output: Map<'_>, grid: &Grid, range: std::ops::Range<usize>, to: *mut f32, slab: usize, rows: [usize; 2],
    ) = load_gradients_body;
}

/// Transforms the gradient's tiles into panels of two vectors: `[count, row]` are the rows of a panel and the first tile's.
#[inline(always)]
unsafe fn load_gradients_body<V: Vector>(
    output: Map<'_>,
    grid: &Grid,
    range: std::ops::Range<usize>,
    to: *mut f32,
    slab: usize,
    [count, row]: [usize; 2],
) {
    let shape = output.shape();
    let padded = shape.channels.next_multiple_of(V::LANES);
    for (number, tile) in range.enumerate() {
        let [image, down, across] = grid.tile(tile);
        let (top, left) = (down * SIDE, across * SIDE);
        let (height, width) = (SIDE.min(shape.height - top), SIDE.min(shape.width - left));
        let corner = (image * shape.height + top) * shape.width + left;
        for channel in (0..shape.channels).step_by(V::LANES) {
            let lanes = V::LANES.min(shape.channels - channel);
            // SAFETY: `lanes` channels of the tile's pixels inside the map; the caller's slabs have a row of whole vectors for
            // each tile in each panel.
            unsafe {
                let mut lines = [[V::zero(); REACH]; SIDE];
                for y in 0..SIDE {
                    let mut line = [V::zero(); SIDE];
                    for x in 0..SIDE {
                        if y < height && x < width {
                            let at = output.as_ptr().add((corner + y * shape.width + x) * output.step() + channel);
                            line[x] = load(true, at, lanes);
                        }
                    }
                    lines[y] = spread::<V>(line);
                }
                let panel = channel / (2 * V::LANES) * (2 * V::LANES);
                let vectors = ((padded - panel) / V::LANES).min(2);
                let at = panel * count + (row + number) * vectors * V::LANES + (channel - panel);
                for x in 0..REACH {
                    let column = spread::<V>([lines[0][x], lines[1][x], lines[2][x], lines[3][x]]);
                    for y in 0..REACH {
                        column[y].store(to.add((y * REACH + x) * slab + at));
                    }
                }
            }
        }
    }
}

/// Transforms a row or column of a gradient's tile.
#[inline(always)]
unsafe fn spread<V: Vector>([a, b, c, d]: [V; SIDE]) -> [V; REACH] {
    // SAFETY: the caller's.
    unsafe {
        let (even, odd) = (a.add(c), b.add(d));
        let (four, two) = (V::splat(4.0), V::splat(2.0));
        let (even2, odd2) = (c.fma(four, a), d.fma(four, b).mul(two));
        let (sixth, part) = (V::splat(-1.0 / 6.0), V::splat(1.0 / 24.0));
        [
            a.mul(V::splat(0.25)),
            even.add(odd).mul(sixth),
            even.sub(odd).mul(sixth),
            even2.add(odd2).mul(part),
            even2.sub(odd2).mul(part),
            d,
        ]
    }
}

dispatch! {
    unsafe fn finish(isa, sums: &[f32], sides: [usize; 4], gradient: &mut [f32]) = finish_body;
}

/// Transforms the sums of `count` outputs from `first` on back to kernels.
#[inline(always)]
unsafe fn finish_body<V: Vector>(sums: &[f32], [channels, columns, first, count]: [usize; 4], gradient: &mut [f32]) {
    for channel in 0..channels {
        for part in (0..count).step_by(V::LANES) {
            let lanes = V::LANES.min(count - part);
            let mut taps = [[0f32; LINE]; 9];
            // SAFETY: `lanes` columns of the sums of each place; a line of taps holds `LINE` numbers, at least the lanes.
            unsafe {
                let mut lines = [[V::zero(); REACH]; 3];
                for x in 0..REACH {
                    let mut column = [V::zero(); REACH];
                    for y in 0..REACH {
                        let at = ((y * REACH + x) * channels + channel) * columns + first + part;
                        column[y] = load(true, sums.as_ptr().add(at), lanes);
                    }
                    let column = gather::<V>(column);
                    for y in 0..3 {
                        lines[y][x] = column[y];
                    }
                }
                for y in 0..3 {
                    let line = gather::<V>(lines[y]);
                    for x in 0..3 {
                        line[x].store(taps[y * 3 + x].as_mut_ptr());
                    }
                }
            }
            for output in 0..lanes {
                let to = &mut gradient[((part + output) * channels + channel) * 9..][..9];
                for (to, tap) in to.iter_mut().zip(&taps) {
                    *to = tap[output];
                }
            }
        }
    }
}

/// Transforms a row or column of sums back.
#[inline(always)]
unsafe fn gather<V: Vector>([a, b, c, d, e, f]: [V; REACH]) -> [V; 3] {
    // SAFETY: the caller's.
    unsafe {
        let (sum, difference) = (b.add(c), b.sub(c));
        let (sum2, difference2) = (d.add(e), d.sub(e));
        [a.add(sum).add(sum2), difference2.fma(V::splat(2.0), difference), sum2.fma(V::splat(4.0), sum).add(f)]
    }
}
