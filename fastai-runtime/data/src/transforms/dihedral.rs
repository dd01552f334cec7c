//! Quarter turns and the left-right flip.

use super::crop::CropWindow;
use super::image::{FloatImage, Pixels};
use super::rotate::Affine;

/// One of the eight symmetries of the square: quarter turns, then a flip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dihedral {
    /// Counter-clockwise quarter turns, 0 to 3.
    pub turns: u8,
    /// Mirrored left to right, after the turns.
    pub flip: bool,
}

impl Dihedral {
    /// The identity.
    pub const IDENTITY: Dihedral = Dihedral { turns: 0, flip: false };

    /// Composes two symmetries: `self`, then `next`.
    pub fn then(self, next: Dihedral) -> Dihedral {
        let turns = if self.flip { 4 - next.turns % 4 } else { next.turns };
        Dihedral { turns: (self.turns + turns) % 4, flip: self.flip != next.flip }
    }

    /// Height and width of an image of `size` after the symmetry.
    pub fn size(self, size: (usize, usize)) -> (usize, usize) {
        if self.turns.is_multiple_of(2) { size } else { (size.1, size.0) }
    }

    /// Applies the symmetry to `source`.
    pub fn apply<P: Pixels>(self, source: &P) -> FloatImage {
        let from = source.size();
        let (height, width) = self.size(from);
        let window = CropWindow::whole((height, width));
        let mut image = FloatImage::black(height, width);
        let mut line = Vec::with_capacity(from.1);
        for y in 0..from.0 {
            line.clear();
            line.extend((y * from.1..(y + 1) * from.1).map(|index| source.pixel(index)));
            self.place(&line, (y, 0), from, window, &mut image);
        }
        image
    }

    /// Writes `line`, the pixels of an image of `size` from `(y, x)` to the right, to their positions in `part`, which is
    /// `window` of the transformed image. All of them must lie inside.
    #[inline(always)]
    pub(super) fn place(
        self,
        line: &[[f32; 4]],
        (y, x): (usize, usize),
        size: (usize, usize),
        window: CropWindow,
        part: &mut FloatImage,
    ) {
        let index = |x: usize| {
            let (i, j) = self.forward((y, x), size);
            (i - window.top) * window.width + j - window.left
        };
        let mut to = index(x);
        // Runs backwards if flipped: the difference wraps, and so does the sum.
        let step = if line.len() > 1 { index(x + 1).wrapping_sub(to) } else { 0 };
        let pixels = part.pixels_mut();
        for pixel in line {
            pixels[to] = *pixel;
            to = to.wrapping_add(step);
        }
    }

    /// Maps the pixel `(y, x)` of an image of `size` to its new position.
    pub(super) fn forward(self, (y, x): (usize, usize), size: (usize, usize)) -> (usize, usize) {
        let (height, width) = size;
        let (i, j) = match self.turns % 4 {
            0 => (y, x),
            1 => (width - 1 - x, y),
            2 => (height - 1 - y, width - 1 - x),
            _ => (x, height - 1 - y),
        };
        (i, if self.flip { self.size(size).1 - 1 - j } else { j })
    }

    /// Returns the pixel of an image of `size` that moves to `(i, j)`.
    pub(super) fn backward(self, (i, j): (usize, usize), size: (usize, usize)) -> (usize, usize) {
        let (height, width) = size;
        let j = if self.flip { self.size(size).1 - 1 - j } else { j };
        match self.turns % 4 {
            0 => (i, j),
            1 => (j, width - 1 - i),
            2 => (height - 1 - i, width - 1 - j),
            _ => (height - 1 - j, i),
        }
    }

    /// [`Self::forward`] for any position, pixels.
    pub(super) fn affine(self, size: (usize, usize)) -> Affine {
        let (bottom, right) = (size.0 as f64 - 1.0, size.1 as f64 - 1.0);
        let [a, b, c, d, e, f] = match self.turns % 4 {
            0 => [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            1 => [0.0, 1.0, 0.0, -1.0, 0.0, right],
            2 => [-1.0, 0.0, right, 0.0, -1.0, bottom],
            _ => [0.0, -1.0, bottom, 1.0, 0.0, 0.0],
        };
        let last = self.size(size).1 as f64 - 1.0;
        if self.flip { [-a, -b, last - c, d, e, f] } else { [a, b, c, d, e, f] }
    }

    /// [`Self::backward`] for any position, pixels.
    pub(super) fn inverse(self, size: (usize, usize)) -> Affine {
        // The inverse of an isometry is its transpose.
        let [a, b, c, d, e, f] = self.affine(size);
        [a, d, -(a * c + d * f), b, e, -(b * c + e * f)]
    }

    /// Maps a nonempty `window` of an image of `size` to its new position.
    pub(super) fn image_of(self, window: CropWindow, size: (usize, usize)) -> CropWindow {
        let a = self.forward((window.top, window.left), size);
        let b = self.forward((window.top + window.height - 1, window.left + window.width - 1), size);
        between(a, b)
    }

    /// Returns the part of an image of `size` that moves to `window`, which must not be empty.
    pub(super) fn origin(self, window: CropWindow, size: (usize, usize)) -> CropWindow {
        let a = self.backward((window.top, window.left), size);
        let b = self.backward((window.top + window.height - 1, window.left + window.width - 1), size);
        between(a, b)
    }
}

/// The window with these opposite corners.
fn between(a: (usize, usize), b: (usize, usize)) -> CropWindow {
    CropWindow { top: a.0.min(b.0), left: a.1.min(b.1), height: a.0.abs_diff(b.0) + 1, width: a.1.abs_diff(b.1) + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_after_one_another_are_one() {
        let size = (3, 5);
        let all: Vec<Dihedral> = (0..8).map(|i| Dihedral { turns: i % 4, flip: i > 3 }).collect();
        for (first, second) in all.iter().flat_map(|a| all.iter().map(move |b| (*a, *b))) {
            let both = first.then(second);
            for at in (0..3).flat_map(|y| (0..5).map(move |x| (y, x))) {
                let step = second.forward(first.forward(at, size), first.size(size));
                assert_eq!(both.forward(at, size), step, "{first:?} {second:?}");
            }
        }
    }

    #[test]
    fn backward_undoes_forward() {
        let size = (3, 5);
        for turns in 0..4 {
            for flip in [false, true] {
                let d = Dihedral { turns, flip };
                for at in (0..3).flat_map(|y| (0..5).map(move |x| (y, x))) {
                    let to = d.forward(at, size);
                    assert!(to.0 < d.size(size).0 && to.1 < d.size(size).1);
                    assert_eq!(d.backward(to, size), at, "{d:?}");
                    let place = |[a, b, c, p, q, r]: Affine, (y, x): (usize, usize)| {
                        let (y, x) = (y as f64, x as f64);
                        (p * x + q * y + r, a * x + b * y + c)
                    };
                    assert_eq!(place(d.affine(size), at), (to.0 as f64, to.1 as f64), "{d:?}");
                    assert_eq!(place(d.inverse(size), to), (at.0 as f64, at.1 as f64), "{d:?}");
                }
            }
        }
    }
}
