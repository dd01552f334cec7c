//! Rotation, zoom and stretching about the middle on the same canvas: one bilinear sampling, borders reflected.

use std::ops::Range;

use super::image::{FloatImage, Pixels};
use super::pad::reflect;

/// `source` turned by `degrees` counter-clockwise about `(width / 2, height / 2)`, whole divisions.
pub fn rotate<P: Pixels>(source: &P, degrees: f64) -> FloatImage {
    let (height, width) = source.size();
    let rotation = Rotation::new(degrees, height, width);
    let mut image = FloatImage::black(height, width);
    for (y, line) in image.pixels_mut().chunks_exact_mut(width).enumerate() {
        rotation.row(source, y, 0..width, line);
    }
    image
}

/// Fractional bits of a coordinate.
const BITS: u32 = 32;

/// A change of geometry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Warp {
    /// Counter-clockwise about `(width / 2, height / 2)`, whole divisions; degrees.
    Rotate(f64),
    /// Enlarged by this factor about the middle.
    Zoom(f64),
    /// Width or height enlarged by this factor, and the middle of that cut out.
    Stretch {
        /// At least 1.
        factor: f64,
        /// Whether it is the width.
        across: bool,
    },
    /// Any other: the pixel at `(x, y)` comes from `(a x + b y + c, d x + e y + f)`.
    Affine(Affine),
}

/// Where pixels come from: `x' = a x + b y + c`, `y' = d x + e y + f`.
pub(super) type Affine = [f64; 6];

impl Warp {
    pub(super) fn affine(self, height: usize, width: usize) -> Affine {
        match self {
            Warp::Rotate(degrees) => {
                let (sin, cos) = degrees.to_radians().sin_cos();
                let (cx, cy) = ((width / 2) as f64, (height / 2) as f64);
                [cos, -sin, cx - cos * cx + sin * cy, sin, cos, cy - sin * cx - cos * cy]
            }
            Warp::Zoom(factor) => {
                let middle = |side: usize| side as f64 / 2.0 * (1.0 - 1.0 / factor);
                [1.0 / factor, 0.0, middle(width), 0.0, 1.0 / factor, middle(height)]
            }
            Warp::Stretch { factor, across } => {
                let along = |side: usize, stretched: bool| {
                    if !stretched {
                        return (1.0, 0.0);
                    }
                    let cut = ((side as f64 * factor).round() as usize - side) / 2;
                    (1.0 / factor, (cut as f64 + 0.5) / factor - 0.5)
                };
                let ((a, c), (e, f)) = (along(width, across), along(height, !across));
                [a, 0.0, c, 0.0, e, f]
            }
            Warp::Affine(from) => from,
        }
    }
}

/// First `first`, then `second`, each as where its pixels come from.
pub(super) fn then(first: Affine, second: Affine) -> Affine {
    let [a, b, c, d, e, f] = first;
    let [p, q, r, s, t, u] = second;
    [a * p + b * s, a * q + b * t, a * r + b * u + c, d * p + e * s, d * q + e * t, d * r + e * u + f]
}

/// One rotation of one canvas. Coordinates are fixed-point numbers: stepping along a row is an addition that does not
/// round, and splitting one into pixel and fraction is a shift.
pub(super) struct Rotation {
    /// [`Affine`] in fixed point.
    from: [i64; 6],
    height: usize,
    width: usize,
}

impl Rotation {
    pub(super) fn new(degrees: f64, height: usize, width: usize) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let fixed = |v: f64| (v * (1u64 << BITS) as f64).round() as i64;
        let (cos, sin) = (fixed(cos), fixed(sin));
        let (cx, cy) = ((width / 2) as i64, (height / 2) as i64);
        let x = (cx << BITS) - cos * cx + sin * cy;
        let y = (cy << BITS) - sin * cx - cos * cy;
        Rotation { from: [cos, -sin, x, sin, cos, y], height, width }
    }

    /// All of `warps`, one after another, in one sampling: what is sampled once stays sharper than what is sampled anew
    /// by each of them.
    pub(super) fn of_all(warps: &[Warp], height: usize, width: usize) -> Self {
        if let [Warp::Rotate(degrees)] = *warps {
            return Rotation::new(degrees, height, width);
        }
        let whole = warps.iter().map(|warp| warp.affine(height, width)).reduce(then);
        let from = whole.unwrap_or([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        Rotation { from: from.map(|v| (v * (1u64 << BITS) as f64).round() as i64), height, width }
    }

    /// Writes the rotated row `y`, columns `columns`, into `out`.
    #[inline(always)]
    pub(super) fn row<P: Pixels>(&self, source: &P, y: usize, columns: Range<usize>, out: &mut [[f32; 4]]) {
        let (x, y) = (columns.start as i64, y as i64);
        let [a, b, c, d, e, f] = self.from;
        let mut at = Place { x: a * x + b * y + c, y: d * x + e * y + f };
        let step = Place { x: a, y: d };
        let out = &mut out[..columns.len()];
        let across = within(at.x, a, self.width, out.len());
        let inside = intersection(across, within(at.y, d, self.height, out.len()));
        let (before, rest) = out.split_at_mut(inside.start);
        let (middle, after) = rest.split_at_mut(inside.len());
        self.edge(source, &mut at, step, before);
        self.interior(source, &mut at, step, middle);
        self.edge(source, &mut at, step, after);
    }

    /// Samples any pixels from `at` on, and moves it past them.
    #[inline(always)]
    fn edge<P: Pixels>(&self, source: &P, at: &mut Place, step: Place, out: &mut [[f32; 4]]) {
        for pixel in out {
            let corners = self.reflected(at.x >> BITS, at.y >> BITS);
            let upper = [source.pixel(corners[0]), source.pixel(corners[1])];
            let lower = [source.pixel(corners[2]), source.pixel(corners[3])];
            *pixel = blend(upper, lower, fraction(at.x), fraction(at.y));
            at.advance(step);
        }
    }

    /// As [`Self::edge`], where no pixel needs reflecting.
    #[inline(always)]
    fn interior<P: Pixels>(&self, source: &P, at: &mut Place, step: Place, out: &mut [[f32; 4]]) {
        // Places first, many at a time: they are arithmetic on one number a pixel, the blending is on four.
        const BLOCK: usize = 16;
        let below = self.width as u32 as usize;
        for pixels in out.chunks_mut(BLOCK) {
            let mut indices = [0u32; BLOCK];
            let mut fractions = [[0f32; BLOCK]; 2];
            for k in 0..BLOCK {
                // Not below 0 where the pixel is shown.
                let (x, y) = ((at.x as u64 >> BITS) as u32, (at.y as u64 >> BITS) as u32);
                indices[k] = y.wrapping_mul(self.width as u32).wrapping_add(x);
                (fractions[0][k], fractions[1][k]) = (fraction(at.x), fraction(at.y));
                at.advance(step);
            }
            for (k, pixel) in pixels.iter_mut().enumerate() {
                let index = indices[k] as usize;
                let lower = source.pair(index + below);
                let upper = source.pair(index);
                *pixel = blend(upper, lower, fractions[0][k], fractions[1][k]);
            }
            let beyond = (BLOCK - pixels.len()) as i64;
            at.x = at.x.wrapping_sub(step.x.wrapping_mul(beyond));
            at.y = at.y.wrapping_sub(step.y.wrapping_mul(beyond));
        }
    }

    /// The four pixels around a place near the border or beyond.
    #[cold]
    fn reflected(&self, x: i64, y: i64) -> [usize; 4] {
        let (left, right) = (reflect(x, self.width), reflect(x + 1, self.width));
        let (above, below) = (reflect(y, self.height) * self.width, reflect(y + 1, self.height) * self.width);
        [above + left, above + right, below + left, below + right]
    }
}

/// Where a pixel comes from, or how far that is from where its left neighbour does; fixed point.
#[derive(Clone, Copy)]
struct Place {
    x: i64,
    y: i64,
}

impl Place {
    #[inline(always)]
    fn advance(&mut self, step: Place) {
        self.x = self.x.wrapping_add(step.x);
        self.y = self.y.wrapping_add(step.y);
    }
}

/// What of a fixed-point number is below 1: its upper 24 bits are what a float holds exactly.
#[inline(always)]
fn fraction(of: i64) -> f32 {
    (of as u32 >> 8) as i32 as f32 * (1.0 / (1 << 24) as f32)
}

/// The pixel `fx` right and `fy` below the first of two above and two below. The fourth number of pixels stays 0.
#[inline(always)]
fn blend(upper: [[f32; 4]; 2], lower: [[f32; 4]; 2], fx: f32, fy: f32) -> [f32; 4] {
    // Two pixels in one register first.
    let mut pair = [0f32; 8];
    let (upper, lower) = (upper.as_flattened(), lower.as_flattened());
    for lane in 0..8 {
        pair[lane] = upper[lane] + fy * (lower[lane] - upper[lane]);
    }
    std::array::from_fn(|lane| pair[lane] + fx * (pair[lane + 4] - pair[lane]))
}

/// For which of the first `count` numbers `i` the pixel of `first + i * step`, in fixed point, and the one after it lie on
/// an axis of `side` pixels.
fn within(first: i64, step: i64, side: usize, count: usize) -> Range<usize> {
    let last = ((side as i64) << BITS) - (1 << BITS);
    // Steps to the first place at or past `bound`, going up.
    let until = |from: i64, step: i64, bound: i64| {
        let steps = bound.saturating_sub(from).max(0);
        usize::try_from(steps / step + i64::from(steps % step != 0)).unwrap_or(count).min(count)
    };
    match step {
        0 if (0..last).contains(&first) => 0..count,
        0 => 0..0,
        1.. => until(first, step, 0)..until(first, step, last),
        // Mirrored: `-first` rises from beyond `-last` to 0.
        _ => until(-first, -step, 1 - last)..until(-first, -step, 1),
    }
}

fn intersection(a: Range<usize>, b: Range<usize>) -> Range<usize> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}
