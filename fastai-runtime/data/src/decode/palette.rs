//! TIFF files with palette colours, which the image crate does not read.
//!
//! The image crate reads such a file as a grey image of palette indices; this module then looks the colours up.
//!
//! Land-cover maps and scanned drawings are stored this way, and palettes of PNG, GIF and BMP files are read too, so a
//! refusal would be an exception that users have to convert whole data sets for. The module goes once the image crate reads
//! such files.

use image::{GrayImage, ImageFormat, RgbImage};

use super::DecodeError;

/// Tags of a directory entry.
const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const INTERPRETATION: u16 = 262;
const SAMPLES: u16 = 277;
const PREDICTOR: u16 = 317;
const COLORS: u16 = 320;
const TILE_WIDTH: u16 = 322;

/// Values of [`INTERPRETATION`].
const BLACK_IS_ZERO: u32 = 1;
const PALETTE: u32 = 3;

/// A TIFF with a palette.
pub(crate) struct Palette {
    /// The file as a grey image: each byte contains one palette index or, at 4, 2 and 1 bits, two or more.
    pub(crate) grey: Vec<u8>,
    /// Pixels.
    pub(crate) width: u32,
    /// Pixels.
    pub(crate) height: u32,
    bits: u32,
    colors: Vec<[u8; 3]>,
}

impl Palette {
    /// `None` for a TIFF without a palette, and for an invalid TIFF, whose error the general decoder reports.
    ///
    /// # Errors
    /// Why a palette cannot be read.
    pub(crate) fn of(bytes: &[u8]) -> Result<Option<Palette>, DecodeError> {
        let Some(directory) = Directory::first(bytes) else { return Ok(None) };
        if directory.number(INTERPRETATION) != Some(PALETTE) {
            return Ok(None);
        }
        let (Some(width), Some(height)) = (directory.number(WIDTH), directory.number(HEIGHT)) else { return Ok(None) };
        let refused = |what: String| {
            let text = format!("a TIFF with a palette, {what}; save it as RGB");
            Err(DecodeError::Unsupported { format: ImageFormat::Tiff, text })
        };
        // At one bit the entry may be absent, and then there is no place for the value eight.
        let bits = directory.number(BITS).unwrap_or(0);
        if !matches!(bits, 1 | 2 | 4 | 8) || directory.number(SAMPLES).unwrap_or(1) != 1 {
            return refused("of which only 1, 2, 4 and 8 bits a pixel are read".to_string());
        }
        if bits < 8 && directory.number(PREDICTOR).unwrap_or(1) != 1 {
            return refused(format!("coded as differences of numbers of {bits} bits, which is not read"));
        }
        let Some(colors) = directory.colors(1 << bits) else {
            return refused(format!("whose colours are not there: {} are expected", 1 << bits));
        };
        let mut grey = bytes.to_vec();
        let each = 8 / bits;
        for (tag, value) in [(INTERPRETATION, BLACK_IS_ZERO), (BITS, 8), (WIDTH, width.div_ceil(each))] {
            directory.put(&mut grey, tag, value);
        }
        if let Some(tile) = directory.number(TILE_WIDTH) {
            directory.put(&mut grey, TILE_WIDTH, tile.div_ceil(each));
        }
        Ok(Some(Palette { grey, width, height, bits, colors }))
    }

    /// Looks up the colours of the indices decoded from [`grey`](Self::grey); `None` if their size differs.
    pub(crate) fn look_up(&self, numbers: &GrayImage) -> Option<RgbImage> {
        let each = 8 / self.bits;
        let mask = (1u32 << self.bits) - 1;
        if numbers.dimensions() != (self.width.div_ceil(each), self.height) {
            return None;
        }
        Some(RgbImage::from_fn(self.width, self.height, |x, y| {
            let byte = u32::from(numbers.get_pixel(x / each, y).0[0]);
            let number = byte >> (8 - self.bits * (x % each + 1)) & mask;
            image::Rgb(self.colors[number as usize])
        }))
    }
}

/// The first directory of a TIFF of 32-bit offsets.
pub(super) struct Directory<'a> {
    bytes: &'a [u8],
    little: bool,
    /// Where its entries are.
    entries: std::ops::Range<usize>,
}

impl<'a> Directory<'a> {
    pub(super) fn first(bytes: &'a [u8]) -> Option<Self> {
        let little = match bytes.get(..4)? {
            b"II*\0" => true,
            b"MM\0*" => false,
            _ => return None,
        };
        let mut directory = Directory { bytes, little, entries: 0..0 };
        let at = directory.long(4)? as usize;
        let count = usize::from(directory.short(at)?);
        let start = at.checked_add(2)?;
        directory.entries = start..start.checked_add(12 * count)?.min(bytes.len());
        Some(directory)
    }

    pub(super) fn short(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk::<2>()?;
        Some(if self.little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    pub(super) fn long(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk::<4>()?;
        Some(if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    /// Where the entries of a tag begin; there should be one at most.
    pub(super) fn entries_of(&self, tag: u16) -> impl Iterator<Item = usize> {
        self.entries.clone().step_by(12).filter(move |at| self.short(*at) == Some(tag))
    }

    fn entry(&self, tag: u16) -> Option<usize> {
        self.entries_of(tag).next()
    }

    /// The value of an entry that holds one number, of 16 or 32 bits.
    fn number(&self, tag: u16) -> Option<u32> {
        let at = self.entry(tag)?;
        match (self.short(at + 2)?, self.long(at + 4)?) {
            (3, 1) => self.short(at + 8).map(u32::from),
            (4, 1) => self.long(at + 8),
            _ => None,
        }
    }

    /// Writes the value of an entry into a copy of the file; does nothing if there is no such entry.
    fn put(&self, copy: &mut [u8], tag: u16, value: u32) {
        let (Some(at), Some(_)) = (self.entry(tag), self.number(tag)) else { return };
        let place = &mut copy[at + 8..];
        match (self.short(at + 2), self.little) {
            (Some(3), true) => place[..2].copy_from_slice(&(value as u16).to_le_bytes()),
            (Some(3), false) => place[..2].copy_from_slice(&(value as u16).to_be_bytes()),
            (_, true) => place[..4].copy_from_slice(&value.to_le_bytes()),
            (_, false) => place[..4].copy_from_slice(&value.to_be_bytes()),
        }
    }

    /// The palette: all reds, all greens, all blues, the upper 8 of 16 bits each.
    fn colors(&self, count: usize) -> Option<Vec<[u8; 3]>> {
        let at = self.entry(COLORS)?;
        if self.short(at + 2)? != 3 || self.long(at + 4)? as usize != 3 * count {
            return None;
        }
        let start = self.long(at + 8)? as usize;
        let levels: Vec<u16> = (0..3 * count).map(|i| self.short(start.checked_add(2 * i)?)).collect::<Option<_>>()?;
        // Some programs write 8-bit levels; libtiff handles them too.
        let shift = if levels.iter().all(|level| *level < 256) { 0 } else { 8 };
        Some((0..count).map(|i| [0, 1, 2].map(|channel| (levels[channel * count + i] >> shift) as u8)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode_bytes;

    /// A TIFF of these rows of packed numbers, `bits` each, with `colors` of 16 bits a level.
    fn tiff(little: bool, bits: u16, width: u16, rows: &[&[u8]], colors: &[[u16; 3]], also: &[(u16, u16)]) -> Vec<u8> {
        let short = |value: u16| if little { value.to_le_bytes() } else { value.to_be_bytes() };
        let long = |value: u32| if little { value.to_le_bytes() } else { value.to_be_bytes() };
        let data: Vec<u8> = rows.concat();
        let palette = 8 + data.len();
        let directory = palette + 6 * colors.len();
        let mut bytes = if little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
        bytes.extend(long(directory as u32));
        bytes.extend(&data);
        for channel in 0..3 {
            colors.iter().for_each(|color| bytes.extend(short(color[channel])));
        }
        let height = rows.len() as u16;
        let mut entries: Vec<(u16, u16)> =
            vec![(256, width), (257, height), (258, bits), (259, 1), (262, 3), (277, 1), (278, height)];
        entries.extend(also);
        bytes.extend(short(entries.len() as u16 + 3));
        let longs = [(273u16, 4u16, 1u32, 8u32), (279, 4, 1, data.len() as u32)];
        let palette = (320, 3, 3 * colors.len() as u32, palette as u32);
        for (tag, value) in entries {
            for part in [&short(tag)[..], &short(3), &long(1), &short(value), &[0, 0]] {
                bytes.extend(part);
            }
        }
        for (tag, kind, count, value) in longs.into_iter().chain([palette]) {
            for part in [&short(tag)[..], &short(kind), &long(count), &long(value)] {
                bytes.extend(part);
            }
        }
        bytes.extend([0; 4]);
        bytes
    }

    /// Bits, pixels a row, rows of packed numbers, and the numbers.
    type Case<'a> = (u16, u16, &'a [&'a [u8]], &'a [u8]);

    #[test]
    fn numbers_of_any_width_become_colours() {
        let colors: Vec<[u16; 3]> =
            (0..256u16).map(|i| [i << 8 | 7, (255 - i) << 8, (i * 3 % 256) << 8 | 255]).collect();
        let color = |number: u8| [number, 255 - number, (u16::from(number) * 3 % 256) as u8];
        let cases: [Case<'_>; 4] = [
            (8, 3, &[&[0, 200, 7], &[255, 1, 2]], &[0, 200, 7, 255, 1, 2]),
            (4, 3, &[&[0x1f, 0x20], &[0x34, 0x5f]], &[1, 15, 2, 3, 4, 5]),
            (2, 5, &[&[0b00_01_10_11, 0b10_00_00_00]], &[0, 1, 2, 3, 2]),
            (1, 9, &[&[0b1010_0110, 0b1000_0000]], &[1, 0, 1, 0, 0, 1, 1, 0, 1]),
        ];
        for (bits, width, rows, numbers) in cases {
            for little in [true, false] {
                let file = tiff(little, bits, width, rows, &colors[..1 << bits], &[]);
                let image = decode_bytes(&file).unwrap();
                assert_eq!(image.dimensions(), (u32::from(width), rows.len() as u32));
                let expected: Vec<u8> = numbers.iter().flat_map(|number| color(*number)).collect();
                assert_eq!(image.into_raw(), expected, "{bits} bits, little: {little}");
            }
        }
        // Turned by 90 degrees; levels of 8 bits.
        let small: Vec<[u16; 3]> = (0..16).map(|i| [i, i + 1, i + 2]).collect();
        let turned = decode_bytes(&tiff(true, 4, 3, &[&[0x1f, 0x20], &[0x34, 0x5f]], &small, &[(274, 6)])).unwrap();
        assert_eq!(turned.dimensions(), (2, 3));
        assert_eq!(turned.into_raw(), [3, 4, 5, 1, 2, 3, 4, 5, 6, 15, 16, 17, 5, 6, 7, 2, 3, 4]);
    }

    #[test]
    fn palettes_that_cannot_be_read_are_named() {
        let colors = vec![[0; 3]; 16];
        let refused = |file: &[u8], part: &str| {
            let error = decode_bytes(file).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        refused(&tiff(true, 16, 1, &[&[0, 0]], &colors, &[]), "only 1, 2, 4 and 8 bits a pixel are read");
        refused(&tiff(true, 8, 1, &[&[0]], &colors, &[]), "whose colours are not there: 256 are expected");
        refused(&tiff(true, 4, 2, &[&[0]], &colors, &[(317, 2)]), "coded as differences");
        refused(&tiff(true, 4, 40_000, &[&[0]], &colors, &[]), "too large, 40000 x 1");
        // Cut anywhere it is refused, or the cut is behind all that counts.
        let whole = tiff(true, 4, 3, &[&[0x1f, 0x20], &[0x34, 0x5f]], &colors, &[]);
        (0..whole.len() - 4).for_each(|kept| assert!(decode_bytes(&whole[..kept]).is_err(), "cut to {kept}"));
    }
}
