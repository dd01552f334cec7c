//! Groups the parts of a draw into passes over the image.

use super::blur::blur;
use super::crop::CropWindow;
use super::dihedral::Dihedral;
use super::draw::{Effect, Hole};
use super::image::{FloatImage, Pixels};
use super::lighting::{LevelChange, Lighting};
use super::rotate::{Rotation, Warp, then};
use fastai_kernels::wide::{Wide, wide};

/// One pass over a canvas: blur, sampling, turns and flips, lighting and black squares, in this order.
///
/// The result equals that of the parts in sequence, except for sampling: consecutive warps, with turns and flips among
/// them, share one sampling. A part that cannot follow the parts of a pass starts the next pass.
#[derive(Clone, Debug)]
pub(super) struct Resampling {
    /// Height and width of the canvas before.
    size: (usize, usize),
    /// The side of the averaging square.
    blur: Option<usize>,
    /// Warps in order, before turns and flips.
    pub(super) warps: Vec<Warp>,
    /// Quarter turns and a flip.
    pub(super) dihedral: Dihedral,
    /// Brightness and contrast. Turns and flips preserve the mean, so their order relative to lighting does not matter.
    pub(super) lighting: Option<Lighting>,
    /// The black squares, applied last.
    holes: Vec<CropWindow>,
}

impl Resampling {
    fn new(size: (usize, usize)) -> Self {
        Resampling {
            size,
            blur: None,
            warps: Vec::new(),
            dihedral: Dihedral::IDENTITY,
            lighting: None,
            holes: Vec::new(),
        }
    }

    /// Returns the passes for `parts` on a canvas of `size`, at least one; the first has no blur.
    pub(super) fn all(parts: &[Effect], size: (usize, usize)) -> Vec<Self> {
        let mut done = Vec::new();
        let mut stage = Resampling::new(size);
        for part in parts {
            if !stage.takes(part) {
                let next = Resampling::new(stage.shown());
                done.push(std::mem::replace(&mut stage, next));
            }
            stage.add(*part);
        }
        done.push(stage);
        done
    }

    /// Whether this pass can also apply `part`.
    fn takes(&self, part: &Effect) -> bool {
        match part {
            Effect::Dihedral(_) | Effect::Hole(_) => true,
            // Clipped lighting and the edges of holes do not commute with sampling, and lighting uses the mean of the pixels
            // before it.
            Effect::Warp(_) | Effect::Lighting(_) => self.lighting.is_none() && self.holes.is_empty(),
            Effect::Blur(_) => false,
        }
    }

    fn add(&mut self, part: Effect) {
        match part {
            Effect::Warp(warp) if self.dihedral == Dihedral::IDENTITY => self.warps.push(warp),
            Effect::Warp(warp) => {
                // Moves the warp before the turn: turn back, warp, turn.
                let (height, width) = self.shown();
                let (turn, back) = (self.dihedral.affine(self.size), self.dihedral.inverse(self.size));
                self.warps.push(Warp::Affine(then(back, then(warp.affine(height, width), turn))));
            }
            Effect::Dihedral(next) => {
                let size = self.shown();
                self.holes.iter_mut().for_each(|hole| *hole = next.image_of(*hole, size));
                self.dihedral = self.dihedral.then(next);
            }
            Effect::Lighting(lighting) => self.lighting = Some(lighting),
            Effect::Blur(side) => self.blur = Some(side),
            Effect::Hole(hole) => self.holes.extend(hole.window(self.shown())),
        }
    }

    /// Height and width of the canvas after the pass.
    pub(super) fn shown(&self) -> (usize, usize) {
        self.dihedral.size(self.size)
    }

    /// Whether some pixels become black.
    pub(super) fn has_holes(&self) -> bool {
        !self.holes.is_empty()
    }

    /// Applies the pass to `canvas`, already blurred if necessary, and returns `window` of the result.
    pub(super) fn part<P: Pixels>(&self, canvas: &P, window: CropWindow) -> FloatImage {
        let (mut part, change) = augment(canvas, self, window);
        if self.lighting.is_some() {
            part.pixels_mut().iter_mut().for_each(|pixel| *pixel = change.of(*pixel));
        }
        self.holes.iter().for_each(|hole| blacken(&mut part, *hole, window));
        part
    }

    /// Applies the pass to the whole `canvas`.
    pub(super) fn whole<P: Pixels>(&self, canvas: &P) -> FloatImage {
        self.part(canvas, CropWindow::whole(self.shown()))
    }

    /// Applies the blur.
    pub(super) fn blurred(&self, canvas: FloatImage) -> FloatImage {
        match self.blur {
            Some(side) => blur(&canvas, side),
            None => canvas,
        }
    }
}

impl Hole {
    /// Returns the window of the hole in an image of `size`, by the original's formula: `y - length / 2` to
    /// `y + length / 2`, clipped at 0 and at the end, and rounded down. `None` if the window is empty.
    fn window(&self, size: (usize, usize)) -> Option<CropWindow> {
        let ends = |middle: f64, side: usize| {
            let middle = (middle * side as f64) as usize;
            let first = middle.saturating_sub(self.length.div_ceil(2));
            (first, (middle + self.length / 2).min(side) - first)
        };
        let ((top, height), (left, width)) = (ends(self.row, size.0), ends(self.column, size.1));
        (height > 0 && width > 0).then_some(CropWindow { top, left, height, width })
    }
}

/// Blackens `hole` in `part`, which is `window` of its image.
fn blacken(part: &mut FloatImage, hole: CropWindow, window: CropWindow) {
    let shown = |first: usize, count: usize, from: usize, side: usize| {
        first.saturating_sub(from).min(side)..(first + count).saturating_sub(from).min(side)
    };
    let rows = shown(hole.top, hole.height, window.top, window.height);
    let columns = shown(hole.left, hole.width, window.left, window.width);
    for row in part.pixels_mut().chunks_exact_mut(window.width).skip(rows.start).take(rows.len()) {
        row[columns.clone()].fill([0.0; 4]);
    }
}

/// Returns `window` of `canvas` after rotation and flips, and the lighting change to apply.
///
/// Turns, flips and crops only select pixels, so they need no intermediate image. Lighting uses the exact mean of the whole
/// rotated canvas, so all of its rows are computed if there is lighting.
pub(super) fn augment<P: Pixels>(canvas: &P, draw: &Resampling, window: CropWindow) -> (FloatImage, LevelChange) {
    wide(Augment { canvas, draw, window })
}

struct Augment<'a, P> {
    canvas: &'a P,
    draw: &'a Resampling,
    window: CropWindow,
}

impl<P: Pixels> Wide for Augment<'_, P> {
    type Output = (FloatImage, LevelChange);

    #[inline(always)]
    fn run(self) -> (FloatImage, LevelChange) {
        let Augment { canvas, draw, window } = self;
        let size = canvas.size();
        let origin = draw.dihedral.origin(window, size);
        let needed = if draw.lighting.is_some() { CropWindow::whole(size) } else { origin };
        let rotation = (!draw.warps.is_empty()).then(|| Rotation::of_all(&draw.warps, size.0, size.1));

        // Without turns, rows stay rows, in their order.
        let rows = draw.dihedral.turns.is_multiple_of(4);
        let mut part = FloatImage::unwritten(window.height, window.width);
        let mut sum = 0f64;
        let mut line = vec![[0f32; 4]; needed.width];
        for y in needed.top..needed.top + needed.height {
            let stored = canvas.stored().filter(|_| rotation.is_none());
            let line: &[[f32; 4]] = match (&rotation, stored) {
                (_, Some(pixels)) => &pixels[y * size.1 + needed.left..][..needed.width],
                (Some(rotation), None) => {
                    rotation.row(canvas, y, needed.left..needed.left + needed.width, &mut line);
                    &line
                }
                (None, None) => {
                    let first = y * size.1 + needed.left;
                    line.iter_mut().enumerate().for_each(|(x, pixel)| *pixel = canvas.pixel(first + x));
                    &line
                }
            };
            if draw.lighting.is_some() {
                sum += total(line);
            }
            if (origin.top..origin.top + origin.height).contains(&y) {
                let shown = &line[origin.left - needed.left..][..origin.width];
                if !rows {
                    draw.dihedral.place(shown, (y, origin.left), size, window, &mut part);
                    continue;
                }
                let row = &mut part.pixels_mut()[(y - origin.top) * origin.width..][..origin.width];
                if draw.dihedral.flip {
                    row.iter_mut().zip(shown.iter().rev()).for_each(|(to, from)| *to = *from);
                } else {
                    row.copy_from_slice(shown);
                }
            }
        }
        let change = draw
            .lighting
            .map_or(LevelChange::NONE, |lighting| lighting.change(sum / (3.0 * size.0 as f64 * size.1 as f64)));
        (part, change)
    }
}

/// The sum of all channels of a row.
#[inline(always)]
fn total(line: &[[f32; 4]]) -> f64 {
    // Independent sums, which run in parallel.
    let mut sums = [0f32; 32];
    let (blocks, rest) = line.as_flattened().as_chunks::<32>();
    for block in blocks {
        sums.iter_mut().zip(block).for_each(|(sum, v)| *sum += v);
    }
    let rest: f32 = rest.iter().sum();
    f64::from(sums.iter().sum::<f32>() + rest)
}
