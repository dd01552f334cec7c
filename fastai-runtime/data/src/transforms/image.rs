//! The images that transforms read and write.

use std::cell::RefCell;

use super::crop::CropWindow;
use fastai_kernels::wide::{Wide, wide};

/// The source of scaling and rotation: pixels in rows from the top, with red, green and blue first in each.
pub trait Pixels {
    /// One channel of a pixel.
    type Sample: Copy + Into<f32>;
    /// Samples per stored pixel.
    const LANES: usize;
    /// The factor that maps a sample to `[0, 1]`.
    const UNIT: f32;

    /// Height and width, pixels.
    fn size(&self) -> (usize, usize);
    /// Height and width of the image content in pixels: content may fill the last row and column only in part.
    fn extent(&self) -> (f64, f64) {
        let (height, width) = self.size();
        (height as f64, width as f64)
    }
    /// All samples, `[height, width, LANES]`.
    fn samples(&self) -> &[Self::Sample];
    /// The pixel at `y * width + x`, channels in `[0, 1]`; the fourth value is 0.
    fn pixel(&self, index: usize) -> [f32; 4];
    /// A digest of sides and samples, by which equal images draw equal augmentations.
    fn digest(&self) -> u64;

    /// The stored pixels, if their format is that of [`pixel`](Self::pixel).
    #[inline(always)]
    fn stored(&self) -> Option<&[[f32; 4]]> {
        None
    }
}

impl Pixels for image::RgbImage {
    type Sample = u8;
    const LANES: usize = 3;
    const UNIT: f32 = 1.0 / 255.0;

    fn size(&self) -> (usize, usize) {
        (self.height() as usize, self.width() as usize)
    }

    fn samples(&self) -> &[u8] {
        self.as_raw()
    }

    fn digest(&self) -> u64 {
        digest(self.size(), self.as_raw())
    }

    #[inline(always)]
    fn pixel(&self, index: usize) -> [f32; 4] {
        let p = &self.as_raw()[3 * index..3 * index + 3];
        [f32::from(p[0]) * Self::UNIT, f32::from(p[1]) * Self::UNIT, f32::from(p[2]) * Self::UNIT, 0.0]
    }
}

fn digest((height, width): (usize, usize), samples: &[u8]) -> u64 {
    let mut hash = blake3::Hasher::new();
    for side in [height, width] {
        hash.update(&(side as u64).to_le_bytes());
    }
    hash.update(samples);
    u64::from_le_bytes(*hash.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes"))
}

/// A decoded image: 8-bit pixels, and the extent of the content in them.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    pixels: image::RgbImage,
    extent: (f64, f64),
}

impl Picture {
    /// Creates a picture whose content has these fractional `height` and `width`: each less than one pixel below the number
    /// of rows or columns.
    ///
    /// # Panics
    /// If the pixels do not fit the extent.
    pub fn new(pixels: image::RgbImage, height: f64, width: f64) -> Self {
        assert_eq!(pixels.dimensions(), (width.ceil() as u32, height.ceil() as u32), "pixels of another image");
        Picture { pixels, extent: (height, width) }
    }

    /// Returns the pixels.
    pub fn into_pixels(self) -> image::RgbImage {
        self.pixels
    }
}

impl From<image::RgbImage> for Picture {
    fn from(pixels: image::RgbImage) -> Self {
        let extent = pixels.extent();
        Picture { pixels, extent }
    }
}

impl std::ops::Deref for Picture {
    type Target = image::RgbImage;

    fn deref(&self) -> &image::RgbImage {
        &self.pixels
    }
}

impl Pixels for Picture {
    type Sample = u8;
    const LANES: usize = <image::RgbImage as Pixels>::LANES;
    const UNIT: f32 = <image::RgbImage as Pixels>::UNIT;

    fn size(&self) -> (usize, usize) {
        self.pixels.size()
    }

    fn extent(&self) -> (f64, f64) {
        self.extent
    }

    fn samples(&self) -> &[u8] {
        self.pixels.samples()
    }

    fn digest(&self) -> u64 {
        self.pixels.digest()
    }

    #[inline(always)]
    fn pixel(&self, index: usize) -> [f32; 4] {
        self.pixels.pixel(index)
    }
}

/// Converts a level in `[0, 1]` to 8 bits, rounded to nearest; levels beyond are those of the limits.
pub(super) fn to_byte(level: f32) -> u8 {
    // The conversion limits the value to 0..=255.
    (level * 255.0).round() as u8
}

/// An image of floats, channels in `[0, 1]`.
///
/// A pixel is four floats, the last one 0, so that a pixel fits one vector register.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatImage {
    height: usize,
    width: usize,
    pixels: Vec<[f32; 4]>,
}

impl FloatImage {
    /// A black image.
    pub fn black(height: usize, width: usize) -> Self {
        FloatImage { height, width, pixels: vec![[0.0; 4]; height * width] }
    }

    /// An image with arbitrary initial pixels; the caller writes all of them.
    pub(super) fn unwritten(height: usize, width: usize) -> Self {
        let mut pixels = spare();
        pixels.resize(height * width, [0.0; 4]);
        FloatImage { height, width, pixels }
    }

    /// Converts the whole of `source`.
    pub fn from_pixels<P: Pixels>(source: &P) -> Self {
        Self::window_of(source, CropWindow::whole(source.size()))
    }

    /// Creates an image from `rgb`, `[height, width, 3]`; `None` if the number of floats differs.
    pub fn from_rgb(height: usize, width: usize, rgb: &[f32]) -> Option<Self> {
        if height.checked_mul(width)?.checked_mul(3)? != rgb.len() {
            return None;
        }
        let pixels = rgb.chunks_exact(3).map(|p| [p[0], p[1], p[2], 0.0]).collect();
        Some(FloatImage { height, width, pixels })
    }

    /// The part of `source` in `window`, which must lie inside.
    pub fn window_of<P: Pixels>(source: &P, window: CropWindow) -> Self {
        wide(Convert { source, window })
    }

    /// Height, pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Width, pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The pixels, `[height, width]` of red, green, blue and 0.
    pub fn pixels(&self) -> &[[f32; 4]] {
        &self.pixels
    }

    /// The pixels, mutable.
    pub fn pixels_mut(&mut self) -> &mut [[f32; 4]] {
        &mut self.pixels
    }

    /// Converts to 8 bits per channel after applying `change` to each pixel, rounding to nearest.
    pub(super) fn to_bytes(&self, change: impl Fn([f32; 4]) -> [f32; 4]) -> image::RgbImage {
        image::RgbImage::from_fn(self.width as u32, self.height as u32, |x, y| {
            let [r, g, b, _] = change(self.pixels[y as usize * self.width + x as usize]);
            image::Rgb([r, g, b].map(to_byte))
        })
    }

    /// The image as `[height, width, 3]`.
    pub fn to_rgb(&self) -> Vec<f32> {
        self.pixels.iter().flat_map(|p| [p[0], p[1], p[2]]).collect()
    }
}

/// A part of an image to convert.
struct Convert<'a, P> {
    source: &'a P,
    window: CropWindow,
}

impl<P: Pixels> Wide for Convert<'_, P> {
    type Output = FloatImage;

    #[inline(always)]
    fn run(self) -> FloatImage {
        let Convert { source, window: CropWindow { top, left, height, width } } = self;
        let mut image = FloatImage::unwritten(height, width);
        let stride = source.size().1;
        for (y, row) in image.pixels.chunks_exact_mut(width.max(1)).enumerate() {
            let samples = &source.samples()[((top + y) * stride + left) * P::LANES..][..width * P::LANES];
            for (pixel, samples) in row.iter_mut().zip(samples.chunks_exact(P::LANES)) {
                let channel = |c: usize| samples[c].into() * P::UNIT;
                *pixel = [channel(0), channel(1), channel(2), 0.0];
            }
        }
        image
    }
}

/// Number of images whose memory a thread keeps for reuse; reused memory needs no clearing, which took 6 % of the
/// transforms of a photo to 224 pixels.
const SPARES: usize = 3;

/// Largest image that is kept for reuse, pixels: 16 MiB.
const SPARE_PIXELS: usize = 1 << 20;

thread_local! {
    static SPARE: RefCell<Vec<Vec<[f32; 4]>>> = const { RefCell::new(Vec::new()) };
}

/// Takes the pixels of a dropped image, if any.
fn spare() -> Vec<[f32; 4]> {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_default()
}

impl Drop for FloatImage {
    fn drop(&mut self) {
        let pixels = std::mem::take(&mut self.pixels);
        if pixels.capacity() == 0 || pixels.capacity() > SPARE_PIXELS {
            return;
        }
        // A thread that is ending can no longer store them.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARES {
                spare.push(pixels);
            }
        });
    }
}

impl Pixels for FloatImage {
    type Sample = f32;
    const LANES: usize = 4;
    const UNIT: f32 = 1.0;

    fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    fn samples(&self) -> &[f32] {
        self.pixels.as_flattened()
    }

    fn digest(&self) -> u64 {
        let bytes: Vec<u8> = self.samples().iter().flat_map(|sample| sample.to_le_bytes()).collect();
        digest(self.size(), &bytes)
    }

    #[inline(always)]
    fn pixel(&self, index: usize) -> [f32; 4] {
        self.pixels[index]
    }

    #[inline(always)]
    fn stored(&self) -> Option<&[[f32; 4]]> {
        Some(&self.pixels)
    }
}
