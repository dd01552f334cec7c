//! What preflight records about an image: its size, the digest of its content, and a thumbnail for finding similar images.

use std::path::Path;

use image::RgbImage;

use crate::decode::{Remark, decode_noted, guarded, read};

/// Thumbnail columns: one more than the hash has, which compares neighbours.
const WIDTH: usize = 9;
/// Thumbnail rows.
const HEIGHT: usize = 8;
/// Numbers of a thumbnail.
const THUMB: usize = WIDTH * HEIGHT * 3;
/// Largest Hamming distance of two hashes at which the thumbnails are compared.
const NEAR_BITS: u32 = 12;
/// Smallest correlation of two thumbnails of similar images.
const NEAR_CORRELATION: f64 = 0.97;
/// Largest root-mean-square difference of two thumbnails of similar images, in levels of 255.
const NEAR_LEVELS: f64 = 20.0;

/// Size, digest and thumbnail of an image.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Looks {
    /// Pixels, upright.
    pub(crate) width: u32,
    /// Pixels, upright.
    pub(crate) height: u32,
    /// Digest of the file's bytes.
    pub(crate) digest: [u8; 16],
    /// Mean colours of a grid of 9 x 8 cells, row by row.
    thumb: [u8; THUMB],
}

impl Looks {
    /// Decodes the file at `path` like [`decode`](crate::decode()).
    ///
    /// # Errors
    /// The reason, without the path.
    pub(crate) fn of(path: &Path, bits: u32) -> Result<(Looks, Option<Remark>), String> {
        let bytes = read(path)?;
        let (image, remark) = guarded(|| decode_noted(&bytes, bits))?;
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..16]);
        Ok((Looks::new(&image, digest), remark))
    }

    /// Describes an image whose file has this digest.
    pub(crate) fn new(image: &RgbImage, digest: [u8; 16]) -> Looks {
        Looks { width: image.width(), height: image.height(), digest, thumb: thumbnail(image) }
    }

    /// The difference hash: for each pair of neighbours in a row of the thumbnail, whether the right one is lighter.
    fn hash(&self) -> u64 {
        let grey = |cell: usize| {
            let [r, g, b] = [0, 1, 2].map(|channel| u32::from(self.thumb[3 * cell + channel]));
            299 * r + 587 * g + 114 * b
        };
        let mut hash = 0;
        for row in 0..HEIGHT {
            for column in 1..WIDTH {
                let right = row * WIDTH + column;
                hash = hash << 1 | u64::from(grey(right) > grey(right - 1));
            }
        }
        hash
    }

    /// Prepares the image at `path` for comparison with many others.
    pub(crate) fn sight<'a>(&'a self, path: &'a Path) -> Sight<'a> {
        let values = || self.thumb.iter().map(|value| u32::from(*value));
        Sight {
            path,
            digest: &self.digest,
            hash: self.hash(),
            thumb: &self.thumb,
            sum: values().sum(),
            squares: values().map(|value| value * value).sum(),
        }
    }
}

/// An image prepared for comparison with many others.
pub(crate) struct Sight<'a> {
    pub(crate) path: &'a Path,
    digest: &'a [u8; 16],
    hash: u64,
    thumb: &'a [u8; THUMB],
    /// Sum of the thumbnail's levels.
    sum: u32,
    /// Sum of their squares.
    squares: u32,
}

impl Sight<'_> {
    /// Levels of the thumbnail.
    pub(crate) fn levels(&self) -> &[u8; THUMB] {
        self.thumb
    }

    /// Sum of the thumbnail's levels.
    pub(crate) fn sum(&self) -> u32 {
        self.sum
    }

    /// The sum of the squared distances of the thumbnail's levels from their mean.
    fn spread(&self) -> f64 {
        f64::from(self.squares) - f64::from(self.sum) * f64::from(self.sum) / THUMB as f64
    }

    /// Whether the image has a single colour, so that nothing but the colour tells it from others.
    pub(crate) fn is_flat(&self) -> bool {
        let of_mean: f64 = self.colour().map(|mean| f64::from(mean) * f64::from(mean)).iter().sum();
        THUMB as f64 > f64::from(self.squares) - of_mean * (THUMB / 3) as f64
    }

    /// The mean colour, levels.
    pub(crate) fn colour(&self) -> [f32; 3] {
        let mean = |channel: usize| {
            let levels = self.thumb.iter().skip(channel).step_by(3);
            levels.map(|level| u32::from(*level)).sum::<u32>() as f32 / (THUMB / 3) as f32
        };
        [mean(0), mean(1), mean(2)]
    }

    /// Whether the hashes are close enough to compare the thumbnails.
    fn may_be_near(&self, other: &Sight<'_>) -> bool {
        (self.hash ^ other.hash).count_ones() <= NEAR_BITS
    }

    /// Whether two images look nearly alike; false for identical bytes.
    pub(crate) fn is_near(&self, other: &Sight<'_>) -> bool {
        if !self.may_be_near(other) || self.digest == other.digest {
            return false;
        }
        let n = THUMB as f64;
        let products: u32 = self.thumb.iter().zip(other.thumb).map(|(a, b)| u32::from(*a) * u32::from(*b)).sum();
        let [sum_a, sum_b] = [self.sum, other.sum].map(f64::from);
        let [squares_a, squares_b, products] = [self.squares, other.squares, products].map(f64::from);
        let difference = (squares_a + squares_b - 2.0 * products) / n;
        if difference >= NEAR_LEVELS * NEAR_LEVELS {
            return false;
        }
        let (aa, bb) = (self.spread(), other.spread());
        let ab = products - sum_a * sum_b / n;
        // Images of a single colour have no correlation, so only the colour is compared.
        if aa.min(bb) < n { difference < 4.0 && aa.max(bb) < n } else { ab > NEAR_CORRELATION * (aa * bb).sqrt() }
    }
}

/// Mean colours of 9 x 8 cells.
fn thumbnail(image: &RgbImage) -> [u8; THUMB] {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let pixels = image.as_raw();
    // A cell of an image that is smaller than the grid is one pixel.
    let span = |cell: usize, cells: usize, side: usize| {
        let start = cell * side / cells;
        start..((cell + 1) * side / cells).max(start + 1)
    };
    let mut thumb = [0; THUMB];
    for row in 0..HEIGHT {
        let rows = span(row, HEIGHT, height);
        for column in 0..WIDTH {
            let columns = span(column, WIDTH, width);
            let mut sums = [0u64; 3];
            for y in rows.clone() {
                for pixel in pixels[3 * (y * width + columns.start)..3 * (y * width + columns.end)].chunks_exact(3) {
                    (0..3).for_each(|channel| sums[channel] += u64::from(pixel[channel]));
                }
            }
            let count = (rows.len() * columns.len()) as u64;
            let at = 3 * (row * WIDTH + column);
            (0..3).for_each(|channel| thumb[at + channel] = ((sums[channel] + count / 2) / count) as u8);
        }
    }
    thumb
}

/// Bytes of [`Looks::to_bytes`].
pub(crate) const BYTES: usize = 8 + 16 + THUMB;

impl Looks {
    pub(crate) fn to_bytes(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[..4].copy_from_slice(&self.width.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.height.to_le_bytes());
        bytes[8..24].copy_from_slice(&self.digest);
        bytes[24..].copy_from_slice(&self.thumb);
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; BYTES]) -> Looks {
        let part = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let (mut digest, mut thumb) = ([0; 16], [0; THUMB]);
        digest.copy_from_slice(&bytes[8..24]);
        thumb.copy_from_slice(&bytes[24..]);
        Looks { width: u32::from_le_bytes(part(0)), height: u32::from_le_bytes(part(4)), digest, thumb }
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn looks(image: &RgbImage) -> Looks {
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(image.as_raw()).as_bytes()[..16]);
        Looks::new(image, digest)
    }

    fn near(a: &Looks, b: &Looks) -> bool {
        a.sight(Path::new("a")).is_near(&b.sight(Path::new("b")))
    }

    /// Smooth hills whose places depend on `seed`.
    fn hills(width: u32, height: u32, seed: f64) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let (x, y) = (f64::from(x) / f64::from(width), f64::from(y) / f64::from(height));
            let wave = |k: f64| 127.0 + 90.0 * ((7.0 * x + seed * k).sin() * (5.0 * y + seed + k).cos());
            Rgb([wave(1.0) as u8, wave(2.0) as u8, wave(3.0) as u8])
        })
    }

    #[test]
    fn the_same_at_another_size_is_near_and_another_image_is_not() {
        let a = looks(&hills(300, 200, 1.0));
        assert!(near(&a, &looks(&hills(150, 100, 1.0))));
        let mut lighter = hills(300, 200, 1.0);
        lighter.pixels_mut().for_each(|p| p.0 = p.0.map(|v| v.saturating_add(6)));
        assert!(near(&a, &looks(&lighter)));
        assert!((2..40).all(|seed| !near(&a, &looks(&hills(300, 200, f64::from(seed))))));
    }

    #[test]
    fn images_of_one_colour_are_near_by_that_colour() {
        let flat = |level: u8| looks(&RgbImage::from_pixel(20, 20, Rgb([level; 3])));
        assert!(near(&flat(0), &flat(1)));
        assert!(!near(&flat(0), &flat(9)));
        assert!(!near(&flat(120), &looks(&hills(30, 30, 1.0))));
    }

    #[test]
    fn an_image_smaller_than_the_grid_has_looks() {
        let one = looks(&RgbImage::from_pixel(1, 1, Rgb([9, 8, 7])));
        assert_eq!(one.thumb[..3], [9, 8, 7]);
        assert_eq!(one.thumb[THUMB - 3..], [9, 8, 7]);
    }

    #[test]
    fn looks_survive_their_bytes() {
        let looks = looks(&hills(33, 44, 2.0));
        assert_eq!(Looks::from_bytes(&looks.to_bytes()), looks);
    }
}
