//! A decoder for baseline JPEGs, the most common format of data sets, about twice as fast as a general decoder.
//!
//! The samples equal those of libjpeg-turbo (and therefore of OpenCV and PIL) bit for bit: the integer transform, the
//! chroma filter and the colour conversion are identical. All other files, including broken ones, go to the general
//! decoder, whose verdict counts.

mod color;
mod header;
mod huffman;
mod idct;

use image::RgbImage;
use image::metadata::Orientation;

use self::color::Plane;
use self::header::{Component, Header, ZIGZAG};
use self::huffman::{Bits, Table};
use self::idct::{LANES, Lanes};
use crate::transforms::Picture;
use fastai_kernels::wide::{Wide, wide};

/// Largest number of pixels that this decoder accepts: that of a large camera.
const MOST: usize = 100_000_000;

/// Largest number of bits after the last block that is not damage: padding to a byte, and a byte or two that some encoders
/// add.
const MOST_LEFT: u64 = 24;

/// Returns the image as stored and its orientation. `None` unless the file is a complete baseline JPEG with one scan, in
/// grey or YCbCr with full or halved chroma, and at most `longest` pixels a side.
///
/// `exact` also rejects data beyond the last block, which remains where part of the scan was lost or overwritten.
pub(super) fn decode(bytes: &[u8], longest: usize, exact: bool) -> Option<(RgbImage, Orientation)> {
    decode_header(&header_of(bytes, longest)?, Reduction::FULL, exact)
}

/// Like [`decode`], at a half, a quarter or an eighth of the side lengths, as far as the shorter side keeps at least
/// `shorter` pixels; `None` if no reduction does.
///
/// If a side is not a multiple of the reduction, the last pixels cover the image only in part. Such an image is reduced
/// only if it is stored upright.
pub(super) fn decode_reduced(bytes: &[u8], longest: usize, shorter: usize) -> Option<(Picture, Orientation)> {
    let header = header_of(bytes, longest)?;
    let upright = orientation(&header) == Orientation::NoTransforms;
    let (height, width) = (header.height, header.width);
    let scale = Reduction::REDUCED.into_iter().find(|scale| {
        let whole = |side: usize| (side * scale.0).is_multiple_of(8);
        height.min(width) * scale.0 >= 8 * shorter.max(SHORTEST) && (upright || whole(height) && whole(width))
    })?;
    let (pixels, orientation) = decode_header(&header, scale, false)?;
    let extent = |side: usize| (side * scale.0) as f64 / 8.0;
    Some((Picture::new(pixels, extent(height), extent(width)), orientation))
}

fn decode_header(header: &Header<'_>, scale: Reduction, exact: bool) -> Option<(RgbImage, Orientation)> {
    let (width, height) = (scale.side(header.width), scale.side(header.height));
    let data = EntropyData::new(header.scan)?;
    let pixels = wide(Scan { header, data: &data, scale, exact })?;
    Some((RgbImage::from_raw(width as u32, height as u32, pixels)?, orientation(header)))
}

fn orientation(header: &Header<'_>) -> Orientation {
    header.exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms)
}

/// Shortest side of a reduced image: below it, libjpeg upsamples chroma in other ways.
const SHORTEST: usize = 8;

/// The output scale: the side that a block of 8 x 8 pixels decodes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reduction(usize);

impl Reduction {
    const FULL: Reduction = Reduction(8);
    /// The reduced scales, smallest first.
    const REDUCED: [Reduction; 3] = [Reduction(1), Reduction(2), Reduction(4)];

    /// Returns the scaled length of a side of `full` pixels.
    fn side(self, full: usize) -> usize {
        (full * self.0).div_ceil(8)
    }

    /// Returns the side of a component's decoded blocks, samples; `sampling` are its factors and `most` the largest ones.
    ///
    /// If luma is reduced, chroma coded at half the size decodes to blocks twice as large, which needs no interpolation.
    fn block(self, sampling: (usize, usize), most: (usize, usize)) -> usize {
        let mut side = self.0;
        let fits = |most: usize, factor: usize, side: usize| (most * self.0).is_multiple_of(2 * factor * side);
        while side < 8 && fits(most.0, sampling.0, side) && fits(most.1, sampling.1, side) {
            side *= 2;
        }
        side
    }
}

/// Whether this decoder accepts the headers, so that [`decode`] can only fail because of the scan.
pub(super) fn is_plain(bytes: &[u8], longest: usize) -> bool {
    let Some(header) = header_of(bytes, longest) else { return false };
    let has = |tables: &[Option<Table>], index: usize| tables.get(index).is_some_and(Option::is_some);
    header.components.iter().all(|component| has(&header.dc, component.dc) && has(&header.ac, component.ac))
}

/// Whether the scan of a baseline JPEG with four components (CMYK) contains exactly the blocks that its header states;
/// `None` for any other file.
pub(super) fn ends_with_its_blocks(bytes: &[u8]) -> Option<bool> {
    let header = header::read(bytes).filter(|header| header.components.len() == 4)?;
    Some(EntropyData::new(header.scan).is_some_and(|data| blocks(&header, &data).is_some()))
}

/// Reads all blocks of a scan and discards them; `None` if they do not end with the data.
fn blocks(header: &Header<'_>, data: &EntropyData) -> Option<()> {
    let most = |of: fn(&Component) -> usize| header.components.iter().map(of).max();
    let mcus = header.width.div_ceil(8 * most(|c| c.h)?) * header.height.div_ceil(8 * most(|c| c.v)?);
    let every = if header.restart == 0 { mcus } else { header.restart };
    if data.ends.len() != mcus.div_ceil(every) {
        return None;
    }
    let mut start = 0;
    for (interval, &end) in data.ends.iter().enumerate() {
        let mut bits = Bits::new(&data.bytes, start, end);
        start = end;
        for _ in interval * every..((interval + 1) * every).min(mcus) {
            for component in &header.components {
                let dc = header.dc.get(component.dc)?.as_ref()?;
                let ac = header.ac.get(component.ac)?.as_ref()?;
                for _ in 0..component.h * component.v {
                    bits.refill();
                    bits.read(&dc.fast, dc)?;
                    let mut k = 1;
                    while k <= 63 {
                        bits.refill();
                        k += bits.read(&ac.fast, ac)?.run + 1;
                    }
                    // The end mark leads far past the last coefficient; too many coefficients lead just past it.
                    if (65..=64 + 15).contains(&k) {
                        return None;
                    }
                }
            }
            // Codes beyond the end of the data do not belong to this image.
            if !bits.sound() {
                return None;
            }
        }
        if bits.left() > MOST_LEFT {
            return None;
        }
    }
    Some(())
}

fn header_of(bytes: &[u8], longest: usize) -> Option<Header<'_>> {
    let header = header::read(bytes).filter(|header| header.components.len() < 4)?;
    let (width, height) = (header.width, header.height);
    (width <= longest && height <= longest && width * height <= MOST).then_some(header)
}

/// The coded data without byte stuffing.
struct EntropyData {
    /// All intervals, concatenated, and eight zeros.
    bytes: Vec<u8>,
    /// Where each restart interval ends.
    ends: Vec<usize>,
}

impl EntropyData {
    /// `None` unless the markers are restarts in order, followed by the end.
    fn new(scan: &[u8]) -> Option<Self> {
        let mut data = EntropyData { bytes: Vec::with_capacity(scan.len() + 8), ends: Vec::new() };
        let mut rest = scan;
        loop {
            let at = memchr::memchr(0xff, rest)?;
            data.bytes.extend_from_slice(&rest[..at]);
            let marker = *rest.get(at + 1)?;
            rest = &rest[at + 1..];
            match marker {
                0x00 => data.bytes.push(0xff),
                // A fill byte: the next byte is examined again.
                0xff => continue,
                0xd9 => break,
                restart if usize::from(restart) == 0xd0 + data.ends.len() % 8 => data.ends.push(data.bytes.len()),
                _ => return None,
            }
            rest = &rest[1..];
        }
        data.ends.push(data.bytes.len());
        data.bytes.extend_from_slice(&[0; 8]);
        Some(data)
    }
}

/// A scan to be decoded.
struct Scan<'a> {
    header: &'a Header<'a>,
    data: &'a EntropyData,
    scale: Reduction,
    exact: bool,
}

/// The decoding state of one component.
struct Fragment<'a> {
    component: &'a Component,
    dc: &'a Table,
    ac: &'a Table,
    /// In the stored order: the coefficient's position in the [`Lanes`] and its quantisation step.
    steps: [(u32, i32); 64],
    /// The first coefficient of the block before.
    before: i32,
    /// Side of a decoded block, samples.
    side: usize,
    lanes: Lanes,
    plane: Plane,
}

impl Wide for Scan<'_> {
    type Output = Option<Vec<u8>>;

    #[inline(always)]
    fn run(self) -> Option<Vec<u8>> {
        let header = self.header;
        let most = |of: fn(&Component) -> usize| header.components.iter().map(of).max();
        let (h, v) = (most(|c| c.h)?, most(|c| c.v)?);
        let columns = header.width.div_ceil(8 * h);
        let rows = header.height.div_ceil(8 * v);
        let mut parts = Vec::with_capacity(3);
        for component in &header.components {
            let side = self.scale.block((component.h, component.v), (h, v));
            let stride = columns * component.h * side;
            parts.push(Fragment {
                component,
                dc: header.dc.get(component.dc)?.as_ref()?,
                ac: header.ac.get(component.ac)?.as_ref()?,
                steps: {
                    let quant = header.quants.get(component.quant)?.as_ref()?;
                    std::array::from_fn(|k| (u32::from(ZIGZAG[k]) * LANES as u32, quant[k]))
                },
                before: 0,
                side,
                lanes: Lanes::new(side),
                plane: Plane {
                    samples: vec![0; stride * rows * component.v * side],
                    stride,
                    width: (header.width * component.h * side).div_ceil(8 * h),
                    height: (header.height * component.v * side).div_ceil(8 * v),
                },
            });
        }
        let every = if header.restart == 0 { rows * columns } else { header.restart };
        if self.data.ends.len() != (rows * columns).div_ceil(every) {
            return None;
        }
        let mut start = 0;
        for (interval, &end) in self.data.ends.iter().enumerate() {
            let mut bits = Bits::new(&self.data.bytes, start, end);
            start = end;
            parts.iter_mut().for_each(|part| part.before = 0);
            for mcu in interval * every..((interval + 1) * every).min(rows * columns) {
                for part in &mut parts {
                    part.mcu(&mut bits, mcu / columns, mcu % columns)?;
                }
            }
            if !bits.sound() || (self.exact && bits.left() > MOST_LEFT) {
                return None;
            }
        }
        let mut planes = Vec::with_capacity(3);
        for mut part in parts {
            part.lanes.flush(&mut part.plane.samples, part.plane.stride);
            planes.push(part.plane);
        }
        let (width, height) = (self.scale.side(header.width), self.scale.side(header.height));
        // At an eighth libjpeg repeats halved chroma instead of interpolating it.
        Some(color::to_rgb(&planes, width, height, self.scale != Reduction(1)))
    }
}

impl Fragment<'_> {
    /// Reads the component's blocks of one MCU.
    #[inline(always)]
    fn mcu(&mut self, bits: &mut Bits, row: usize, column: usize) -> Option<()> {
        let Component { h, v, .. } = *self.component;
        for y in 0..v {
            for x in 0..h {
                let place = ((row * v + y) * self.plane.stride + column * h + x) * self.side;
                let last = self.block(bits)?;
                if self.lanes.close(place, last) {
                    self.lanes.flush(&mut self.plane.samples, self.plane.stride);
                }
            }
        }
        Some(())
    }

    /// Reads one block; its last coefficient that is not 0, in the stored order.
    #[inline(always)]
    fn block(&mut self, bits: &mut Bits) -> Option<usize> {
        // Copies that no store can touch stay in registers.
        let mut here = *bits;
        let (dc, ac, steps) = (self.dc, self.ac, &self.steps);
        let fast = &*ac.fast;
        here.refill();
        self.before = self.before.wrapping_add(here.read(&dc.fast, dc)?.value);
        here.refill();
        let (coefficients, lane) = self.lanes.open();
        coefficients[lane] = self.before.wrapping_mul(steps[0].1);
        let mut k = 1usize;
        let mut last = 0;
        'block: loop {
            // Two numbers for each refill.
            for _ in 0..2 {
                if k > 63 {
                    break 'block;
                }
                let coded = here.read(fast, ac)?;
                k = k.wrapping_add(coded.run);
                if k > 63 {
                    // Either the mark of the end, or more coefficients than there are.
                    if coded.run <= 15 {
                        return None;
                    }
                    break 'block;
                }
                let (place, step) = steps[k];
                coefficients[(place as usize).wrapping_add(lane) & (64 * LANES - 1)] = coded.value.wrapping_mul(step);
                last = k;
                k = k.wrapping_add(1);
            }
            here.refill();
        }
        *bits = here;
        Some(last)
    }
}

#[cfg(test)]
mod tests {
    use safetensors::SafeTensors;

    use super::*;
    use crate::transforms::Pixels;

    /// Files and OpenCV's pixels (`tools/reference_jpeg.py`).
    const GOLDEN: &[u8] = include_bytes!("../../../../tests/golden/jpeg.safetensors");

    /// Name, file, sides and pixels.
    type Golden = (String, Vec<u8>, Vec<usize>, Vec<u8>);

    fn golden() -> Vec<Golden> {
        golden_at("")
    }

    /// Those of which there are pixels reduced by so much.
    fn golden_at(reduction: &str) -> Vec<Golden> {
        let tensors = SafeTensors::deserialize(GOLDEN).unwrap();
        let names = tensors.names().into_iter().filter_map(|name| name.strip_suffix(".jpg").map(str::to_string));
        names
            .filter_map(|name| {
                let file = tensors.tensor(&format!("{name}.jpg")).unwrap().data().to_vec();
                let pixels = tensors.tensor(&format!("{name}.rgb{reduction}")).ok()?;
                Some((name, file, pixels.shape().to_vec(), pixels.data().to_vec()))
            })
            .collect()
    }

    #[test]
    fn pixels_are_libjpegs_bit_for_bit() {
        let golden = golden();
        assert!(golden.len() >= 11);
        for (name, file, shape, pixels) in golden {
            let (image, orientation) = decode(&file, 1000, true).unwrap_or_else(|| panic!("{name} is not decoded"));
            assert_eq!([image.height() as usize, image.width() as usize, 3], *shape, "{name}");
            assert_eq!(orientation, Orientation::NoTransforms);
            let wrong = image.as_raw().iter().zip(&pixels).filter(|(a, b)| a != b).count();
            assert_eq!(wrong, 0, "{name}: {wrong} samples of {}", pixels.len());
        }
    }

    #[test]
    fn reduced_pixels_are_libjpegs_bit_for_bit() {
        for (reduction, scale) in [("2", Reduction(4)), ("4", Reduction(2)), ("8", Reduction(1))] {
            let golden = golden_at(reduction);
            assert!(golden.len() >= 6, "{reduction}");
            for (name, file, shape, pixels) in golden {
                let header = header_of(&file, 1000).unwrap();
                let (image, _) = decode_header(&header, scale, true).unwrap_or_else(|| panic!("{name} is not decoded"));
                assert_eq!([image.height() as usize, image.width() as usize, 3], *shape, "{name} / {reduction}");
                let wrong = image.as_raw().iter().zip(&pixels).filter(|(a, b)| a != b).count();
                assert_eq!(wrong, 0, "{name} / {reduction}: {wrong} samples of {}", pixels.len());
            }
        }
    }

    #[test]
    fn the_smallest_reduction_that_keeps_the_side_is_taken() {
        let (_, file, shape, _) = golden_at("8").into_iter().find(|(name, ..)| name == "420_large").unwrap();
        let (height, width) = (shape[0] as u32, shape[1] as u32);
        let full = decode(&file, 1000, false).unwrap().0;
        assert_eq!((full.height().div_ceil(8), full.width().div_ceil(8)), (height, width));
        let extent = |shorter: u32| decode_reduced(&file, 1000, shorter as usize).map(|(picture, _)| picture.extent());
        let reduced =
            |by: u32| Some((f64::from(full.height()) / f64::from(by), f64::from(full.width()) / f64::from(by)));
        let shorter = full.width().min(full.height());
        for by in [8, 4, 2] {
            assert_eq!(extent(shorter / by), reduced(by));
            assert_eq!(extent(shorter / by + 1), if by == 2 { None } else { reduced(by / 2) });
        }
        assert_eq!(extent(0), reduced(8));
    }

    #[test]
    fn whatever_is_missing_or_mangled_is_left_to_others_and_never_panics() {
        for (name, file, ..) in golden() {
            for kept in (0..file.len() - 2).step_by(7) {
                assert!(decode(&file[..kept], 1000, false).is_none(), "{name} cut to {kept}");
            }
            let mut rng = crate::random::Stream::new(1, "bytes").at(&[file.len() as u64]);
            for _ in 0..200 {
                let mut broken = file.clone();
                for _ in 0..3 {
                    let at = crate::random::below(&mut rng, file.len() as u64) as usize;
                    broken[at] = crate::random::below(&mut rng, 256) as u8;
                }
                let _ = decode(&broken, 1000, true);
                let _ = decode_reduced(&broken, 1000, 1);
            }
        }
    }
}
