//! Quarter turns and the left-right flip.

use super::crop::Window;

/// One of the eight symmetries of the square: quarter turns, then a flip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dihedral {
    /// Counter-clockwise quarter turns, 0 to 3.
    pub turns: u8,
    /// Mirrored left to right, after the turns.
    pub flip: bool,
}

impl Dihedral {
    /// Nothing turned, nothing flipped.
    pub const IDENTITY: Dihedral = Dihedral { turns: 0, flip: false };

    /// Height and width of an image of `size` afterwards.
    pub fn size(self, size: (usize, usize)) -> (usize, usize) {
        if self.turns % 2 == 0 { size } else { (size.1, size.0) }
    }

    /// Where the pixel `(y, x)` of an image of `size` goes.
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

    /// Which pixel of an image of `size` comes to `(i, j)`.
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

    /// The part of an image of `size` that comes to lie in `window`, which must not be empty.
    pub(super) fn origin(self, window: Window, size: (usize, usize)) -> Window {
        let a = self.backward((window.top, window.left), size);
        let b = self.backward((window.top + window.height - 1, window.left + window.width - 1), size);
        Window { top: a.0.min(b.0), left: a.1.min(b.1), height: a.0.abs_diff(b.0) + 1, width: a.1.abs_diff(b.1) + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                }
            }
        }
    }
}
