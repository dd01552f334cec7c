//! Converts an image to a network's input.

use fastai_dsl::Stats;

use super::image::FloatImage;
use super::lighting::LevelChange;
use fastai_kernels::wide::{Wide, wide};

/// Writes `(x - mean) / std` of each channel into `out`, `[3, height, width]`, after the lighting `change`.
pub(super) fn normalize(image: &FloatImage, change: LevelChange, stats: &Stats, out: &mut [f32]) {
    wide(Normalize { image, change, stats, out });
}

struct Normalize<'a> {
    image: &'a FloatImage,
    change: LevelChange,
    stats: &'a Stats,
    out: &'a mut [f32],
}

impl Wide for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Normalize { image, change, stats, out } = self;
        let (red, rest) = out.split_at_mut(image.pixels().len());
        let (green, blue) = rest.split_at_mut(image.pixels().len());
        let scale = stats.std.map(|std| 1.0 / std);
        let shift: [f32; 3] = std::array::from_fn(|c| -stats.mean[c] / stats.std[c]);
        for (((pixel, r), g), b) in image.pixels().iter().zip(red).zip(green).zip(blue) {
            let pixel = change.of(*pixel);
            *r = pixel[0] * scale[0] + shift[0];
            *g = pixel[1] * scale[1] + shift[1];
            *b = pixel[2] * scale[2] + shift[2];
        }
    }
}
