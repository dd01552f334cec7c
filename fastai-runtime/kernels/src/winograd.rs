//! 3x3 convolutions with stride 1 by Winograd's F(4x4, 3x3): tiles of 4x4 outputs from 6x6 inputs, with 36 products instead
//! of 144 for each pair of channels. <https://arxiv.org/abs/1509.09308>
//!
//! Input tiles are transformed, multiplied in each of the 36 places by the transformed weights, `[tile, input] * [input,
//! output]`, and transformed back. The largest error against float64 is about 1e-5 of the largest output.

use rayon::prelude::*;

use crate::buffer::Buffer;
use crate::conv::{PackedWeights, check, depths};
use crate::finish::Finish;
use crate::isa::{Isa, dispatch};
use crate::map::{Map, MapMut, MapShape, SharedMut};
use crate::panel::Panels;
use crate::prefetch;
use crate::scratch;
use crate::tile::{OPEN, Tile, TileOrder, Tiles, WHOLE};
use crate::vector::Vector;

/// Outputs of a tile along a side.
pub(crate) const SIDE: usize = 4;
/// Inputs of a tile along a side.
pub(crate) const REACH: usize = 6;
/// Places of a transformed tile.
pub(crate) const PLACES: usize = REACH * REACH;
/// Columns of the widest panel.
const WIDEST: usize = 32;
/// PlaceProducts that are summed in one go with weights that are transformed beforehand.
const DEPTH: usize = 192;
/// PlaceProducts that are summed in one go with weights that are transformed where they are used: those of a panel stay in the
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
        let [outputs, inputs] = weights.channels();
        Self::transformed(isa, inputs, outputs, |input, output, y, x| weights.at(output, input, y, x))
    }

    /// Transforms the weights of a convolution for the gradient of its input, which is the convolution of the output's
    /// gradient with the weights turned by half a turn, inputs and outputs exchanged, and `2 - pad` zeros around.
    ///
    /// # Panics
    /// If the kernel is another.
    pub fn backward(isa: Isa, weights: PackedWeights<'_>) -> Self {
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
            let mut taps = [[0f32; WIDEST]; 9];
            for row in 0..k {
                for column in 0..used {
                    for (tap, taps) in taps.iter_mut().enumerate() {
                        taps[column] = value(row, first + column, tap / 3, tap % 3);
                    }
                }
                let rows = std::array::from_fn(|place| places[(place * k + row) * padded..][..padded].as_mut_ptr());
                // SAFETY: each pointer is valid for the `padded` numbers of a row, whole vectors of at most `WIDEST` lanes.
                unsafe { transform_kernels(isa, &taps, &rows, padded) };
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
        let mut buffer = Buffer::new(blocks * sides.numbers());
        let slabs = SharedMut::of(buffer.values_mut());
        let parts = together.min(4 * rayon::current_num_threads());
        (0..blocks * parts).into_par_iter().for_each(|item| {
            let (block, part) = (item / parts, item % parts);
            let (range, rows) = (range(block), part * together / parts..(part + 1) * together / parts);
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
            let column = |share: usize| (share * panels / shares * self.width()).min(to.channels);
            let left = &slabs[block * sides.numbers()..][..sides.numbers()];
            self.columns(left, sides, &grid, range(block), column(share)..column(share + 1), &output, &finish);
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
                                for numbers in depths(k, DEPTH) {
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
                            for numbers in depths(k, deep) {
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

dispatch! {
    unsafe fn transform_panel(isa, taps: *const f32, k: usize, columns: usize, to: *mut f32, step: usize) =
        transform_panel_body;
}

/// Transforms `[k, tap, column]` to `[place, k, column]` with `step` numbers from one place to the next.
#[inline(always)]
unsafe fn transform_panel_body<V: Vector>(taps: *const f32, k: usize, columns: usize, to: *mut f32, step: usize) {
    for row in 0..k {
        for column in (0..columns).step_by(V::LANES) {
            // SAFETY: the caller's taps hold 9 rows of `columns` numbers, a multiple of the lanes, for each `k`, and `to`
            // a row for each `k` in each place.
            unsafe {
                let at = taps.add(9 * row * columns + column);
                let mut lines = [[V::zero(); REACH]; 3];
                for x in 0..3 {
                    let a = V::load(at.add(x * columns));
                    let b = V::load(at.add((3 + x) * columns));
                    let c = V::load(at.add((6 + x) * columns));
                    lines[x] = kernel::<V>([a, b, c]);
                }
                let to = to.add(row * columns + column);
                for y in 0..REACH {
                    let line = kernel::<V>([lines[0][y], lines[1][y], lines[2][y]]);
                    for x in 0..REACH {
                        line[x].store(to.add((y * REACH + x) * step));
                    }
                }
            }
        }
    }
}

dispatch! {
    unsafe fn transform_kernels(isa, taps: &[[f32; WIDEST]; 9], to: &[*mut f32; PLACES], columns: usize) =
        transform_kernels_body;
}

#[inline(always)]
unsafe fn transform_kernels_body<V: Vector>(taps: &[[f32; WIDEST]; 9], to: &[*mut f32; PLACES], columns: usize) {
    for column in (0..columns).step_by(V::LANES) {
        // SAFETY: the caller's rows hold `columns` numbers, a multiple of the lanes, and the taps at least as many.
        unsafe {
            let mut lines = [[V::zero(); REACH]; 3];
            for x in 0..3 {
                let a = V::load(taps[x].as_ptr().add(column));
                let b = V::load(taps[3 + x].as_ptr().add(column));
                let c = V::load(taps[6 + x].as_ptr().add(column));
                lines[x] = kernel::<V>([a, b, c]);
            }
            for y in 0..REACH {
                let line = kernel::<V>([lines[0][y], lines[1][y], lines[2][y]]);
                for x in 0..REACH {
                    line[x].store(to[y * REACH + x].add(column));
                }
            }
        }
    }
}

/// Transforms a row or column of a kernel.
#[inline(always)]
unsafe fn kernel<V: Vector>([a, b, c]: [V; 3]) -> [V; REACH] {
    // SAFETY: the caller's.
    unsafe {
        let (quarter, sixth) = (V::splat(1.0 / 4.0), V::splat(1.0 / 6.0));
        let (twelfth, part) = (V::splat(1.0 / 12.0), V::splat(1.0 / 24.0));
        let sum = a.add(c);
        let (even, odd) = (a.mul(part).add(c.mul(sixth)), b.mul(twelfth));
        let minus = V::splat(-1.0 / 6.0);
        [a.mul(quarter), sum.add(b).mul(minus), b.sub(sum).mul(sixth), even.add(odd), even.sub(odd), c]
    }
}

/// Where the tiles of a map lie.
pub(crate) struct Grid {
    pub down: usize,
    pub across: usize,
    pub pad: [usize; 2],
}

impl Grid {
    /// Image, row and column of tile `number`.
    #[inline(always)]
    pub(crate) fn tile(&self, number: usize) -> [usize; 3] {
        [number / (self.down * self.across), number / self.across % self.down, number % self.across]
    }
}

/// Where the outputs go.
struct Output {
    to: SharedMut,
    step: usize,
    shape: MapShape,
    /// Whether they are added to what is there.
    accumulate: bool,
}

dispatch! {
    pub(crate) unsafe fn load_tiles(
        isa, input: Map<'_>, grid: &Grid, range: std::ops::Range<usize>, to: *mut f32,
        steps: [usize; 2],
    ) = load_tiles_body;
}

#[inline(always)]
unsafe fn load_tiles_body<V: Vector>(
    input: Map<'_>,
    grid: &Grid,
    range: std::ops::Range<usize>,
    to: *mut f32,
    [slab, step]: [usize; 2],
) {
    let shape = input.shape();
    let outside = [0f32; 16];
    for (row, tile) in range.enumerate() {
        let [image, down, across] = grid.tile(tile);
        let (top, left) =
            ((down * SIDE) as isize - grid.pad[0] as isize, (across * SIDE) as isize - grid.pad[1] as isize);
        // The pixels of the tile; what lies outside the image is 0 in every channel.
        let mut pixels = [(outside.as_ptr(), 0usize); PLACES];
        for (place, pixel) in pixels.iter_mut().enumerate() {
            let (y, x) = (top + (place / REACH) as isize, left + (place % REACH) as isize);
            if y >= 0 && x >= 0 && y < shape.height as isize && x < shape.width as isize {
                let number = (image * shape.height + y as usize) * shape.width + x as usize;
                // SAFETY: a pixel of the input.
                *pixel = (unsafe { input.as_ptr().add(number * input.step()) }, 1);
            }
        }
        let mut channel = 0;
        while channel < shape.channels {
            let lanes = V::LANES.min(shape.channels - channel);
            // SAFETY: `lanes` channels of each pixel from `channel` on, or zeros; the caller's buffer has a row of `step`
            // numbers, at least as many as channels rounded up to vectors, for each place and tile.
            unsafe {
                let load = |place: usize| {
                    let (pixel, inside) = pixels[place];
                    let at = pixel.add(channel * inside);
                    if lanes == V::LANES { V::load(at) } else { V::load_first(at, lanes) }
                };
                let mut columns = [[V::zero(); REACH]; REACH];
                for x in 0..REACH {
                    let column = data::<V>([
                        load(x),
                        load(REACH + x),
                        load(2 * REACH + x),
                        load(3 * REACH + x),
                        load(4 * REACH + x),
                        load(5 * REACH + x),
                    ]);
                    for y in 0..REACH {
                        columns[y][x] = column[y];
                    }
                }
                for (y, line) in columns.into_iter().enumerate() {
                    for (x, value) in data::<V>(line).into_iter().enumerate() {
                        value.store(to.add((y * REACH + x) * slab + row * step + channel));
                    }
                }
            }
            channel += V::LANES;
        }
    }
}

/// Transforms a row or column of inputs.
#[inline(always)]
unsafe fn data<V: Vector>([a, b, c, d, e, f]: [V; REACH]) -> [V; REACH] {
    // SAFETY: the caller's.
    unsafe {
        let (four, five, two) = (V::splat(4.0), V::splat(-5.0), V::splat(2.0));
        let minus_four = V::splat(-4.0);
        // 4a - 5c + e
        let first = a.fma(four, c.fma(five, e));
        // d - 4b, e - 4c: sums and differences of them are the next two.
        let (odd, even) = (b.fma(minus_four, d), c.fma(minus_four, e));
        // 2(d - b), e - c.
        let (odd2, even2) = (d.sub(b).mul(two), e.sub(c));
        // 4b - 5d + f
        let last = b.fma(four, d.fma(five, f));
        [first, even.add(odd), even.sub(odd), even2.add(odd2), even2.sub(odd2), last]
    }
}

dispatch! {
    unsafe fn store_tiles(
        isa,
        sums: *const f32,
        step: usize,
        grid: &Grid,
        range: std::ops::Range<usize>,
        output: &Output,
        first: usize,
        used: usize,
        finish: &Finish<'_>,
    ) = store_tiles_body;
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn store_tiles_body<V: Vector>(
    sums: *const f32,
    step: usize,
    grid: &Grid,
    range: std::ops::Range<usize>,
    output: &Output,
    first: usize,
    used: usize,
    finish: &Finish<'_>,
) {
    let count = range.len();
    let shape = output.shape;
    for (row, tile) in range.enumerate() {
        let [image, down, across] = grid.tile(tile);
        let (top, left) = (down * SIDE, across * SIDE);
        let (height, width) = (SIDE.min(shape.height - top), SIDE.min(shape.width - left));
        let corner = (image * shape.height + top) * shape.width + left;
        let mut channel = 0;
        while channel < used {
            let lanes = V::LANES.min(used - channel);
            let whole = lanes == V::LANES;
            // SAFETY: the caller's sums have rows of `step` numbers, a multiple of the lanes; `lanes` channels from
            // `first + channel` on of the tile's pixels inside the output, of the residual and of the bias.
            unsafe {
                let load = |p: *const f32| if whole { V::load(p) } else { V::load_first(p, lanes) };
                let (low, high) = (V::splat(finish.clamp[0]), V::splat(finish.clamp[1]));
                let bias = match finish.bias {
                    Some(bias) => load(bias.as_ptr().add(first + channel)),
                    None => V::zero(),
                };
                let mut columns = [[V::zero(); REACH]; SIDE];
                for x in 0..REACH {
                    let at = |y: usize| V::load(sums.add(((y * REACH + x) * count + row) * step + channel));
                    let column = result::<V>([at(0), at(1), at(2), at(3), at(4), at(5)]);
                    for y in 0..SIDE {
                        columns[y][x] = column[y];
                    }
                }
                for (y, line) in columns.into_iter().enumerate().take(height) {
                    for (x, value) in result::<V>(line).into_iter().enumerate().take(width) {
                        let pixel = corner + y * shape.width + x;
                        let mut value = value.add(bias);
                        if let Some(map) = finish.residual {
                            value = value.add(load(map.as_ptr().add(pixel * map.step() + first + channel)));
                        }
                        let to = output.to.get().add(pixel * output.step + first + channel);
                        if output.accumulate {
                            value = value.add(load(to));
                        }
                        let value = value.max(low).min(high);
                        if whole {
                            value.store(to);
                        } else {
                            value.store_first(to, lanes);
                        }
                    }
                }
            }
            channel += V::LANES;
        }
    }
}

/// Transforms a row or column of sums back.
#[inline(always)]
unsafe fn result<V: Vector>([a, b, c, d, e, f]: [V; REACH]) -> [V; SIDE] {
    // SAFETY: the caller's.
    unsafe {
        let (sum, difference) = (b.add(c), b.sub(c));
        let (sum2, difference2) = (d.add(e), d.sub(e));
        let (two, four, eight) = (V::splat(2.0), V::splat(4.0), V::splat(8.0));
        [
            a.add(sum).add(sum2),
            difference2.fma(two, difference),
            sum2.fma(four, sum),
            difference2.fma(eight, difference).add(f),
        ]
    }
}
