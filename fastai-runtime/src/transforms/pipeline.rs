//! The whole way from a decoded image to a network's input.

use fastai_dsl::{Augmentation, Crop, Decode, PadMode, Stats, TransformSet, Transforms};
use rand_chacha::ChaCha8Rng;

use super::blur::blur;
use super::crop::{Cut, Window, center};
use super::dihedral::Dihedral;
use super::erase::Patch;
use super::image::{FloatImage, Pixels};
use super::lighting::{Change, Lighting};
use super::normalize::normalize;
use super::operation::Operation;
use super::pad::pad;
use super::rotate::{Rotation, Warp};
use super::scale::{resize, resize_window, scaled_size};
use crate::kernels::wide::{Wide, wide};
use crate::random::{below, chance, uniform, unit};

/// Counts up whenever the numbers that [`Transform::valid`] writes change.
const VERSION: u32 = 3;

/// Probability of a random zoom, and of a rotation.
const OFTEN: f64 = 0.75;

/// The rotation of the sets.
const ROTATE: Augmentation = Augmentation::Rotate { degrees: 10.0, p: OFTEN };

/// The change of light of the sets.
const LIGHTING: Augmentation = Augmentation::Lighting { brightness: 0.05, contrast: 0.05 };

/// How many times the pixels that are needed a reduced image keeps along its shorter side. With fewer the averages that
/// scaling takes would differ more from those of all pixels.
const SPARE: u32 = 2;

/// Longest canvas, times its shorter side. Scaling a strip of 60000 x 1 pixels to its full length would take gigabytes.
const LONGEST: usize = 64;

/// Images to network inputs, as a recipe's `transforms` section says.
///
/// Training: scale the shorter side to the size (times a random zoom), pad, augment, crop, work on the 8-bit square,
/// normalise, erase. Validation: scale, pad, crop, normalise. What fastai 0.7 has is done by its formulas.
#[derive(Clone, Debug)]
pub struct Transform {
    config: Transforms,
    size: usize,
    pad: usize,
    stats: Stats,
}

/// Everything random about one training image.
#[derive(Clone, Debug, PartialEq)]
pub struct Draw {
    /// The shorter side becomes `trunc(zoom * size)`, but at least the size; 1 is none. The googlenet crop does not zoom.
    pub zoom: f64,
    /// Rotation, zoom and stretching in their order, done in one sampling.
    pub warps: Vec<Warp>,
    /// Side of the square of pixels that is averaged.
    pub blur: Option<usize>,
    /// What is blackened.
    pub holes: Vec<Hole>,
    /// Brightness and contrast.
    pub lighting: Option<Lighting>,
    /// Quarter turns and flip.
    pub dihedral: Dihedral,
    /// The crop.
    pub cut: Cut,
    /// What is done to the square, in this order, after it was rounded to 8 bits.
    pub operations: Vec<Operation>,
    /// What is erased at last.
    pub patches: Vec<Patch>,
}

/// A black square.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hole {
    /// Its middle, down, as a part of the height in `[0, 1)`.
    pub row: f64,
    /// Its middle, to the right, as a part of the width in `[0, 1)`.
    pub column: f64,
    /// Its side, pixels of the scaled image; less where the image ends.
    pub length: usize,
}

impl Draw {
    /// Nothing drawn but the crop.
    pub fn plain(cut: Cut) -> Self {
        Draw {
            zoom: 1.0,
            warps: Vec::new(),
            blur: None,
            holes: Vec::new(),
            lighting: None,
            dihedral: Dihedral::IDENTITY,
            cut,
            operations: Vec::new(),
            patches: Vec::new(),
        }
    }

    /// Whether the square is cut out of the scaled image as it is.
    fn only_cuts(&self) -> bool {
        let plain = Draw::plain(Cut::Center);
        self.warps.is_empty()
            && self.holes.is_empty()
            && (self.blur, self.lighting, self.dihedral) == (plain.blur, plain.lighting, plain.dihedral)
    }

    /// Adds what one augmentation draws for a square of `side` pixels.
    fn add(&mut self, augmentation: &Augmentation, side: usize, rng: &mut ChaCha8Rng) {
        let stretched = |max: f64, rng: &mut ChaCha8Rng| Warp::Stretch {
            factor: uniform(rng, 1.0, 1.0 + max),
            across: chance(rng, 0.5),
        };
        match *augmentation {
            Augmentation::Rotate { degrees, p } => {
                if chance(rng, p) {
                    self.warps.push(Warp::Rotate(uniform(rng, -degrees, degrees)));
                }
            }
            Augmentation::Lighting { brightness, contrast } => {
                let next = Lighting::draw(brightness, contrast, rng);
                self.lighting = Some(self.lighting.map_or(next, |before| before.then(next)));
            }
            Augmentation::Flip { p } => {
                self.dihedral = self.dihedral.then(Dihedral { turns: 0, flip: chance(rng, p) });
            }
            Augmentation::Dihedral => {
                let next = Dihedral { turns: below(rng, 4) as u8, flip: chance(rng, 0.5) };
                self.dihedral = self.dihedral.then(next);
            }
            Augmentation::Zoom { max, min } => self.warps.push(Warp::Zoom(uniform(rng, 1.0 + min, 1.0 + max))),
            Augmentation::Stretch { max } => self.warps.push(stretched(max, rng)),
            Augmentation::RotateZoom { degrees, zoom, stretch, ps } => {
                let u = unit(rng);
                if u < ps[0] {
                    self.warps.push(Warp::Rotate(uniform(rng, -degrees, degrees)));
                } else if u < ps[0] + ps[1] {
                    self.warps.push(Warp::Zoom(uniform(rng, 1.0, 1.0 + zoom)));
                } else if u < ps[0] + ps[1] + ps[2] {
                    self.warps.push(stretched(stretch, rng));
                }
            }
            Augmentation::Blur { strength, p } => {
                if chance(rng, p) {
                    self.blur = Some(2 * strength as usize - 1);
                }
            }
            Augmentation::Cutout { holes, length, p } => {
                if chance(rng, p) {
                    let hole = |_| Hole { row: unit(rng), column: unit(rng), length: length as usize };
                    self.holes.extend((0..holes).map(hole));
                }
            }
            Augmentation::Erase { p, area, value } => {
                if chance(rng, p) {
                    self.patches.extend(Patch::draw(area, value, side, rng));
                }
            }
            Augmentation::TrivialAugment => self.operations.push(Operation::trivial(rng)),
            Augmentation::RandAugment { n, m } => {
                self.operations.extend((0..n).map(|_| Operation::rand(m, side, rng)));
            }
        }
    }
}

impl Transform {
    /// The transforms of `cfg` for a network trained on pixels of these `stats`.
    pub fn new(cfg: &Transforms, stats: Stats) -> Self {
        Transform { config: cfg.clone(), size: cfg.size as usize, pad: cfg.pad as usize, stats: cfg.stats(stats) }
    }

    /// Writes `image`, randomly augmented, as `[3, size, size]`. The same generator gives the same augmentation.
    ///
    /// # Panics
    /// Where `out` has another length, or the image no pixels.
    pub fn train<P: Pixels>(&self, image: &P, rng: &mut ChaCha8Rng, out: &mut [f32]) {
        self.apply(image, &self.draw(rng), out);
    }

    /// Writes `image` as `[3, size, size]`, nothing random about it.
    ///
    /// # Panics
    /// Where `out` has another length, or the image no pixels.
    pub fn valid<P: Pixels>(&self, image: &P, out: &mut [f32]) {
        let cut = if self.config.crop == Crop::None { Cut::Squash } else { Cut::Center };
        self.apply(image, &Draw::plain(cut), out);
    }

    /// Undoes the normalisation: images as a network takes them, `[3, size, size]` or a batch `[n, 3, size, size]`, as
    /// `[size, size, 3]` or `[n, size, size, 3]`, `x * std + mean`, not clipped.
    ///
    /// # Panics
    /// Where the values are not those of whole images of this transform's size.
    pub fn denorm(&self, values: &[f32]) -> Vec<f32> {
        let plane = self.size * self.size;
        let n = values.len();
        assert!(n.is_multiple_of(3 * plane), "{n} values are no images [3, size, size] with size {}", self.size);
        let Stats { mean, std } = self.stats;
        let images = values.chunks_exact(3 * plane);
        let pixel =
            |image: &[f32], i: usize| std::array::from_fn::<f32, 3, _>(|c| image[c * plane + i] * std[c] + mean[c]);
        images.flat_map(|image| (0..plane).flat_map(move |i| pixel(image, i))).collect()
    }

    /// All that [`Transform::valid`] depends on besides the image, as text that stays the same from run to run.
    pub fn signature(&self) -> String {
        // Neither crop of the middle sees a border.
        let (crop, pad) = if self.config.crop == Crop::None { ("none", self.pad) } else { ("center", 0) };
        let Stats { mean, std } = self.stats;
        let mode = if pad == 0 || self.config.pad_mode == PadMode::Reflect { "" } else { " constant" };
        let decoded = self.shorter_side().map_or(String::new(), |side| format!(" decoded to {side}"));
        format!(
            "transforms {VERSION}: size {} crop {crop} pad {pad}{mode} mean {mean:?} std {std:?}{decoded}",
            self.size
        )
    }

    /// The shorter side that a decoded image must keep, pixels: twice that of the largest zoom. `None` where images are to
    /// be decoded in full, as the googlenet crop always needs them.
    pub fn shorter_side(&self) -> Option<u32> {
        match (self.config.decode, self.config.crop) {
            (Decode::Full, _) | (_, Crop::Googlenet) => None,
            (Decode::Reduced, _) => Some((self.target(self.config.max_zoom[1]) as u32).saturating_mul(SPARE)),
        }
    }

    /// The shorter side of an image scaled with `zoom`, pixels.
    fn target(&self, zoom: f64) -> usize {
        ((zoom * self.size as f64) as usize).max(self.size)
    }

    /// Draws the parameters of one training image.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> Draw {
        let [low, high] = self.config.max_zoom;
        let zoomed = chance(rng, OFTEN);
        let zoom = uniform(rng, low, high);
        let mut draw = Draw { zoom: if zoomed { zoom } else { 1.0 }, ..Draw::plain(Cut::draw(self.config.crop, rng)) };
        let set: &[Augmentation] = match self.config.set {
            TransformSet::None => &[],
            TransformSet::Basic => &[ROTATE, LIGHTING],
            TransformSet::SideOn => &[ROTATE, LIGHTING, Augmentation::Flip { p: 0.5 }],
            TransformSet::TopDown => &[ROTATE, LIGHTING, Augmentation::Dihedral],
        };
        for augmentation in set.iter().chain(&self.config.augment) {
            draw.add(augmentation, self.size, rng);
        }
        draw
    }

    /// Writes `image` transformed by `draw` as `[3, size, size]`.
    ///
    /// # Panics
    /// Where `out` has another length, or the image no pixels.
    pub fn apply<P: Pixels>(&self, image: &P, draw: &Draw, out: &mut [f32]) {
        assert_eq!(out.len(), 3 * self.size * self.size, "[3, size, size] with size {}", self.size);
        assert!(image.size().0 > 0 && image.size().1 > 0, "an image without pixels");
        let (mut square, mut change) = match draw.cut {
            // This crop comes of the full image: it scales by itself.
            Cut::Area(_) => self.square(image, draw),
            _ => self.scaled_square(image, draw),
        };
        if !draw.operations.is_empty() {
            let whole = square.to_bytes(|pixel| change.of(pixel));
            let worked = draw.operations.iter().fold(whole, |image, operation| operation.apply(image));
            (square, change) = (FloatImage::from_pixels(&worked), Change::NONE);
        }
        normalize(&square, change, &self.stats, out);
        draw.patches.iter().for_each(|patch| patch.erase(out, self.size));
    }

    /// The square of a draw that scales first, and the change of light that is still to be made.
    fn scaled_square<P: Pixels>(&self, image: &P, draw: &Draw) -> (FloatImage, Change) {
        let target = self.target(draw.zoom);
        let limit = target.saturating_mul(LONGEST);
        let mut scaled = scaled_size(image.extent(), target);
        let squash = draw.cut == Cut::Squash;
        if squash {
            scaled = (scaled.0.min(limit), scaled.1.min(limit));
        }
        if draw.only_cuts() && !squash && (self.pad == 0 || draw.cut == Cut::Center) {
            let window = draw.cut.window(scaled, self.size).expect("only an area has no window");
            return (resize_window(image, scaled, window), Change::NONE);
        }
        // Of a very long strip, only the surroundings of the crop.
        let (mut row, mut column) = match draw.cut {
            Cut::At { row, column } => (row, column),
            _ => (0.5, 0.5),
        };
        if draw.dihedral.turns % 2 == 1 {
            (row, column) = (column, row);
        }
        let (height, width) = (scaled.0.min(limit), scaled.1.min(limit));
        let top = (row * (scaled.0 - height) as f64) as usize;
        let left = (column * (scaled.1 - width) as f64) as usize;
        let canvas = resize_window(image, scaled, Window { top, left, height, width });
        if self.pad > 0 {
            self.square(&pad(&canvas, self.pad, self.config.pad_mode), draw)
        } else {
            self.square(&canvas, draw)
        }
    }

    /// Augments the `canvas` and cuts the square; the change of light is left to the caller.
    fn square<P: Pixels>(&self, canvas: &P, draw: &Draw) -> (FloatImage, Change) {
        if let Some(side) = draw.blur {
            // Pixels beyond the crop count, so all of the canvas is warped first.
            let warps = Draw { warps: draw.warps.clone(), ..Draw::plain(Cut::Center) };
            let (height, width) = canvas.size();
            let (warped, _) = augment(canvas, &warps, Window { top: 0, left: 0, height, width });
            return self.square(&blur(&warped, side), &Draw { warps: Vec::new(), blur: None, ..draw.clone() });
        }
        let size = draw.dihedral.size(canvas.size());
        let lit = |window: Window| {
            // Light is clipped, so scaling comes after it, and black stays black.
            let (mut part, change) = augment(canvas, draw, window);
            if draw.lighting.is_some() {
                part.pixels_mut().iter_mut().for_each(|pixel| *pixel = change.of(*pixel));
            }
            draw.holes.iter().for_each(|hole| cut_out(&mut part, hole, size, window));
            part
        };
        match draw.cut.window(size, self.size) {
            Some(window) if (window.height, window.width) == (self.size, self.size) => {
                if draw.holes.is_empty() {
                    augment(canvas, draw, window)
                } else {
                    (lit(window), Change::NONE)
                }
            }
            Some(window) => (resize(&lit(window), self.size, self.size), Change::NONE),
            None => {
                let whole = lit(Window { top: 0, left: 0, height: size.0, width: size.1 });
                let scaled = scaled_size(whole.extent(), self.size);
                (resize_window(&whole, scaled, center(scaled, self.size)), Change::NONE)
            }
        }
    }
}

/// Blackens a square of an image of `size`, of which `part` is `window`.
fn cut_out(part: &mut FloatImage, hole: &Hole, size: (usize, usize), window: Window) {
    let ends = |middle: f64, side: usize, from: usize, shown: usize| {
        let middle = (middle * side as f64) as usize;
        let first = middle.saturating_sub(hole.length / 2);
        let end = (middle + hole.length / 2).min(side);
        first.saturating_sub(from).min(shown)..end.saturating_sub(from).min(shown)
    };
    let rows = ends(hole.row, size.0, window.top, window.height);
    let columns = ends(hole.column, size.1, window.left, window.width);
    for row in part.pixels_mut().chunks_exact_mut(window.width).skip(rows.start).take(rows.len()) {
        row[columns.clone()].fill([0.0; 4]);
    }
}

/// What `window` shows of `canvas` after rotation and flips, and the change of light that is to follow.
///
/// Turns, flips and crops only select pixels, so no image is made between them. The mean that lighting keeps is exactly
/// that of the whole rotated canvas, which is why all of its rows are computed wherever there is lighting.
fn augment<P: Pixels>(canvas: &P, draw: &Draw, window: Window) -> (FloatImage, Change) {
    wide(Augment { canvas, draw, window })
}

struct Augment<'a, P> {
    canvas: &'a P,
    draw: &'a Draw,
    window: Window,
}

impl<P: Pixels> Wide for Augment<'_, P> {
    type Output = (FloatImage, Change);

    #[inline(always)]
    fn run(self) -> (FloatImage, Change) {
        let Augment { canvas, draw, window } = self;
        let size = canvas.size();
        let origin = draw.dihedral.origin(window, size);
        let needed =
            if draw.lighting.is_some() { Window { top: 0, left: 0, height: size.0, width: size.1 } } else { origin };
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
        let change =
            draw.lighting.map_or(Change::NONE, |lighting| lighting.change(sum / (3.0 * size.0 as f64 * size.1 as f64)));
        (part, change)
    }
}

/// The sum of all channels of a row.
#[inline(always)]
fn total(line: &[[f32; 4]]) -> f64 {
    // Many sums that do not wait for one another.
    let mut sums = [0f32; 32];
    let (blocks, rest) = line.as_flattened().as_chunks::<32>();
    for block in blocks {
        sums.iter_mut().zip(block).for_each(|(sum, v)| *sum += v);
    }
    let rest: f32 = rest.iter().sum();
    f64::from(sums.iter().sum::<f32>() + rest)
}
