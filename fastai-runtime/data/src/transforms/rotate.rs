//! Rotation, zoom and stretching about the centre of the canvas: one bilinear sampling with reflected borders.

use std::ops::Range;

use super::image::{FloatImage, Pixels};
use fastai_kernels::bilinear::{BITS, Place, bilinear, plain};

/// Rotates `source` counter-clockwise by `degrees` about `(width / 2, height / 2)`, integer divisions.
pub fn rotate<P: Pixels>(source: &P, degrees: f64) -> FloatImage {
    let (height, width) = source.size();
    let rotation = Rotation::new(degrees, height, width);
    let mut image = FloatImage::black(height, width);
    for (y, line) in image.pixels_mut().chunks_exact_mut(width).enumerate() {
        rotation.row(source, y, 0..width, line);
    }
    image
}

/// A change of geometry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Warp {
    /// Counter-clockwise rotation about `(width / 2, height / 2)`, integer divisions; degrees.
    Rotate(f64),
    /// Enlarges by this factor about the centre.
    Zoom(f64),
    /// Enlarges width or height by this factor and keeps the centre.
    Stretch {
        /// At least 1.
        factor: f64,
        /// Whether the width is enlarged.
        across: bool,
    },
    /// Any affine map: the pixel at `(x, y)` comes from `(a x + b y + c, d x + e y + f)`.
    Affine(Affine),
}

/// An inverse affine map: `x' = a x + b y + c`, `y' = d x + e y + f`.
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

/// Composes two inverse maps: `first`, then `second`.
pub(super) fn then(first: Affine, second: Affine) -> Affine {
    let [a, b, c, d, e, f] = first;
    let [p, q, r, s, t, u] = second;
    [a * p + b * s, a * q + b * t, a * r + b * u + c, d * p + e * s, d * q + e * t, d * r + e * u + f]
}

/// A warp of one canvas. Coordinates are fixed-point numbers: stepping along a row is an exact addition, and splitting a
/// coordinate into pixel and fraction is a shift.
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

    /// Composes all `warps` into one sampling, which is sharper than sampling for each of them.
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
        let at = Place { x: a * x + b * y + c, y: d * x + e * y + f };
        let step = Place { x: a, y: d };
        let out = &mut out[..columns.len()];
        match source.stored() {
            Some(pixels) => bilinear(pixels, self.width, at, step, out),
            None => plain(|index| source.pixel(index), self.height, self.width, at, step, out),
        }
    }
}
