//! The complete transform from a decoded image to a network's input.

use fastai_dsl::{Augmentation, Crop, Decode, PadMode, Stats, TransformSet, Transforms};

use super::crop::{CropWindow, Cut, center};
use super::demand::Demand;
use super::draw::Draw;
use super::image::{FloatImage, Pixels};
use super::lighting::LevelChange;
use super::normalize::{FinishedSquare, InputValue};
use super::pad::pad;
use super::resampling::{Resampling, augment};
use super::scale::{resize, resize_window, scaled_size};
use super::signature::Signature;
use crate::random::{Address, Stream};

/// Incremented whenever the output of [`Transform::valid`] changes.
const VERSION: u32 = 3;

/// The rotation of the sets.
const ROTATE: Augmentation = Augmentation::Rotate { degrees: 10.0, p: 0.75 };

/// The change of light of the sets.
const LIGHTING: Augmentation = Augmentation::Lighting { brightness: 0.05, contrast: 0.05 };

/// Oversampling of reduced images along the shorter side. With less, the averages of scaling would differ more from those
/// of all pixels.
const SPARE: u32 = 2;

/// Largest aspect ratio of a canvas.
const LONGEST: usize = 64;

/// Largest canvas that is longer than two squares, pixels, which is 64 MiB of floats: a strip of 16000 x 100 pixels scaled
/// to its full length would take gigabytes.
const SURROUNDINGS: usize = 1 << 22;

/// Converts images to network inputs according to a recipe's `transforms` section.
///
/// Training: scale the shorter side to the size (times a random zoom), pad, augment, crop, apply 8-bit operations to the
/// square, normalise, erase. Validation: scale, pad, crop, normalise. Transforms that exist in fastai 0.7 use its formulas.
#[derive(Clone, Debug)]
pub struct Transform {
    config: Transforms,
    size: usize,
    pad: usize,
    stats: Stats,
}

impl Transform {
    /// Creates the transforms of `cfg` for a network trained on pixels with these `stats`.
    pub fn new(cfg: &Transforms, stats: Stats) -> Self {
        let (size, pad) = (cfg.size as usize, cfg.pad as usize);
        Transform { config: cfg.clone(), size, pad, stats: cfg.stats(stats) }
    }

    /// Writes `image`, randomly augmented, as `[3, size, size]`. The same address gives the same augmentation.
    ///
    /// # Panics
    /// If `out` has another length, or the image has no pixels.
    pub fn train<P: Pixels, V: InputValue>(&self, image: &P, address: Address, out: &mut [V]) {
        self.apply(image, &self.draw(address), out);
    }

    /// Writes the augmented inputs of test-time augmentation from number `first` on, `[view, 3, size, size]`. The seed, the
    /// pixels and the number of a view draw its augmentation: an image has the same views in a run, when the run's model is
    /// validated, and alone.
    ///
    /// # Panics
    /// If `out` holds no whole inputs, or the image has no pixels.
    pub fn views<P: Pixels, V: InputValue>(&self, image: &P, seed: u64, first: u64, out: &mut [V]) {
        let input = 3 * self.size * self.size;
        assert!(out.len().is_multiple_of(input), "whole inputs");
        if out.is_empty() {
            return;
        }
        let (stream, image_key) = (Stream::new(seed, "tta"), image.digest());
        for (view, out) in (first..).zip(out.chunks_exact_mut(input)) {
            self.train(image, stream.address(&[image_key, view]), out);
        }
    }

    /// Writes `image` as `[3, size, size]` without random transforms. The border is always reflected.
    ///
    /// # Panics
    /// If `out` has another length, or the image has no pixels.
    pub fn valid<P: Pixels, V: InputValue>(&self, image: &P, out: &mut [V]) {
        let cut = if self.config.crop == Crop::None { Cut::Squash } else { Cut::Center };
        self.write(image, &Draw::plain(cut), PadMode::Reflect, out);
    }

    /// Undoes the normalisation: converts network inputs, `[3, size, size]` or a batch `[n, 3, size, size]`, to
    /// `[size, size, 3]` or `[n, size, size, 3]` by `x * std + mean`, without clipping.
    ///
    /// # Panics
    /// If the values are not complete images of this transform's size.
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

    /// Everything that [`Transform::valid`] depends on besides the image.
    pub fn signature(&self) -> Signature {
        // Neither centre crop includes the border, and a squashed image has a reflected border regardless of training.
        let (crop, pad) = if self.config.crop == Crop::None { (Crop::None, self.pad) } else { (Crop::Center, 0) };
        let Transform { size, stats, ref config, .. } = *self;
        Signature { version: VERSION, size, crop, pad, stats, demand: self.demand(), pixels: config.pixels }
    }

    /// How images are to be decoded. Reduced decoding keeps twice the side of the largest zoom; the googlenet crop always needs
    /// full decoding.
    pub fn demand(&self) -> Demand {
        let shorter = match (self.config.decode, self.config.crop) {
            (Decode::Full, _) | (_, Crop::Googlenet) => None,
            (Decode::Reduced, _) => Some((self.target(self.config.max_zoom[1]) as u32).saturating_mul(SPARE)),
        };
        Demand { shorter, bits: self.config.bits }
    }

    /// The shorter side of an image scaled with `zoom`, pixels.
    fn target(&self, zoom: f64) -> usize {
        ((zoom * self.size as f64) as usize).max(self.size)
    }

    /// Draws the random values of one training image. Each part draws independently: changing or adding one leaves the
    /// draws of the others unchanged.
    pub fn draw(&self, address: Address) -> Draw {
        let set: &[Augmentation] = match self.config.set {
            TransformSet::None => &[],
            TransformSet::Basic => &[ROTATE, LIGHTING],
            TransformSet::SideOn => &[ROTATE, LIGHTING, Augmentation::Flip { p: 0.5 }],
            TransformSet::TopDown => &[ROTATE, LIGHTING, Augmentation::Dihedral],
        };
        let all = set.iter().chain(&self.config.augment);
        Draw::new(self.config.max_zoom, self.config.crop, all, self.size, address)
    }

    /// Writes `image` transformed by `draw` as `[3, size, size]`.
    ///
    /// # Panics
    /// If `out` has another length, or the image has no pixels.
    pub fn apply<P: Pixels, V: InputValue>(&self, image: &P, draw: &Draw, out: &mut [V]) {
        self.write(image, draw, self.config.pad_mode, out);
    }

    fn write<P: Pixels, V: InputValue>(&self, image: &P, draw: &Draw, border: PadMode, out: &mut [V]) {
        assert_eq!(out.len(), 3 * self.size * self.size, "[3, size, size] with size {}", self.size);
        assert!(image.size().0 > 0 && image.size().1 > 0, "an image without pixels");
        let (mut square, mut change) = match draw.cut {
            // This crop uses the full image and scales by itself.
            Cut::Area(_) => self.square(image, draw),
            _ => self.scaled_square(image, draw, border),
        };
        if !draw.operations.is_empty() {
            let whole = square.to_bytes(|pixel| change.of(pixel));
            let worked = draw.operations.iter().fold(whole, |image, operation| operation.apply(image));
            (square, change) = (FloatImage::from_pixels(&worked), LevelChange::NONE);
        }
        let (stats, format) = (self.stats, self.config.pixels);
        V::write(&FinishedSquare { pixels: square, change, patches: &draw.patches, stats, format }, out);
    }

    /// Returns the square of a draw that scales first, and the lighting change still to apply.
    fn scaled_square<P: Pixels>(&self, image: &P, draw: &Draw, border: PadMode) -> (FloatImage, LevelChange) {
        let target = self.target(draw.zoom);
        let mut scaled = scaled_size(image.extent(), target);
        let squash = draw.cut == Cut::Squash;
        if squash {
            scaled = (scaled.0.min(longest(target)), scaled.1.min(longest(target)));
        }
        if draw.parts.is_empty() && !squash && (self.pad == 0 || draw.cut == Cut::Center) {
            let window = draw.cut.window(scaled, self.size).expect("only an area has no window");
            return (resize_window(image, scaled, window), LevelChange::NONE);
        }
        let mut canvas = resize_window(image, scaled, surroundings(scaled, target, draw));
        if self.pad > 0 {
            canvas = pad(&canvas, self.pad, border);
        }
        self.square(&canvas, draw)
    }

    /// Augments the `canvas` and crops the square; the caller applies the lighting change.
    fn square<P: Pixels>(&self, canvas: &P, draw: &Draw) -> (FloatImage, LevelChange) {
        let stages = Resampling::all(&draw.parts, canvas.size());
        let (first, rest) = stages.split_first().expect("at least one stage");
        let Some((last, between)) = rest.split_last() else { return self.cut(canvas, first, &draw.cut) };
        let mut whole = first.whole(canvas);
        for stage in between {
            whole = stage.whole(&stage.blurred(whole));
        }
        self.cut(&last.blurred(whole), last, &draw.cut)
    }

    /// Returns the square that `cut` takes from the last stage's result for `canvas`.
    fn cut<P: Pixels>(&self, canvas: &P, stage: &Resampling, cut: &Cut) -> (FloatImage, LevelChange) {
        match cut.window(stage.shown(), self.size) {
            Some(window) if (window.height, window.width) == (self.size, self.size) => {
                if stage.has_holes() {
                    // Black stays black.
                    (stage.part(canvas, window), LevelChange::NONE)
                } else {
                    augment(canvas, stage, window)
                }
            }
            // Lighting clips, so scaling follows it.
            Some(window) => (resize(&stage.part(canvas, window), self.size, self.size), LevelChange::NONE),
            None => {
                let whole = stage.whole(canvas);
                let scaled = scaled_size(whole.extent(), self.size);
                (resize_window(&whole, scaled, center(scaled, self.size)), LevelChange::NONE)
            }
        }
    }
}

/// The longest side of a canvas whose shorter side is `target`, pixels, within [`SURROUNDINGS`] and [`LONGEST`], but at
/// least twice that side.
fn longest(target: usize) -> usize {
    (SURROUNDINGS / target).min(LONGEST * target).max(2 * target)
}

/// Returns the window to compute of an image of `scaled` pixels whose shorter side is `target`: the whole image, or the
/// surroundings of the crop in a long strip. Rotation then turns about the centre of the window, and lighting uses its
/// mean.
fn surroundings(scaled: (usize, usize), target: usize, draw: &Draw) -> CropWindow {
    let (mut row, mut column) = match draw.cut {
        Cut::At { row, column } => (row, column),
        _ => (0.5, 0.5),
    };
    if draw.turned() {
        (row, column) = (column, row);
    }
    let (height, width) = (scaled.0.min(longest(target)), scaled.1.min(longest(target)));
    let start = |u: f64, room: usize| (u * room as f64) as usize;
    CropWindow { top: start(row, scaled.0 - height), left: start(column, scaled.1 - width), height, width }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strip_keeps_what_is_around_the_crop_and_anything_else_all() {
        for (height, width, size, zoom) in [
            (100, 16_000, 1024, 1.1),
            (60_000, 1, 224, 1.0),
            (1, 60_000, 4096, 1.0),
            (3, 9_000, 8, 4.0),
            (20, 20, 4096, 4.0),
        ] {
            let target = (f64::from(size) * zoom) as usize;
            let scaled = scaled_size((f64::from(height), f64::from(width)), target);
            for u in [0.0, 0.3, 0.999] {
                let draw = Draw::plain(Cut::At { row: u, column: u });
                let window = surroundings(scaled, target, &draw);
                assert!(window.height.min(window.width) >= target, "the crop fits: {window:?}");
                assert!(window.top + window.height <= scaled.0 && window.left + window.width <= scaled.1);
                let pixels = window.height * window.width;
                assert!(pixels <= SURROUNDINGS.max(2 * target * target), "{height} x {width}: {window:?}");
            }
        }
        // Photos and panoramas are whole.
        for (height, width, target) in [(375, 500, 246), (1080, 1920, 1126), (200, 3000, 512), (900, 1600, 4096)] {
            let scaled = scaled_size((f64::from(height), f64::from(width)), target);
            let window = surroundings(scaled, target, &Draw::plain(Cut::Center));
            assert_eq!((window.height, window.width), scaled);
        }
    }
}
