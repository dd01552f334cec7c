//! Decodes image files to 8-bit RGB.

use std::fs::{File, Metadata};
use std::io::{BufRead, Cursor, Read, Seek};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

pub use self::error::DecodeError;
use self::jpeg::{Outline, Unfit};
use self::palette::Palette;
use crate::panics;
use crate::transforms::{Demand, Picture};

mod error;
mod jpeg;
mod orientation;
mod palette;

/// Longest side that the decoder accepts, pixels.
const MAX_SIDE: u32 = 16_384;
/// Largest file of an image, and largest memory use of one, bytes.
pub const MAX_IMAGE_BYTES: u64 = 512 << 20;

/// Decodes the image at `path` to 8-bit RGB, upright.
///
/// The content, not the name, determines the format (JPEG, PNG, GIF, BMP, WebP, TIFF). The EXIF orientation is applied,
/// grey is replicated to three channels, alpha is dropped (no blending), and 16-bit channels keep their upper 8 bits.
///
/// # Errors
/// A file that is not readable, no image, truncated, or larger than 16384 pixels a side or 512 MiB in memory. A decoder that
/// panics counts as a broken file.
pub fn decode(path: &Path) -> Result<RgbImage, DecodeError> {
    let bytes = read(path)?;
    guarded(|| decode_bytes(&bytes))
}

/// Like [`decode`], at a half, a quarter or an eighth of the side lengths if the shorter side then still has the pixels that
/// `demand` asks for.
///
/// Only sequential JPEGs are reduced, by libjpeg-turbo's scaled transform. All other images are decoded in full.
///
/// # Errors
/// As [`decode`].
pub fn decode_as(path: &Path, demand: Demand) -> Result<Picture, DecodeError> {
    let bytes = read(path)?;
    guarded(|| decode_bytes_as(&bytes, demand))
}

/// Like [`decode_as`], for the bytes of a file.
pub fn decode_bytes_as(bytes: &[u8], demand: Demand) -> Result<Picture, DecodeError> {
    if let Some(shorter) = demand.shorter
        && is_jpeg(bytes)
        && let Some(outline) = Outline::of(bytes)
    {
        let orientation = orientation::of(outline.exif);
        let upright = orientation == Orientation::NoTransforms;
        match jpeg::decode_reduced(bytes, is_fit, shorter as usize, upright)? {
            Some(picture) if upright => return Ok(picture),
            Some(picture) => return Ok(turned(picture.into_pixels(), orientation).into()),
            None => {}
        }
    }
    decode_noted(bytes, demand.bits).map(|(image, _)| image.into())
}

/// Returns the result of `decoder`; a panic counts as a broken file and prints nothing.
pub(crate) fn guarded<T>(decoder: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    panics::caught(decoder).unwrap_or_else(|message| Err(DecodeError::DecoderPanicked { message }))
}

/// Reads a regular file up to the size limit.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, DecodeError> {
    read_described(path).map(|(bytes, _)| bytes)
}

/// Like [`read`], with the properties of the file after it was read: one that was replaced or written meanwhile has others.
pub(crate) fn read_described(path: &Path) -> Result<(Vec<u8>, Metadata), DecodeError> {
    // Checked before opening, since opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(DecodeError::NoFile);
    }
    // The stated length plus one byte, which detects the end.
    let mut bytes = Vec::with_capacity((metadata.len().min(MAX_IMAGE_BYTES) + 1) as usize);
    let mut file = File::open(path)?;
    file.by_ref().take(MAX_IMAGE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_IMAGE_BYTES {
        return Err(DecodeError::FileTooLarge { limit: MAX_IMAGE_BYTES });
    }
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    Ok((bytes, file.metadata()?))
}

/// Returns the width and height in pixels that the head of an image file states, before EXIF turns the image; `None` if the head
/// does not state them. Decodes nothing.
pub fn image_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let size = || ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?.into_dimensions().ok();
    panics::caught(size).ok().flatten()
}

/// Like [`decode`], for the bytes of a file.
pub fn decode_bytes(bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    decode_noted(bytes, Demand::FULL.bits).map(|(image, _)| image)
}

/// Something about a sound image that its pixels do not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remark {
    /// A JPEG has so many bytes of coded data beyond its last block.
    Surplus(u64),
    /// The largest value of a 16-bit image needs so many bits.
    Bits(u32),
}

/// Decodes an image whose 16-bit channels use `bits` bits, with what is remarkable.
pub(crate) fn decode_noted(bytes: &[u8], bits: u32) -> Result<(RgbImage, Option<Remark>), DecodeError> {
    if is_jpeg(bytes) { decode_jpeg(bytes) } else { decode_any(bytes, bits) }
}

/// Whether a file begins like a JPEG. One with other bytes before the second marker does not, however it is to be decoded.
fn is_jpeg(bytes: &[u8]) -> bool {
    matches!(image::guess_format(bytes), Ok(ImageFormat::Jpeg))
}

/// Decodes a JPEG. One whose scan is truncated or corrupt is an error, although decoders would fill the gap with grey.
fn decode_jpeg(bytes: &[u8]) -> Result<(RgbImage, Option<Remark>), DecodeError> {
    let outline = Outline::of(bytes).ok_or(Unfit::Truncated)?;
    let found = jpeg::decode(bytes, is_fit)?;
    let remark = (found.surplus > 0).then_some(Remark::Surplus(found.surplus));
    Ok((turned(found.image, orientation::of(outline.exif)), remark))
}

impl From<Unfit> for DecodeError {
    fn from(unfit: Unfit) -> Self {
        let format = ImageFormat::Jpeg;
        match unfit {
            Unfit::Truncated => DecodeError::Truncated { format },
            Unfit::Unread(reason) => DecodeError::unsound(format, reason),
            Unfit::Unsupported(reason) => {
                DecodeError::Unsupported { format, text: format!("not a sound Jpeg file: {reason}") }
            }
            Unfit::TooLarge(width, height) => {
                let (width, height) = (width as u32, height as u32);
                fits(width, height).err().unwrap_or_else(|| too_much(width, height))
            }
            Unfit::Damaged(reason) => DecodeError::Damaged { reason },
        }
    }
}

fn is_fit(width: usize, height: usize) -> bool {
    fits(width as u32, height as u32).is_ok()
}

fn turned(image: RgbImage, orientation: Orientation) -> RgbImage {
    let mut image = DynamicImage::ImageRgb8(image);
    image.apply_orientation(orientation);
    image.into_rgb8()
}

fn decode_any(bytes: &[u8], bits: u32) -> Result<(RgbImage, Option<Remark>), DecodeError> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let format = reader.format().ok_or(DecodeError::UnknownFormat)?;
    if format == ImageFormat::WebP && !webp_is_whole(bytes) {
        // The decoder would allocate the size that the chunk states, up to 4 GiB.
        return Err(DecodeError::Truncated { format });
    }
    if format == ImageFormat::Tiff && holds_larger_jpeg(bytes) {
        return Err(DecodeError::unsound(format, "a JPEG in it is larger than its image"));
    }
    let palette = if format == ImageFormat::Tiff { Palette::of(bytes)? } else { None };
    let (mut image, stated) = match &palette {
        None => stored(reader, format).map_err(|error| with_size(error, bytes))?,
        Some(palette) => {
            fits(palette.width, palette.height)?;
            let (numbers, stated) =
                stored(ImageReader::with_format(Cursor::new(&palette.grey), ImageFormat::Tiff), format)?;
            let image = palette.look_up(&numbers.into_luma8());
            (image.ok_or_else(|| DecodeError::unsound(format, "it has two widths"))?.into(), stated)
        }
    };
    // A TIFF's own list of tags has the form of EXIF.
    let own = (format == ImageFormat::Tiff).then_some(bytes);
    image.apply_orientation(match orientation::of(own) {
        Orientation::NoTransforms => stated,
        own => own,
    });
    let (image, used) = to_rgb(image, bits);
    // Ten and twelve bits are those of sensors.
    Ok((image, used.filter(|used| *used <= 12 && bits == Demand::FULL.bits).map(Remark::Bits)))
}

/// Returns the image as stored and its orientation.
fn stored<R: BufRead + Seek>(
    mut reader: ImageReader<R>,
    format: ImageFormat,
) -> Result<(DynamicImage, Orientation), DecodeError> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_IMAGE_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|e| reason(format, &e))?;
    let (width, height) = decoder.dimensions();
    fits(width, height)?;
    if decoder.total_bytes() > MAX_IMAGE_BYTES {
        return Err(too_much(width, height));
    }
    let orientation = match decoder.exif_metadata().map_err(|e| reason(format, &e))? {
        Some(exif) => orientation::of(Some(&exif)),
        None => decoder.orientation().map_err(|e| reason(format, &e))?,
    };
    let image = DynamicImage::from_decoder(decoder).map_err(|e| reason(format, &e))?;
    if image.width() == 0 || image.height() == 0 {
        return Err(DecodeError::NoPixels);
    }
    Ok((image, orientation))
}

/// Checks the size against the decoder's limits.
fn fits(width: u32, height: u32) -> Result<(), DecodeError> {
    if width.max(height) > MAX_SIDE {
        return Err(DecodeError::SideTooLong { width, height, limit: MAX_SIDE });
    }
    if 3 * u64::from(width) * u64::from(height) > MAX_IMAGE_BYTES {
        return Err(too_much(width, height));
    }
    Ok(())
}

/// Names the size that the head of the file states where a decoder says only that it is too large.
fn with_size(error: DecodeError, bytes: &[u8]) -> DecodeError {
    let size = matches!(error, DecodeError::OverLimit { .. }).then(|| image_size(bytes)).flatten();
    size.and_then(|(width, height)| fits(width, height).err()).unwrap_or(error)
}

fn too_much(width: u32, height: u32) -> DecodeError {
    DecodeError::TooManyPixels { width, height, limit: MAX_IMAGE_BYTES }
}

fn reason(format: ImageFormat, error: &ImageError) -> DecodeError {
    match error {
        ImageError::Limits(error) => DecodeError::OverLimit { format, reason: error.to_string() },
        ImageError::Unsupported(error) => {
            let text = format!("a {format:?} file of a kind that is not supported: {error}");
            DecodeError::Unsupported { format, text }
        }
        error => DecodeError::unsound(format, error.to_string()),
    }
}

/// Converts to 8-bit RGB, and returns the bits that the largest value of a 16-bit image needs. The image crate's own
/// conversion would round 16-bit values instead of truncating them.
fn to_rgb(image: DynamicImage, bits: u32) -> (RgbImage, Option<u32>) {
    let largest = match &image {
        DynamicImage::ImageLuma16(i) => i.as_raw().iter().max(),
        DynamicImage::ImageLumaA16(i) => i.as_raw().iter().step_by(2).max(),
        DynamicImage::ImageRgb16(i) => i.as_raw().iter().max(),
        DynamicImage::ImageRgba16(i) => i.pixels().flat_map(|pixel| &pixel.0[..3]).max(),
        _ => None,
    };
    // An entirely black image shows nothing about its bits.
    let used = largest.filter(|largest| **largest > 0).map(|largest| u16::BITS - largest.leading_zeros());
    let high = |value: u16| (value >> (bits.clamp(8, 16) - 8)).min(255) as u8;
    let image = match image {
        DynamicImage::ImageLuma16(i) => map(&i, |p| [high(p.0[0]); 3]),
        DynamicImage::ImageLumaA16(i) => map(&i, |p| [high(p.0[0]); 3]),
        DynamicImage::ImageRgb16(i) => map(&i, |p| [high(p.0[0]), high(p.0[1]), high(p.0[2])]),
        DynamicImage::ImageRgba16(i) => map(&i, |p| [high(p.0[0]), high(p.0[1]), high(p.0[2])]),
        image => image.into_rgb8(),
    };
    (image, used)
}

fn map<P: image::Pixel>(image: &image::ImageBuffer<P, Vec<P::Subpixel>>, pixel: impl Fn(&P) -> [u8; 3]) -> RgbImage {
    RgbImage::from_fn(image.width(), image.height(), |x, y| image::Rgb(pixel(image.get_pixel(x, y))))
}

/// Largest side of a part by which an image may be exceeded: parts are whole tiles.
const TILE: u64 = 1024;

/// Whether the frame of a JPEG in a TIFF is larger than the image. Each part would be decoded at that size, so that a file of
/// kilobytes takes minutes.
fn holds_larger_jpeg(bytes: &[u8]) -> bool {
    let Some((width, height)) = image_size(bytes) else { return false };
    let most = (u64::from(width) + TILE) * (u64::from(height) + TILE);
    memchr::memchr_iter(0xff, bytes).any(|at| {
        // A frame: its marker, its length, 8 bits, height, width.
        let Some([0xc0..=0xc2, 0, 8..=20, 8, h1, h0, w1, w0]) = bytes.get(at + 1..at + 9) else { return false };
        let side = |high: &u8, low: &u8| u64::from(u16::from_be_bytes([*high, *low]));
        side(h1, h0) * side(w1, w0) > most
    })
}

/// Whether no chunk of a WebP is longer than the file.
fn webp_is_whole(bytes: &[u8]) -> bool {
    let size_at = |at: usize| {
        let size = bytes.get(at..)?.first_chunk::<4>()?;
        usize::try_from(u32::from_le_bytes(*size)).ok()
    };
    let end = size_at(4).map_or(0, |size| size.saturating_add(8)).min(bytes.len());
    // Chunks follow `RIFF`, a size and `WEBP`: four letters, a size, and that many bytes, padded to an even number.
    let mut at = 12;
    while let Some(size) = size_at(at + 4).filter(|_| at + 8 <= end) {
        if size > bytes.len() - (at + 8) {
            return false;
        }
        at += 8 + size + size % 2;
    }
    true
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn a_tiff_with_a_jpeg_larger_than_its_image_is_refused() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/decode");
        let bytes = std::fs::read(corpus.join("tiff_with_a_jpeg_larger_than_its_image")).unwrap();
        let error = decode_bytes(&bytes).unwrap_err();
        assert_eq!(error, DecodeError::unsound(ImageFormat::Tiff, "a JPEG in it is larger than its image"));
        assert_eq!(error.to_string(), "not a sound Tiff file: a JPEG in it is larger than its image");
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/images/jpeg.tif");
        assert!(decode(&golden).is_ok());
    }

    /// A file of this format. Every pixel differs, so that the scan of a JPEG is long.
    fn encoded(format: ImageFormat) -> Vec<u8> {
        let image = RgbImage::from_fn(97, 61, |x, y| Rgb([(x * 37 + y * 11) as u8, (x * y) as u8, (x ^ y) as u8]));
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn truncated_files_are_errors() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Tiff] {
            let whole = encoded(format);
            decode_bytes(&whole).unwrap();
            for kept in [whole.len() / 4, whole.len() / 2, whole.len() * 9 / 10] {
                let result = guarded(|| decode_bytes(&whole[..kept]));
                assert!(result.is_err(), "{format:?} cut to {kept} of {} bytes", whole.len());
            }
        }
    }

    #[test]
    fn the_size_of_an_image_that_is_too_large_is_told() {
        let image = RgbImage::new(MAX_SIDE + 1, 2);
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::Tiff] {
            let mut bytes = Cursor::new(Vec::new());
            image.write_to(&mut bytes, format).unwrap();
            let (width, height) = image.dimensions();
            let error = decode_bytes(&bytes.into_inner()).unwrap_err();
            assert_eq!(error, DecodeError::SideTooLong { width, height, limit: MAX_SIDE }, "{format:?}");
        }
    }

    #[test]
    fn a_jpeg_without_its_end_is_named_so() {
        let whole = encoded(ImageFormat::Jpeg);
        let reduced = Demand { shorter: Some(16), ..Demand::FULL };
        decode_bytes_as(&whole, reduced).unwrap();
        // Within the headers, within the scan, and before the end marker.
        for kept in [20, whole.len() / 2, whole.len() - 2] {
            for error in [decode_bytes(&whole[..kept]).err(), decode_bytes_as(&whole[..kept], reduced).err()] {
                assert_eq!(error, Some(DecodeError::Truncated { format: ImageFormat::Jpeg }), "{kept} bytes");
            }
        }
    }

    #[test]
    fn what_is_no_file_is_named_so() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(decode(folder.path()).unwrap_err(), DecodeError::NoFile);
        let error = decode(&folder.path().join("none")).unwrap_err();
        assert!(matches!(error, DecodeError::Io { kind: std::io::ErrorKind::NotFound, .. }), "{error}");
        assert!(error.to_string().starts_with("cannot be read"), "{error}");
    }
}
