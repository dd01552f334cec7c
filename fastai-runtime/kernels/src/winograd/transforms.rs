//! Transforms of weights, inputs and sums, and where tiles lie.

use super::{PLACES, REACH, SIDE};
use crate::finish::Finish;
use crate::isa::dispatch;
use crate::map::{Map, MapShape, SharedMut};
use crate::vector::{self, Vector, store};

dispatch! {
    pub(super) unsafe fn transform_panel(isa, taps: *const f32, k: usize, columns: usize, to: *mut f32, step: usize) =
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
pub(super) struct Output {
    pub to: SharedMut,
    pub step: usize,
    pub shape: MapShape,
    /// Whether they are added to what is there.
    pub accumulate: bool,
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
        for channel in (0..shape.channels).step_by(V::LANES) {
            let lanes = V::LANES.min(shape.channels - channel);
            // SAFETY: `lanes` channels of each pixel from `channel` on, or zeros; the caller's buffer has a row of `step`
            // numbers, at least as many as channels rounded up to vectors, for each place and tile.
            unsafe {
                let load = |place: usize| {
                    let (pixel, inside) = pixels[place];
                    vector::load::<V>(true, pixel.add(channel * inside), lanes)
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
    pub(super) unsafe fn store_tiles(
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
        for channel in (0..used).step_by(V::LANES) {
            let lanes = V::LANES.min(used - channel);
            // SAFETY: the caller's sums have rows of `step` numbers, a multiple of the lanes; `lanes` channels from
            // `first + channel` on of the tile's pixels inside the output, of the residual and of the bias.
            unsafe {
                let load = |p: *const f32| vector::load::<V>(true, p, lanes);
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
                        store(true, value.max(low).min(high), to, lanes);
                    }
                }
            }
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
