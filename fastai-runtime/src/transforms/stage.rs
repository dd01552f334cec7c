//! Which parts of a draw are done in one pass over the image.

use super::blur::blur;
use super::crop::Window;
use super::dihedral::Dihedral;
use super::draw::{Hole, Part};
use super::image::{FloatImage, Pixels};
use super::lighting::Lighting;
use super::pipeline::augment;
use super::rotate::{Warp, then};

/// What one pass makes of a canvas: blurred, sampled, turned, lit, and blackened in places, in this order.
///
/// The result is that of the parts one after another, but for sampling: warps that follow one another, with turns and
/// flips among them, are one sampling. A part that does not fit behind what a pass does already begins the next one.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    /// Height and width of the canvas before.
    size: (usize, usize),
    /// The side of the square that is averaged.
    blur: Option<usize>,
    /// Warps in their order, before turns and flip.
    pub(super) warps: Vec<Warp>,
    /// Quarter turns and flip.
    pub(super) dihedral: Dihedral,
    /// Brightness and contrast; turns and flips leave the mean alone, so it does not matter which comes first.
    pub(super) lighting: Option<Lighting>,
    /// What is black at last.
    holes: Vec<Window>,
}

impl Stage {
    fn new(size: (usize, usize)) -> Self {
        Stage { size, blur: None, warps: Vec::new(), dihedral: Dihedral::IDENTITY, lighting: None, holes: Vec::new() }
    }

    /// The passes that make `parts` of a canvas of `size`, at least one; the first does not blur.
    pub(super) fn all(parts: &[Part], size: (usize, usize)) -> Vec<Self> {
        let mut done = Vec::new();
        let mut stage = Stage::new(size);
        for part in parts {
            if !stage.takes(part) {
                let next = Stage::new(stage.shown());
                done.push(std::mem::replace(&mut stage, next));
            }
            stage.add(*part);
        }
        done.push(stage);
        done
    }

    /// Whether `part` may be done by this pass too.
    fn takes(&self, part: &Part) -> bool {
        match part {
            Part::Dihedral(_) | Part::Hole(_) => true,
            // Clipped light is not what the light of sampled pixels is, nor are the edges of holes.
            Part::Warp(_) => self.lighting.is_none() && self.holes.is_empty(),
            // Its mean is that of what comes before it.
            Part::Lighting(_) => self.lighting.is_none() && self.holes.is_empty(),
            Part::Blur(_) => false,
        }
    }

    fn add(&mut self, part: Part) {
        match part {
            Part::Warp(warp) if self.dihedral == Dihedral::IDENTITY => self.warps.push(warp),
            Part::Warp(warp) => {
                // The same warp before the turn: turned back, warped, and turned.
                let (height, width) = self.shown();
                let (turn, back) = (self.dihedral.affine(self.size), self.dihedral.inverse(self.size));
                self.warps.push(Warp::Affine(then(back, then(warp.affine(height, width), turn))));
            }
            Part::Dihedral(next) => {
                let size = self.shown();
                self.holes.iter_mut().for_each(|hole| *hole = next.image_of(*hole, size));
                self.dihedral = self.dihedral.then(next);
            }
            Part::Lighting(lighting) => self.lighting = Some(lighting),
            Part::Blur(side) => self.blur = Some(side),
            Part::Hole(hole) => self.holes.extend(hole.window(self.shown())),
        }
    }

    /// Height and width of the canvas afterwards.
    pub(super) fn shown(&self) -> (usize, usize) {
        self.dihedral.size(self.size)
    }

    /// Whether some pixels become black.
    pub(super) fn has_holes(&self) -> bool {
        !self.holes.is_empty()
    }

    /// What it makes of `canvas`, which was blurred where it is to be, in `window`.
    pub(super) fn part<P: Pixels>(&self, canvas: &P, window: Window) -> FloatImage {
        let (mut part, change) = augment(canvas, self, window);
        if self.lighting.is_some() {
            part.pixels_mut().iter_mut().for_each(|pixel| *pixel = change.of(*pixel));
        }
        self.holes.iter().for_each(|hole| blacken(&mut part, *hole, window));
        part
    }

    /// What it makes of all of `canvas`.
    pub(super) fn whole<P: Pixels>(&self, canvas: &P) -> FloatImage {
        let (height, width) = self.shown();
        self.part(canvas, Window { top: 0, left: 0, height, width })
    }

    /// The canvas that it begins with.
    pub(super) fn blurred(&self, canvas: FloatImage) -> FloatImage {
        match self.blur {
            Some(side) => blur(&canvas, side),
            None => canvas,
        }
    }
}

impl Hole {
    /// What it blackens of an image of `size`, by the original's formula: `y - length / 2` to `y + length / 2`, cut off below
    /// 0 and at the end, and rounded down. `None` where that is nothing.
    fn window(&self, size: (usize, usize)) -> Option<Window> {
        let ends = |middle: f64, side: usize| {
            let middle = (middle * side as f64) as usize;
            let first = middle.saturating_sub(self.length.div_ceil(2));
            (first, (middle + self.length / 2).min(side) - first)
        };
        let ((top, height), (left, width)) = (ends(self.row, size.0), ends(self.column, size.1));
        (height > 0 && width > 0).then_some(Window { top, left, height, width })
    }
}

/// Blackens `hole` in `part`, which is `window` of its image.
fn blacken(part: &mut FloatImage, hole: Window, window: Window) {
    let shown = |first: usize, count: usize, from: usize, side: usize| {
        first.saturating_sub(from).min(side)..(first + count).saturating_sub(from).min(side)
    };
    let rows = shown(hole.top, hole.height, window.top, window.height);
    let columns = shown(hole.left, hole.width, window.left, window.width);
    for row in part.pixels_mut().chunks_exact_mut(window.width).skip(rows.start).take(rows.len()) {
        row[columns.clone()].fill([0.0; 4]);
    }
}
