//! The operations of TrivialAugment and RandAugment.
//!
//! The operations work on 8-bit squares, and their results equal those of torchvision's `TrivialAugmentWide` and
//! `RandAugment` (transforms v2, nearest neighbour, black fill) on Pillow images bit for bit.

use image::{Rgb, RgbImage};
use rand_chacha::ChaCha8Rng;

use crate::random::{below, chance};

/// Number of strengths of an operation: bins 0 to 30.
const BINS: u64 = 31;

/// An operation with its strength.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    /// Nothing.
    Identity,
    /// Shifts rows by this many pixels per row.
    ShearX(f64),
    /// Shifts columns by this many pixels per column.
    ShearY(f64),
    /// Shifts to the right, pixels.
    TranslateX(i32),
    /// Shifts down, pixels.
    TranslateY(i32),
    /// Rotates counter-clockwise about the centre, degrees.
    Rotate(f64),
    /// Changes brightness: a factor of 1 plus the value.
    Brightness(f64),
    /// Changes saturation: the difference from the grey image times 1 plus the value.
    Color(f64),
    /// Changes contrast: the difference from the mean times 1 plus the value.
    Contrast(f64),
    /// Changes sharpness: the difference from the smoothed image times 1 plus the value.
    Sharpness(f64),
    /// Keeps this many upper bits of each channel.
    Posterize(u32),
    /// Inverts channels at or above the value.
    Solarize(f64),
    /// Stretches each channel to the full range of 0 to 255.
    AutoContrast,
    /// Equalises each channel's histogram.
    Equalize,
}

/// The strengths at bin 30.
#[derive(Clone, Copy)]
struct Space {
    shear: f32,
    /// Pixels.
    translate: f32,
    degrees: f32,
    enhance: f32,
    /// Bits that posterizing removes.
    bits: u32,
}

impl Operation {
    /// Draws one of the 14 operations of TrivialAugment's wide space, its strength and its direction, all uniformly.
    pub(super) fn trivial(rng: &mut ChaCha8Rng) -> Self {
        let (kind, bin, negative) = (below(rng, 14) as usize, below(rng, BINS) as u32, chance(rng, 0.5));
        Operation::wide(kind, bin, negative)
    }

    /// Returns operation `kind` (0 to 13, in enum order) of TrivialAugment's wide space at strength `bin` (0 to 30), in the
    /// opposite direction if it has one and `negative` is true.
    pub fn wide(kind: usize, bin: u32, negative: bool) -> Self {
        let space = Space { shear: 0.99, translate: 32.0, degrees: 135.0, enhance: 0.99, bits: 6 };
        space.operation(kind, bin, negative)
    }

    /// Draws one of RandAugment's 14 operations at strength `bin` for a square of `side` pixels.
    pub(super) fn rand(bin: u32, side: usize, rng: &mut ChaCha8Rng) -> Self {
        let (kind, negative) = (below(rng, 14) as usize, chance(rng, 0.5));
        Operation::rand_of(kind, bin, negative, side)
    }

    /// Like [`Operation::wide`], for RandAugment's space and a square of `side` pixels.
    pub fn rand_of(kind: usize, bin: u32, negative: bool, side: usize) -> Self {
        let translate = (150.0 / 331.0 * side as f64) as f32;
        Space { shear: 0.3, translate, degrees: 30.0, enhance: 0.9, bits: 4 }.operation(kind, bin, negative)
    }

    /// Applies the operation.
    pub fn apply(self, image: RgbImage) -> RgbImage {
        let (width, height) = (f64::from(image.width()), f64::from(image.height()));
        match self {
            Operation::Identity => image,
            Operation::ShearX(m) => affine(&image, [1.0, m, 0.0, 0.0, 1.0, 0.0]),
            Operation::ShearY(m) => affine(&image, [1.0, 0.0, 0.0, m, 1.0, 0.0]),
            Operation::TranslateX(by) => affine(&image, [1.0, 0.0, -f64::from(by), 0.0, 1.0, 0.0]),
            Operation::TranslateY(by) => affine(&image, [1.0, 0.0, 0.0, 0.0, 1.0, -f64::from(by)]),
            Operation::Rotate(degrees) => affine(&image, turned(degrees, width / 2.0, height / 2.0)),
            Operation::Brightness(by) => blend(&RgbImage::new(image.width(), image.height()), image, by),
            Operation::Color(by) => {
                let mut greys = image.clone();
                greys.pixels_mut().for_each(|p| *p = Rgb([grey(*p); 3]));
                blend(&greys, image, by)
            }
            Operation::Contrast(by) => {
                let sum: u64 = image.pixels().map(|p| u64::from(grey(*p))).sum();
                let mean = (sum as f64 / (width * height) + 0.5) as u8;
                blend(&RgbImage::from_pixel(image.width(), image.height(), Rgb([mean; 3])), image, by)
            }
            Operation::Sharpness(by) => blend(&smooth(&image), image, by),
            Operation::Posterize(bits) => look_up(image, |v, _| v & !((1u32 << (8 - bits)) - 1) as u8),
            Operation::Solarize(threshold) => look_up(image, |v, _| if f64::from(v) < threshold { v } else { 255 - v }),
            Operation::AutoContrast => {
                let ends = histograms(&image).map(|h| {
                    let first = h.iter().position(|n| *n > 0).unwrap_or(0);
                    (first, h.iter().rposition(|n| *n > 0).unwrap_or(0))
                });
                look_up(image, |v, channel| {
                    let (low, high) = ends[channel];
                    if high <= low {
                        return v;
                    }
                    let scale = 255.0 / (high - low) as f64;
                    // The conversion truncates the fraction and clips to 0 to 255.
                    (f64::from(v) * scale - low as f64 * scale) as u8
                })
            }
            Operation::Equalize => {
                let tables = histograms(&image).map(|h| equal(&h));
                look_up(image, |v, channel| tables[channel][usize::from(v)])
            }
        }
    }
}

impl Space {
    fn operation(self, kind: usize, bin: u32, negative: bool) -> Operation {
        let signed = |most: f32| {
            let strength = f64::from(spaced(0.0, most, bin));
            if negative { -strength } else { strength }
        };
        match kind {
            0 => Operation::Identity,
            1 => Operation::ShearX(signed(self.shear)),
            2 => Operation::ShearY(signed(self.shear)),
            3 => Operation::TranslateX(signed(self.translate) as i32),
            4 => Operation::TranslateY(signed(self.translate) as i32),
            5 => Operation::Rotate(signed(self.degrees)),
            6 => Operation::Brightness(signed(self.enhance)),
            7 => Operation::Color(signed(self.enhance)),
            8 => Operation::Contrast(signed(self.enhance)),
            9 => Operation::Sharpness(signed(self.enhance)),
            10 => Operation::Posterize(8 - (f64::from(bin * self.bits) / 30.0).round() as u32),
            11 => Operation::Solarize(255.0 * f64::from(spaced(1.0, 0.0, bin))),
            12 => Operation::AutoContrast,
            _ => Operation::Equalize,
        }
    }
}

/// The `bin`-th of 31 evenly spaced numbers, counted from the nearer end and rounded once, as in PyTorch: a shift by
/// 15.999999 pixels is a shift by 15.
fn spaced(first: f32, last: f32, bin: u32) -> f32 {
    let step = (last - first) / 30.0;
    if bin < 15 { step.mul_add(bin as f32, first) } else { (-step).mul_add((30 - bin) as f32, last) }
}

/// The inverse affine map of a rotation about `(cx, cy)`.
fn turned(degrees: f64, cx: f64, cy: f64) -> [f64; 6] {
    // Fifteen digits, so that a quarter turn is exactly one.
    let rounded = |v: f64| (v * 1e15).round() / 1e15;
    let (sin, cos) = (-degrees.rem_euclid(360.0).to_radians()).sin_cos();
    let (sin, cos) = (rounded(sin), rounded(cos));
    [cos, sin, cos * -cx + sin * -cy + cx, -sin, cos, -sin * -cx + cos * -cy + cy]
}

/// Samples the pixel at `(x, y)` from `(a x + b y + c, d x + e y + f)`: pixel centres, nearest neighbour, black outside.
/// Coordinates have 16 fractional bits, like Pillow's.
fn affine(image: &RgbImage, [a, b, c, d, e, f]: [f64; 6]) -> RgbImage {
    let fixed = |v: f64| (v * 65536.0 + 0.5).floor() as i64;
    let (right, down) = ((fixed(a), fixed(d)), (fixed(b), fixed(e)));
    let start = (fixed(c + a * 0.5 + b * 0.5), fixed(f + d * 0.5 + e * 0.5));
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let (i, j) = (i64::from(x), i64::from(y));
        let (sx, sy) = ((start.0 + i * right.0 + j * down.0) >> 16, (start.1 + i * right.1 + j * down.1) >> 16);
        match (u32::try_from(sx), u32::try_from(sy)) {
            (Ok(sx), Ok(sy)) if sx < image.width() && sy < image.height() => *image.get_pixel(sx, sy),
            _ => Rgb([0; 3]),
        }
    })
}

/// Extrapolates from `from` to `image` by `1 + by` times their difference, clipped to 0 to 255.
fn blend(from: &RgbImage, mut image: RgbImage, by: f64) -> RgbImage {
    let factor = (1.0 + by) as f32;
    for (to, from) in image.iter_mut().zip(from.iter()) {
        let moved = f32::from(*from) + factor * (f32::from(*to) - f32::from(*from));
        *to = moved as u8;
    }
    image
}

/// Brightness of a pixel (ITU-R 601), with 16 fractional bits.
fn grey(Rgb([r, g, b]): Rgb<u8>) -> u8 {
    ((u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471 + 0x8000) >> 16) as u8
}

/// The average over 3 x 3 pixels with the centre weighted five times; border pixels stay unchanged.
fn smooth(image: &RgbImage) -> RgbImage {
    let (width, height) = image.dimensions();
    RgbImage::from_fn(width, height, |x, y| {
        if x == 0 || y == 0 || x + 1 == width || y + 1 == height {
            return *image.get_pixel(x, y);
        }
        let sum = |channel: usize| {
            let around = (0..9).map(|k| u32::from(image.get_pixel(x + k % 3 - 1, y + k / 3 - 1)[channel]));
            around.sum::<u32>() + 4 * u32::from(image.get_pixel(x, y)[channel])
        };
        // Thirteenths are never halfway between two whole numbers.
        Rgb([0, 1, 2].map(|channel| ((2 * sum(channel) + 13) / 26) as u8))
    })
}

/// Applies a function of value and channel index to each channel.
fn look_up(mut image: RgbImage, of: impl Fn(u8, usize) -> u8) -> RgbImage {
    let table: [[u8; 256]; 3] = std::array::from_fn(|channel| std::array::from_fn(|v| of(v as u8, channel)));
    for pixel in image.pixels_mut() {
        pixel.0 = [0, 1, 2].map(|channel| table[channel][usize::from(pixel[channel])]);
    }
    image
}

/// The histogram of each channel.
fn histograms(image: &RgbImage) -> [[usize; 256]; 3] {
    let mut counts = [[0; 256]; 3];
    for pixel in image.pixels() {
        for (count, v) in counts.iter_mut().zip(pixel.0) {
            count[usize::from(v)] += 1;
        }
    }
    counts
}

/// The table that equalises a histogram, as far as integer steps allow.
fn equal(counts: &[usize; 256]) -> [u8; 256] {
    let last = counts.iter().rev().find(|n| **n > 0).copied().unwrap_or(0);
    let step = (counts.iter().sum::<usize>() - last) / 255;
    let mut reached = step / 2;
    std::array::from_fn(|v| {
        let to = reached.checked_div(step).unwrap_or(v).min(255) as u8;
        reached += counts[v];
        to
    })
}
