//! What preflight records about an image: its size, the digest of its content, and two thumbnails for finding similar images.
//!
//! Two images are similar if the patterns of their thumbnails correlate, and the steps of grey between neighbouring cells of a
//! finer grid do too. The pattern is what is left of each channel without its mean: two images of water are alike in colour
//! without being copies. The finer grid tells two pictures of one coast from two copies of one picture.

use std::path::Path;

use image::RgbImage;

use crate::DecodeError;
use crate::decode::{Remark, decode_noted, guarded, read};
use crate::sealed::{SHORT, short_digest};

/// Thumbnail columns: one more than the hash has, which compares neighbours.
const WIDTH: usize = 9;
/// Thumbnail rows.
const HEIGHT: usize = 8;
/// Cells of a thumbnail.
const CELLS: usize = WIDTH * HEIGHT;
/// Numbers of a thumbnail.
const THUMB: usize = 3 * CELLS;
/// Columns of the fine grid: two for each of the thumbnail.
const FINE_WIDTH: usize = 2 * WIDTH;
/// Rows of the fine grid: two for each of the thumbnail.
const FINE_HEIGHT: usize = 2 * HEIGHT;
/// Cells of the fine grid.
const FINE: usize = FINE_WIDTH * FINE_HEIGHT;
/// Smallest variance of a pattern, in squared levels of 255: below it, rounding and compression alter a copy as much as
/// another image differs.
const LEAST_PATTERN: f64 = 4.0;
/// Largest Hamming distance of two hashes at which the thumbnails are compared. It saves time: the hashes of copies of
/// photos differ in fewer bits as a rule.
const NEAR_BITS: u32 = 20;
/// Smallest correlation of the patterns of similar images.
const NEAR_PATTERN: f64 = 0.97;
/// Smallest correlation of the steps between neighbouring cells of the fine grids of similar images: copies that were compressed,
/// scaled or trimmed a little are above it, different pictures of one coast below.
const NEAR_STEPS: f64 = 0.85;
/// Largest root-mean-square difference of two thumbnails of similar images, in levels of 255.
const NEAR_LEVELS: f64 = 20.0;

/// Size, digest and thumbnails of an image.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Looks {
    /// Pixels, upright.
    pub(crate) width: u32,
    /// Pixels, upright.
    pub(crate) height: u32,
    /// Digest of the file's bytes.
    pub(crate) digest: [u8; SHORT],
    /// Mean colours of a grid of 9 x 8 cells, row by row.
    thumb: [u8; THUMB],
    /// Mean grey levels of a grid of 18 x 16 cells, row by row.
    fine: [u8; FINE],
}

impl Looks {
    /// Decodes the file at `path` like [`decode`](crate::decode()).
    ///
    /// # Errors
    /// Those of [`decode`](crate::decode()).
    pub(crate) fn of(path: &Path, bits: u32) -> Result<(Looks, Option<Remark>), DecodeError> {
        let bytes = read(path)?;
        let (image, remark) = guarded(|| decode_noted(&bytes, bits))?;
        Ok((Looks::new(&image, short_digest(&bytes)), remark))
    }

    /// Describes an image whose file has this digest.
    pub(crate) fn new(image: &RgbImage, digest: [u8; SHORT]) -> Looks {
        let (thumb, fine) = thumbnails(image);
        Looks { width: image.width(), height: image.height(), digest, thumb, fine }
    }

    /// The difference hash: for each pair of neighbours in a row of the thumbnail, whether the right one is lighter.
    fn hash(&self) -> u64 {
        let cell_grey = |cell: usize| grey([0, 1, 2].map(|channel| u64::from(self.thumb[3 * cell + channel])));
        let mut hash = 0;
        for row in 0..HEIGHT {
            for column in 1..WIDTH {
                let right = row * WIDTH + column;
                hash = hash << 1 | u64::from(cell_grey(right) > cell_grey(right - 1));
            }
        }
        hash
    }

    /// Prepares the image at `path` for comparison with many others; `None` if it has hardly any pattern, as a blank tile, so
    /// that nothing tells a copy of it from another such image.
    pub(crate) fn sight<'a>(&'a self, path: &'a Path) -> Option<Sight<'a>> {
        let squares: u32 = self.thumb.iter().map(|level| u32::from(*level) * u32::from(*level)).sum();
        let mut sums = [0u32; 3];
        for pixel in self.thumb.as_chunks::<3>().0 {
            sums.iter_mut().zip(pixel).for_each(|(sum, level)| *sum += u32::from(*level));
        }
        let sight = Sight { path, looks: self, hash: self.hash(), sums, squares };
        (sight.spread() >= LEAST_PATTERN * THUMB as f64).then_some(sight)
    }
}

/// A thousand times the lightness of a colour.
fn grey([red, green, blue]: [u64; 3]) -> u64 {
    299 * red + 587 * green + 114 * blue
}

/// An image prepared for comparison with many others.
pub(crate) struct Sight<'a> {
    pub(crate) path: &'a Path,
    looks: &'a Looks,
    hash: u64,
    /// Sum of the thumbnail's levels in each channel.
    sums: [u32; 3],
    /// Sum of the squares of all levels.
    squares: u32,
}

impl Sight<'_> {
    /// Levels of the thumbnail, red, green and blue in turn.
    pub(crate) fn levels(&self) -> &[u8; THUMB] {
        &self.looks.thumb
    }

    /// Mean level of each channel.
    pub(crate) fn means(&self) -> [f32; 3] {
        self.sums.map(|sum| sum as f32 / CELLS as f32)
    }

    /// The sum of the squares of the pattern: of the distances of all levels from the means of their channels.
    fn spread(&self) -> f64 {
        f64::from(self.squares) - self.common(self)
    }

    /// What the means alone contribute to the sum of the products of the levels of two thumbnails.
    fn common(&self, other: &Sight<'_>) -> f64 {
        let products = self.sums.iter().zip(other.sums).map(|(a, b)| f64::from(*a) * f64::from(b));
        products.sum::<f64>() / CELLS as f64
    }

    /// Whether the hashes are close enough to compare the thumbnails.
    fn may_be_near(&self, other: &Sight<'_>) -> bool {
        (self.hash ^ other.hash).count_ones() <= NEAR_BITS
    }

    /// Whether two images show nearly the same; false for identical bytes.
    pub(crate) fn is_near(&self, other: &Sight<'_>) -> bool {
        if !self.may_be_near(other) || self.looks.digest == other.looks.digest {
            return false;
        }
        let products: u32 = self.levels().iter().zip(other.levels()).map(|(a, b)| u32::from(*a) * u32::from(*b)).sum();
        let [squares_a, squares_b, products] = [self.squares, other.squares, products].map(f64::from);
        let difference = (squares_a + squares_b - 2.0 * products) / THUMB as f64;
        let (a, b, both) = (self.spread(), other.spread(), products - self.common(other));
        difference < NEAR_LEVELS * NEAR_LEVELS && both > NEAR_PATTERN * (a * b).sqrt() && self.steps_agree(other)
    }

    /// Whether the fine grids go up and down in the same places, to the right and downwards.
    fn steps_agree(&self, other: &Sight<'_>) -> bool {
        let (fine_a, fine_b) = (&self.looks.fine, &other.looks.fine);
        let [mut aa, mut bb, mut ab] = [0i32; 3];
        let mut add = |from: usize, to: usize| {
            let [a, b] = [fine_a, fine_b].map(|fine| i32::from(fine[to]) - i32::from(fine[from]));
            aa += a * a;
            bb += b * b;
            ab += a * b;
        };
        for cell in 0..FINE {
            if !(cell + 1).is_multiple_of(FINE_WIDTH) {
                add(cell, cell + 1);
            }
            if cell + FINE_WIDTH < FINE {
                add(cell, cell + FINE_WIDTH);
            }
        }
        f64::from(ab) > NEAR_STEPS * (f64::from(aa) * f64::from(bb)).sqrt()
    }
}

/// Mean colours of 9 x 8 cells, and mean grey levels of 18 x 16.
fn thumbnails(image: &RgbImage) -> ([u8; THUMB], [u8; FINE]) {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let pixels = image.as_raw();
    // A cell of an image that is smaller than the grid is one pixel.
    let span = |cell: usize, cells: usize, side: usize| {
        let start = cell * side / cells;
        start..((cell + 1) * side / cells).max(start + 1)
    };
    let (mut thumb, mut fine) = ([0; THUMB], [0; FINE]);
    // Sums and numbers of pixels of the thumbnail's cells, each of which is four of the fine grid.
    let mut sums = [[0u64; 3]; CELLS];
    let mut counts = [0u64; CELLS];
    for row in 0..FINE_HEIGHT {
        let rows = span(row, FINE_HEIGHT, height);
        for column in 0..FINE_WIDTH {
            let columns = span(column, FINE_WIDTH, width);
            let mut own = [0u64; 3];
            for y in rows.clone() {
                for pixel in pixels[3 * (y * width + columns.start)..3 * (y * width + columns.end)].chunks_exact(3) {
                    (0..3).for_each(|channel| own[channel] += u64::from(pixel[channel]));
                }
            }
            let count = (rows.len() * columns.len()) as u64;
            fine[row * FINE_WIDTH + column] = ((grey(own) + 500 * count) / (1000 * count)) as u8;
            let cell = row / 2 * WIDTH + column / 2;
            (0..3).for_each(|channel| sums[cell][channel] += own[channel]);
            counts[cell] += count;
        }
    }
    for (cell, (sums, count)) in sums.iter().zip(counts).enumerate() {
        (0..3).for_each(|channel| thumb[3 * cell + channel] = ((sums[channel] + count / 2) / count) as u8);
    }
    (thumb, fine)
}

/// Bytes of [`Looks::to_bytes`].
pub(crate) const BYTES: usize = 24 + THUMB + FINE;

impl Looks {
    pub(crate) fn to_bytes(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[..4].copy_from_slice(&self.width.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.height.to_le_bytes());
        bytes[8..24].copy_from_slice(&self.digest);
        bytes[24..24 + THUMB].copy_from_slice(&self.thumb);
        bytes[24 + THUMB..].copy_from_slice(&self.fine);
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; BYTES]) -> Looks {
        let part = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let (mut digest, mut thumb, mut fine) = ([0; 16], [0; THUMB], [0; FINE]);
        digest.copy_from_slice(&bytes[8..24]);
        thumb.copy_from_slice(&bytes[24..24 + THUMB]);
        fine.copy_from_slice(&bytes[24 + THUMB..]);
        Looks { width: u32::from_le_bytes(part(0)), height: u32::from_le_bytes(part(4)), digest, thumb, fine }
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use image::codecs::jpeg::JpegEncoder;
    use image::imageops::{FilterType, crop_imm, resize};

    use super::*;
    use crate::random::{Stream, unit};

    fn looks(image: &RgbImage) -> Looks {
        Looks::new(image, short_digest(image.as_raw()))
    }

    fn near(a: &Looks, b: &Looks) -> bool {
        let sights = a.sight(Path::new("a")).zip(b.sight(Path::new("b")));
        sights.is_some_and(|(a, b)| a.is_near(&b))
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

    /// Coarse shapes that depend on `place`, under fine ones that depend on `moment`.
    fn scene(place: u64, moment: u64) -> RgbImage {
        let mut waves = Vec::new();
        for (number, count, slowest, range, height) in [(place, 6, 0.0, 1.5, 30.0), (moment, 12, 5.0, 3.0, 8.0)] {
            let mut rng = Stream::new(number, "waves").at(&[count]);
            for _ in 0..count {
                let mut draw = || unit(&mut rng);
                let sign = if draw() < 0.5 { -1.0 } else { 1.0 };
                let [along, down] = [slowest + range * draw(), sign * (slowest + range * draw())];
                let phase = draw();
                waves.push(([along, down, phase], [0; 3].map(|_: u8| height * (0.5 + 0.5 * draw()))));
            }
        }
        RgbImage::from_fn(240, 180, |x, y| {
            let (x, y) = (f64::from(x) / 240.0, f64::from(y) / 180.0);
            let mut levels = [128.0; 3];
            for ([along, down, phase], heights) in &waves {
                let wave = (std::f64::consts::TAU * (along * x + down * y + phase)).sin();
                levels.iter_mut().zip(heights).for_each(|(level, height)| *level += height * wave);
            }
            Rgb(levels.map(|level| level as u8))
        })
    }

    /// The image after it was compressed as a JPEG of this quality.
    fn compressed(image: &RgbImage, quality: u8) -> RgbImage {
        let mut bytes = Vec::new();
        image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality)).unwrap();
        image::load_from_memory(&bytes).unwrap().into_rgb8()
    }

    #[test]
    fn copies_are_near_however_they_were_made() {
        for place in 0..12 {
            let image = scene(place, 100 + place);
            let own = looks(&image);
            let mut lighter = image.clone();
            lighter.pixels_mut().for_each(|p| p.0 = p.0.map(|level| (1.02 * f64::from(level)) as u8));
            let copies = [
                compressed(&image, 40),
                compressed(&resize(&image, 216, 162, FilterType::Triangle), 75),
                compressed(&lighter, 75),
                // Two pixels less at each side.
                compressed(&crop_imm(&image, 2, 2, 236, 176).to_image(), 75),
            ];
            for (number, copy) in copies.iter().enumerate() {
                assert!(near(&own, &looks(copy)), "copy {number} of {place}");
            }
        }
    }

    #[test]
    fn another_picture_of_one_place_is_not_near_although_the_thumbnails_agree() {
        for place in 0..12 {
            let [a, b] = [0, 1].map(|moment| looks(&scene(place, 100 * place + moment)));
            let [sight, other] = [&a, &b].map(|looks| looks.sight(Path::new("a")).unwrap());
            assert!(sight.may_be_near(&other) && !sight.is_near(&other), "{place}");
        }
    }

    #[test]
    fn images_without_a_pattern_are_not_compared() {
        // Water: one colour, and noise of a level.
        let water = |seed: u64| {
            let mut rng = Stream::new(seed, "water").at(&[]);
            looks(&RgbImage::from_fn(64, 64, |_, _| {
                let lighter = u8::from(unit(&mut rng) < 0.2);
                Rgb([4, 16, 40].map(|level| level + lighter))
            }))
        };
        assert!((0..20).all(|seed| water(seed).sight(Path::new("a")).is_none()));
        // What has a pattern is, however dark.
        let dark = RgbImage::from_fn(64, 64, |x, _| Rgb([0, 0, (x / 8) as u8 * 2]));
        assert!(looks(&dark).sight(Path::new("a")).is_some());
    }

    #[test]
    fn an_image_smaller_than_the_grid_has_looks() {
        let one = looks(&RgbImage::from_pixel(1, 1, Rgb([9, 8, 7])));
        assert_eq!(one.thumb[..3], [9, 8, 7]);
        assert_eq!(one.thumb[THUMB - 3..], [9, 8, 7]);
        assert_eq!((one.fine[0], one.fine[FINE - 1]), (8, 8));
    }

    #[test]
    fn looks_survive_their_bytes() {
        let looks = looks(&hills(33, 44, 2.0));
        assert_eq!(Looks::from_bytes(&looks.to_bytes()), looks);
    }
}
