//! Brightness and contrast.

use rand_chacha::ChaCha8Rng;

use super::image::FloatImage;
use crate::random::uniform;

/// A change of brightness and contrast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lighting {
    /// Offset of every channel.
    pub brightness: f64,
    /// Change of contrast: positive values increase the distance of channels from the mean.
    pub contrast: f64,
}

impl Lighting {
    /// Draws a change up to these limits, of either sign.
    pub(super) fn draw(brightness: f64, contrast: f64, rng: &mut ChaCha8Rng) -> Self {
        let brightness = uniform(rng, -brightness, brightness);
        let contrast = uniform(rng, -contrast, contrast);
        Lighting { brightness, contrast }
    }

    /// `clip((x - mean) * k + mean + brightness, 0, 1)`, `k = 1 + contrast`, or `1 / (1 - contrast)` below 0.
    ///
    /// `mean` is over the pixels and channels of the whole picture, of which `image` may be a part.
    pub fn apply(&self, image: &mut FloatImage, mean: f64) {
        let change = self.change(mean);
        image.pixels_mut().iter_mut().for_each(|pixel| *pixel = change.of(*pixel));
    }

    /// Returns the change of pixels for a picture with this mean.
    pub(super) fn change(&self, mean: f64) -> LevelChange {
        let k = if self.contrast >= 0.0 { 1.0 + self.contrast } else { 1.0 / (1.0 - self.contrast) };
        LevelChange { scale: k as f32, shift: (mean - mean * k + self.brightness) as f32 }
    }
}

/// A change of pixels: `clip(x * scale + shift, 0, 1)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct LevelChange {
    scale: f32,
    shift: f32,
}

impl LevelChange {
    /// The change that keeps pixels in `[0, 1]`.
    pub(super) const NONE: LevelChange = LevelChange { scale: 1.0, shift: 0.0 };

    #[inline(always)]
    pub(super) fn of(self, pixel: [f32; 4]) -> [f32; 4] {
        let mut lit = pixel.map(|v| (v * self.scale + self.shift).clamp(0.0, 1.0));
        lit[3] = 0.0;
        lit
    }
}
