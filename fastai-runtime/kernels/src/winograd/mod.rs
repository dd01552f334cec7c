//! 3x3 convolutions with stride 1 by Winograd's F(4x4, 3x3): tiles of 4x4 outputs from 6x6 inputs, with 36 products instead
//! of 144 for each pair of channels. <https://arxiv.org/abs/1509.09308>
//!
//! Input tiles are transformed, multiplied in each of the 36 places by the transformed weights, `[tile, input] * [input,
//! output]`, and transformed back. The largest error against float64 is about 1e-5 of the largest output.

mod transforms;

use rayon::prelude::*;

pub(crate) use transforms::{Grid, load_tiles};
use transforms::{Output, store_tiles, transform_panel};

use crate::buffer::Buffer;
use crate::conv::{PackedWeights, check};
use crate::finish::Finish;
use crate::isa::Isa;
use crate::map::{Map, MapMut, SharedMut, product};
use crate::panel::Panels;
use crate::tile::{OPEN, Tile, TileOrder, Tiles, WHOLE};
use crate::{prefetch, scratch, split};

/// Outputs of a tile along a side.
pub(crate) const SIDE: usize = 4;
/// Inputs of a tile along a side.
pub(crate) const REACH: usize = 6;
/// Places of a transformed tile.
pub(crate) const PLACES: usize = REACH * REACH;
/// Columns of the widest panel.
const WIDEST: usize = 32;
/// Products that are summed in one go with weights that are transformed beforehand.
const DEPTH: usize = 192;
/// Products that are summed in one go with weights that are transformed where they are used: those of a panel stay in the
/// second-level cache in all places.
const SHORT: usize = 64;
/// Bytes of transformed weights that are worth keeping: four times as many as the weights, which most caches hold.
const KEPT: usize = 5 << 19;

/// Weights of a 3x3 convolution with stride 1.
#[derive(Debug)]
pub struct Winograd {
    isa: Isa,
    /// Inputs and outputs.
    channels: [usize; 2],
    weights: Held,
}

/// What is kept of the weights. The choice depends on the channels alone, as it decides how sums are rounded.
#[derive(Debug)]
enum Held {
    /// The transformed weights, `[place * input, output]`: those that follow each other are read one after the other, which
    /// a CPU foresees.
    Transformed(Panels),
    /// The weights, `[input * tap, output]`. Reading four times as many from memory takes longer than transforming them.
    Taps(Panels),
}

impl Winograd {
    /// Transforms the weights of a convolution, `[output, input, 3, 3]`.
    ///
    /// # Panics
    /// If the kernel is another.
    pub fn new(isa: Isa, weights: PackedWeights<'_>) -> Self {
        assert_eq!(weights.kernel(), [3, 3]);
        let [outputs, inputs] = weights.channels();
        Self::transformed(isa, inputs, outputs, |input, output, y, x| weights.at(output, input, y, x))
    }

    /// Transforms the weights of a convolution for the gradient of its input, which is the convolution of the output's
    /// gradient with the weights turned by half a turn, inputs and outputs exchanged, and `2 - pad` zeros around.
    ///
    /// # Panics
    /// If the kernel is another.
    pub fn backward(isa: Isa, weights: PackedWeights<'_>) -> Self {
        assert_eq!(weights.kernel(), [3, 3]);
        let [outputs, inputs] = weights.channels();
        Self::transformed(isa, outputs, inputs, |output, input, y, x| weights.at(output, input, 2 - y, 2 - x))
    }

    fn transformed(
        isa: Isa,
        k: usize,
        columns: usize,
        value: impl Fn(usize, usize, usize, usize) -> f32 + Sync,
    ) -> Self {
        let channels = [k, columns];
        if PLACES * k * columns * size_of::<f32>() > KEPT {
            let taps =
                Panels::pack(isa, 1, 9 * k, columns, |_, row, column| value(row / 9, column, row % 9 / 3, row % 3));
            return Self { isa, channels, weights: Held::Taps(taps) };
        }
        let mut weights = Panels::new(isa, PLACES * k, columns);
        let width = weights.width();
        weights.panels_mut().collect::<Vec<_>>().into_par_iter().enumerate().for_each(|(panel, places)| {
            let first = panel * width;
            let (used, padded) = (width.min(columns - first), places.len() / (PLACES * k).max(1));
            let mut taps = [0f32; 9 * WIDEST];
            for row in 0..k {
                for column in 0..used {
                    for tap in 0..9 {
                        taps[tap * padded + column] = value(row, first + column, tap / 3, tap % 3);
                    }
                }
                let to = places[row * padded..].as_mut_ptr();
                // SAFETY: the taps hold 9 rows of `padded` numbers, whole vectors of at most `WIDEST` lanes, and the panel
                // a row of as many for each input in each place.
                unsafe { transform_panel(isa, taps.as_ptr(), 1, padded, to, k * padded) };
            }
        });
        Self { isa, channels, weights: Held::Transformed(weights) }
    }

    /// Columns of a whole panel.
    fn width(&self) -> usize {
        2 * self.isa.lanes()
    }

    /// Convolves `input` into `output`, with `pad` zeros above and to the left; below and to the right the output's sides
    /// say how many.
    ///
    /// # Panics
    /// If the channels do not belong together, or the output has rows or columns without input.
    pub fn run(&self, input: Map<'_>, pad: [usize; 2], output: &mut MapMut<'_>, finish: Finish<'_>) {
        self.run_or_add(input, pad, output, finish, false);
    }

    /// The same, which `accumulate` adds to what the output holds.
    pub(crate) fn run_or_add(
        &self,
        input: Map<'_>,
        pad: [usize; 2],
        output: &mut MapMut<'_>,
        finish: Finish<'_>,
        accumulate: bool,
    ) {
        let (from, to) = (input.shape(), output.shape());
        assert_eq!(from.batch, to.batch);
        assert_eq!([from.channels, to.channels], self.channels);
        check(&finish, output);
        if to.numbers() == 0 {
            return;
        }
        let down = to.height.div_ceil(SIDE);
        let across = to.width.div_ceil(SIDE);
        let tiles = to.batch * down * across;
        let grid = Grid { down, across, pad };
        let together = self.together(tiles);
        let blocks = tiles.div_ceil(together);
        let panels = to.channels.div_ceil(self.width());
        // Columns are shared where blocks are few.
        let shares = (8 * rayon::current_num_threads()).div_ceil(blocks).min(panels);
        let output = Output { to: output.shared(), step: output.step(), shape: to, accumulate };
        let range = |block: usize| block * together..((block + 1) * together).min(tiles);
        let sides = Slab::new(from.channels, together);
        if 2 * blocks >= 8 * rayon::current_num_threads() || shares == 1 {
            return (0..blocks).into_par_iter().for_each(|block| {
                scratch::with(sides.numbers(), |left| {
                    // SAFETY: the buffer has a slab of rows for each place.
                    unsafe { load_tiles(self.isa, input, &grid, range(block), left.as_mut_ptr(), sides.steps()) };
                    self.columns(left, sides, &grid, range(block), 0..to.channels, &output, &finish);
                });
            });
        }
        let mut buffer = Buffer::new(product(&[blocks, sides.numbers()]));
        let slabs = SharedMut::of(buffer.values_mut());
        let parts = together.min(4 * rayon::current_num_threads());
        (0..blocks * parts).into_par_iter().for_each(|item| {
            let (block, part) = (item / parts, item % parts);
            let (range, rows) = (range(block), split::nth(part, parts, together));
            let rows = rows.start.min(range.len())..rows.end.min(range.len());
            let tiles = range.start + rows.start..range.start + rows.end;
            // SAFETY: each block has a slab of rows for each place, and each item rows of its own.
            unsafe {
                let to = slabs.get().add(block * sides.numbers() + rows.start * sides.step);
                load_tiles(self.isa, input, &grid, tiles, to, sides.steps());
            }
        });
        let slabs = buffer.values();
        (0..blocks * shares).into_par_iter().for_each(|item| {
            let (block, share) = (item / shares, item % shares);
            let panels = split::nth(share, shares, panels);
            let columns = panels.start * self.width()..(panels.end * self.width()).min(to.channels);
            let left = &slabs[block * sides.numbers()..][..sides.numbers()];
            self.columns(left, sides, &grid, range(block), columns, &output, &finish);
        });
    }

    /// Tiles that are computed together: few enough to stay in the second-level cache, unless the weights are so large that
    /// they are to be read only once or twice.
    fn together(&self, tiles: usize) -> usize {
        let most = match &self.weights {
            Held::Transformed(_) => {
                (CACHED / (PLACES * (self.channels[0] + 16) * size_of::<f32>()) / 14 * 14).clamp(14, 56)
            }
            Held::Taps(_) => MANY,
        };
        let blocks = tiles.div_ceil(most).max(1);
        tiles.div_ceil(blocks).max(1)
    }

    /// The outputs of some tiles, whose transformed inputs are given, in some channels.
    #[allow(clippy::too_many_arguments)]
    fn columns(
        &self,
        left: &[f32],
        sides: Slab,
        grid: &Grid,
        range: std::ops::Range<usize>,
        columns: std::ops::Range<usize>,
        output: &Output,
        finish: &Finish<'_>,
    ) {
        let (k, count) = (self.channels[0], range.len());
        let (width, lanes) = (self.width(), self.isa.lanes());
        // Panels whose products stay in the second-level cache together with their weights.
        let (wide, deep) = match self.weights {
            Held::Transformed(_) => (2 * width, 0),
            Held::Taps(_) => (width, SHORT.min(k)),
        };
        // Places begin in different sets of the caches.
        let step = deep * width + 32;
        scratch::with(PLACES * count * wide, |sums| {
            scratch::with(if deep > 0 { PLACES * step } else { 0 }, |transformed| {
                for first in columns.clone().step_by(wide) {
                    let used = wide.min(columns.end - first);
                    let products = PlaceProducts { left, sides, count, sums: sums.as_mut_ptr(), step: wide };
                    match &self.weights {
                        Held::Transformed(weights) => {
                            for place in 0..PLACES {
                                for numbers in split::at_most(DEPTH, k) {
                                    for column in (0..used).step_by(width) {
                                        let b = weights.row(place * k + numbers.start, first + column).as_ptr();
                                        let columns = column..used.min(column + width);
                                        // SAFETY: the panel holds the rows of these numbers.
                                        unsafe { self.products(&products, place, numbers.clone(), b, columns) };
                                    }
                                }
                            }
                        }
                        Held::Taps(weights) => {
                            let padded = used.div_ceil(lanes) * lanes;
                            for numbers in split::at_most(deep, k) {
                                let taps = weights.row(9 * numbers.start, first).as_ptr();
                                // SAFETY: the panel holds 9 rows of `padded` numbers for each of these numbers, and the
                                // buffer as many in each place.
                                unsafe {
                                    let to = transformed.as_mut_ptr();
                                    transform_panel(self.isa, taps, numbers.len(), padded, to, step);
                                }
                                // The next taps come from memory while these are used.
                                let next = weights.row(9 * numbers.end, first);
                                let next = &next[..next.len().min(9 * numbers.len() * padded)];
                                let mut next = next.chunks(next.len().div_ceil(PLACES).max(1));
                                for place in 0..PLACES {
                                    prefetch::lines(next.next().unwrap_or_default());
                                    let b = transformed[place * step..].as_ptr();
                                    // SAFETY: the buffer holds the rows of these numbers in each place.
                                    unsafe { self.products(&products, place, numbers.clone(), b, 0..used) };
                                }
                            }
                        }
                    }
                    // SAFETY: the sums hold `count` rows of `wide` numbers for each place; the tiles and channels of the
                    // output are this item's. Bias and residual were checked to be of the output's shape.
                    unsafe {
                        store_tiles(self.isa, sums.as_ptr(), wide, grid, range.clone(), output, first, used, finish);
                    }
                }
            });
        });
    }

    /// Sums the products of some numbers in a place for the columns `columns` of the sums, a panel's.
    ///
    /// # Safety
    /// `b` is valid for rows of whole vectors for these columns, one for each of the numbers.
    unsafe fn products(
        &self,
        products: &PlaceProducts<'_>,
        place: usize,
        numbers: std::ops::Range<usize>,
        b: *const f32,
        columns: std::ops::Range<usize>,
    ) {
        let PlaceProducts { left, sides, count, sums, step } = *products;
        let tiles = Tiles::new(self.isa, TileOrder::Rows);
        let next = b.wrapping_add(numbers.len() * self.width());
        let (mut ahead, ahead_step) = tiles.ahead(next, count);
        for (row, height) in tiles.split(count) {
            // SAFETY: a number of the sums.
            let c = unsafe { sums.add((place * count + row) * step + columns.start) };
            let tile = Tile {
                k: numbers.len(),
                a: left[place * sides.slab + row * sides.step + numbers.start..].as_ptr(),
                segments: WHOLE,
                a_step: sides.step,
                b,
                c,
                c_step: step,
                columns: columns.len(),
                accumulate: numbers.start > 0,
                bias: std::ptr::null(),
                residual: std::ptr::null(),
                residual_step: 0,
                ahead,
                ahead_step,
                clamp: OPEN,
            };
            // SAFETY: the left operand holds `count` rows of all numbers every `sides.step` for each place, the sums
            // `count` rows of `step` numbers, which are this thread's, and the right operand is the caller's.
            unsafe { tiles.run(height, &tile) }
            ahead = ahead.wrapping_add(numbers.len() * ahead_step);
        }
    }
}

/// Where transformed tiles lie: `[place, tile, channel]`.
#[derive(Clone, Copy)]
struct Slab {
    /// Numbers from one place to the next.
    slab: usize,
    /// Numbers from one tile to the next.
    step: usize,
}

impl Slab {
    /// For so many tiles. Places begin in different sets of the caches.
    fn new(channels: usize, tiles: usize) -> Self {
        let step = channels.next_multiple_of(16) + 16;
        Self { slab: tiles * step + 32, step }
    }

    fn numbers(self) -> usize {
        PLACES * self.slab
    }

    fn steps(self) -> [usize; 2] {
        [self.slab, self.step]
    }
}

/// The left operand of a block and where its sums go: `[place, tile, column]`.
#[derive(Clone, Copy)]
struct PlaceProducts<'a> {
    left: &'a [f32],
    sides: Slab,
    count: usize,
    sums: *mut f32,
    /// Columns of a row of sums.
    step: usize,
}

/// Bytes of transformed tiles that stay in the second-level cache beside their products.
const CACHED: usize = 600 << 10;
/// Tiles that are computed together where each block transforms the weights again.
const MANY: usize = 64;
