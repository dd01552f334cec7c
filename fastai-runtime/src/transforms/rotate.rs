//! Rotation about the middle on the same canvas, bilinear, borders reflected.

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

/// One rotation of one canvas. Coordinates are fixed-point numbers: stepping along a row is an addition that does not
/// round, and splitting one into pixel and fraction is a shift.
pub(super) struct Rotation {
    cos: i64,
    sin: i64,
    height: usize,
    width: usize,
}

impl Rotation {
    pub(super) fn new(degrees: f64, height: usize, width: usize) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let fixed = |v: f64| (v * (1u64 << BITS) as f64).round() as i64;
        Rotation { cos: fixed(cos), sin: fixed(sin), height, width }
    }

    /// Writes the rotated row `y`, columns `columns`, into `out`.
    #[inline(always)]
    pub(super) fn row<P: Pixels>(&self, source: &P, y: usize, columns: Range<usize>, out: &mut [[f32; 4]]) {
        let (cx, cy) = ((self.width / 2) as i64, (self.height / 2) as i64);
        let (dx, dy) = (columns.start as i64 - cx, y as i64 - cy);
        let mut sx = self.cos * dx - self.sin * dy + (cx << BITS);
        let mut sy = self.sin * dx + self.cos * dy + (cy << BITS);
        for pixel in &mut out[..columns.len()] {
            *pixel = self.sample(source, sx, sy);
            sx = sx.wrapping_add(self.cos);
            sy = sy.wrapping_add(self.sin);
        }
    }

    #[inline(always)]
    fn sample<P: Pixels>(&self, source: &P, sx: i64, sy: i64) -> [f32; 4] {
        let (x, y) = (sx >> BITS, sy >> BITS);
        // A fraction's upper 24 bits are what a float holds exactly.
        let fraction = |s: i64| (s as u32 >> 8) as i32 as f32 * (1.0 / (1 << 24) as f32);
        let (fx, fy) = (fraction(sx), fraction(sy));
        let (p, q, r, s);
        if (x as u64) < (self.width as u64).wrapping_sub(1) && (y as u64) < (self.height as u64).wrapping_sub(1) {
            let index = (y as usize).wrapping_mul(self.width).wrapping_add(x as usize);
            let below = index.wrapping_add(self.width);
            [p, q] = source.pair(index);
            [r, s] = source.pair(below);
        } else {
            let corners = self.reflected(x, y);
            (p, q) = (source.pixel(corners[0]), source.pixel(corners[1]));
            (r, s) = (source.pixel(corners[2]), source.pixel(corners[3]));
        }
        let mut out = [0f32; 4];
        for lane in 0..4 {
            let upper = p[lane] + fx * (q[lane] - p[lane]);
            let lower = r[lane] + fx * (s[lane] - r[lane]);
            out[lane] = upper + fy * (lower - upper);
        }
        out
    }

    /// The four pixels around a place near the border or beyond.
    #[cold]
    fn reflected(&self, x: i64, y: i64) -> [usize; 4] {
        let (left, right) = (reflect(x, self.width), reflect(x + 1, self.width));
        let (above, below) = (reflect(y, self.height) * self.width, reflect(y + 1, self.height) * self.width);
        [above + left, above + right, below + left, below + right]
    }
}
