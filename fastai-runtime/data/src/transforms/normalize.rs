//! Converts an image to a network's input.

use fastai_dsl::{PixelFormat, Stats};
use image::RgbImage;

use super::erase::Patch;
use super::image::{FloatImage, Pixels, to_byte};
use super::lighting::LevelChange;
use fastai_kernels::wide::{Wide, wide};

/// A number of a network's input: normalised, or a byte for a device that normalises it.
pub trait InputValue: Copy + Default + Send + 'static {
    /// Writes `square` as `[3, size, size]`.
    #[doc(hidden)]
    fn write(square: &FinishedSquare<'_>, out: &mut [Self]);
}

/// The square of an image after all that is done to it before it becomes a network's input.
pub struct FinishedSquare<'a> {
    pub(super) pixels: FloatImage,
    /// The lighting that is still to change.
    pub(super) change: LevelChange,
    /// The rectangles that are still to erase.
    pub(super) patches: &'a [Patch],
    pub(super) stats: Stats,
    pub(super) format: PixelFormat,
}

/// `(x - mean) / std` of each channel, of levels or of bytes.
impl InputValue for f32 {
    fn write(square: &FinishedSquare<'_>, out: &mut [f32]) {
        let Stats { mean, std } = square.stats;
        let scale = std.map(|std| 1.0 / std);
        let shift: [f32; 3] = std::array::from_fn(|c| -mean[c] / std[c]);
        let normalised = move |level: f32, channel: usize| level * scale[channel] + shift[channel];
        match square.format {
            PixelFormat::Floats => square.planes(out, normalised, |value, _| value),
            PixelFormat::Bytes => {
                let mut bytes = vec![0; out.len()];
                u8::write(square, &mut bytes);
                let plane = (out.len() / 3).max(1);
                let planes = out.chunks_exact_mut(plane).zip(bytes.chunks_exact(plane));
                for (channel, (values, bytes)) in planes.enumerate() {
                    let values = values.iter_mut().zip(bytes);
                    values.for_each(|(value, byte)| *value = normalised(f32::from(*byte) * RgbImage::UNIT, channel));
                }
            }
        }
    }
}

/// Levels as 0 to 255, rounded to nearest.
impl InputValue for u8 {
    fn write(square: &FinishedSquare<'_>, out: &mut [u8]) {
        let Stats { mean, std } = square.stats;
        square.planes(out, |level, _| to_byte(level), |value, channel| to_byte(value * std[channel] + mean[channel]));
    }
}

impl FinishedSquare<'_> {
    /// Writes what `level` makes of each level in `[0, 1]` and its channel, and in erased rectangles what `content` makes of each
    /// normalised value.
    fn planes<V>(&self, out: &mut [V], level: impl Fn(f32, usize) -> V, content: impl Fn(f32, usize) -> V) {
        wide(Planes { square: &self.pixels, change: self.change, level, out: &mut *out });
        self.patches.iter().for_each(|patch| patch.erase(out, self.pixels.width(), &content));
    }
}

struct Planes<'a, V, L> {
    square: &'a FloatImage,
    change: LevelChange,
    level: L,
    out: &'a mut [V],
}

impl<V, L: Fn(f32, usize) -> V> Wide for Planes<'_, V, L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Planes { square, change, level, out } = self;
        let (red, rest) = out.split_at_mut(square.pixels().len());
        let (green, blue) = rest.split_at_mut(square.pixels().len());
        for (((pixel, r), g), b) in square.pixels().iter().zip(red).zip(green).zip(blue) {
            let pixel = change.of(*pixel);
            (*r, *g, *b) = (level(pixel[0], 0), level(pixel[1], 1), level(pixel[2], 2));
        }
    }
}
