//! Random erasing: overwrites a rectangle of the network's input.

use fastai_dsl::Erased;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::crop::CropWindow;
use crate::random::{Stream, normal, uniform};

/// Smallest and largest aspect, height by width.
const ASPECT: (f64, f64) = (0.3, 3.3);
/// Tries until a rectangle fits.
const TRIES: usize = 10;

/// A rectangle to erase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Patch {
    /// Where.
    pub window: CropWindow,
    /// The seed of its noise; `None` fills it with the mean.
    pub noise: Option<u64>,
}

impl Patch {
    /// Draws a rectangle in a square of `side` pixels whose share of the area lies in `area`, like torchvision's
    /// `RandomErasing`. `None` if ten tries find no rectangle smaller than the square in both directions.
    pub(super) fn draw(area: [f64; 2], value: Erased, side: usize, rng: &mut ChaCha8Rng) -> Option<Self> {
        let window = (0..TRIES).find_map(|_| {
            let pixels = uniform(rng, area[0], area[1]) * (side * side) as f64;
            // Drawn in logarithmic scale, so that tall rectangles are as likely as wide ones.
            let aspect = uniform(rng, ASPECT.0.ln(), ASPECT.1.ln()).exp();
            let height = (pixels * aspect).sqrt().round_ties_even() as usize;
            let width = (pixels / aspect).sqrt().round_ties_even() as usize;
            if height >= side || width >= side {
                return None;
            }
            let start = |length: usize, rng: &mut ChaCha8Rng| uniform(rng, 0.0, (side - length + 1) as f64) as usize;
            Some(CropWindow { top: start(height, rng), left: start(width, rng), height, width })
        })?;
        Some(Patch { window, noise: (value == Erased::Noise).then(|| rng.next_u64()) })
    }

    /// Erases the rectangle from `values`, `[3, side, side]`: writes what `of` makes of the content's normalised values and their
    /// channels.
    pub(super) fn erase<V>(&self, values: &mut [V], side: usize, of: &impl Fn(f32, usize) -> V) {
        let CropWindow { top, left, height, width } = self.window;
        for (row, line) in self.content().chunks_exact(width.max(1)).enumerate() {
            let channel = row / height;
            let start = (channel * side + top + row % height) * side + left;
            let values = values[start..start + width].iter_mut();
            values.zip(line).for_each(|(value, content)| *value = of(*content, channel));
        }
    }

    /// The normalised values that replace the image, `[3, height, width]`.
    fn content(&self) -> Vec<f32> {
        let values = 3 * self.window.height * self.window.width;
        match self.noise {
            None => vec![0.0; values],
            Some(seed) => normal(&mut Stream::new(seed, "erase").at(&[]), values, 1.0),
        }
    }
}
