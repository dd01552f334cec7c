//! A decoder for JPEGs, the most common format of data sets; about twice as fast as a general decoder on sequential ones.
//!
//! It takes sequential and progressive files, any number of scans in any order, any sampling, and grey, YCbCr, RGB, CMYK and
//! YCCK. The samples equal those of libjpeg-turbo (and therefore of OpenCV and PIL) bit for bit: the integer transform, the
//! chroma filters and the colour conversion are identical. A file that lacks a part, of which libjpeg would make grey or
//! blurred areas, is refused.

mod color;
mod header;
mod huffman;
mod idct;
mod outline;
mod progressive;
mod upsample;

use image::RgbImage;

use self::color::Plane;
use self::header::{Component, Header, Next, ScanStart, ZIGZAG};
use self::huffman::{Bits, Table};
use self::idct::{LANES, Lanes};
use crate::transforms::Picture;
use fastai_kernels::wide::{Wide, wide};

pub(super) use self::outline::Outline;

/// Largest number of bits after the last block that are not counted as surplus: padding to a byte, and a byte or two that
/// some encoders add.
const MOST_LEFT: u64 = 24;

/// Why this decoder returns no image.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The file ends before its end marker.
    Truncated,
    /// The headers are invalid, for this reason.
    Unread(&'static str),
    /// The JPEG is of a kind that is not read, for this reason.
    Unsupported(&'static str),
    /// The image has so many pixels a row and rows.
    TooLarge(usize, usize),
    /// The headers are right and the coded data are not, for this reason.
    Damaged(&'static str),
}

/// A decoded JPEG.
#[derive(Debug)]
pub(super) struct Decoded {
    /// Its pixels as stored.
    pub(super) image: RgbImage,
    /// Bytes of coded data beyond the last block, which no decoder uses.
    pub(super) surplus: u64,
}

/// Decodes a complete JPEG whose width and height `fits` accepts.
pub(super) fn decode(bytes: &[u8], fits: Fits) -> Result<Decoded, Unfit> {
    let (header, scans) = header_of(bytes, fits)?;
    decode_header(header, scans, Reduction::FULL)
}

/// Like [`decode`], at a half, a quarter or an eighth of the side lengths, as far as the shorter side keeps at least
/// `shorter` pixels; `None` if no reduction does, or if the file is progressive, or neither grey nor YCbCr with full or
/// halved chroma.
///
/// If a side is not a multiple of the reduction, the last pixels cover the image only in part. Such an image is reduced
/// only if it is stored `upright`.
pub(super) fn decode_reduced(
    bytes: &[u8],
    fits: Fits,
    shorter: usize,
    upright: bool,
) -> Result<Option<Picture>, Unfit> {
    let (header, scan) = header_of(bytes, fits)?;
    let (height, width) = (header.height, header.width);
    let scale = Reduction::REDUCED.into_iter().find(|scale| {
        let whole = |side: usize| (side * scale.0).is_multiple_of(8);
        height.min(width) * scale.0 >= 8 * shorter.max(SHORTEST) && (upright || whole(height) && whole(width))
    });
    let Some(scale) = scale.filter(|_| header.is_plain() && !header.progressive) else { return Ok(None) };
    let pixels = decode_header(header, scan, scale)?.image;
    let extent = |side: usize| (side * scale.0) as f64 / 8.0;
    Ok(Some(Picture::new(pixels, extent(height), extent(width))))
}

/// Whether an image of this width and height, pixels, is decoded.
type Fits = fn(usize, usize) -> bool;

/// Reads the headers up to the first scan.
fn header_of(bytes: &[u8], fits: Fits) -> Result<(Header<'_>, ScanStart), Unfit> {
    let mut header = Header::new(bytes).ok_or(Unfit::Unread("it does not begin as a JPEG"))?;
    let Next::Scan(scan) = header.next()? else {
        return Err(Unfit::Damaged("it has no pixels"));
    };
    let (width, height) = (header.width, header.height);
    if header.components.is_empty() {
        return Err(Unfit::Unread("it has no frame"));
    }
    if fits(width, height) { Ok((header, scan)) } else { Err(Unfit::TooLarge(width, height)) }
}

fn decode_header(mut header: Header<'_>, first: ScanStart, scale: Reduction) -> Result<Decoded, Unfit> {
    let (planes, surplus) = match header.progressive {
        true => progressive::planes(&mut header, first)?,
        false => planes(&mut header, first, scale)?,
    };
    let (width, height) = (scale.side(header.width), scale.side(header.height));
    let pixels = match header.is_plain() {
        // At an eighth libjpeg repeats halved chroma instead of interpolating it.
        true => wide(color::ToRgb { planes: &planes, width, height, smooth: scale != Reduction(1) }),
        false => upsample::to_rgb(&header, &planes),
    };
    let image = RgbImage::from_raw(width as u32, height as u32, pixels).ok_or(Unfit::Damaged("it lacks rows"))?;
    Ok(Decoded { image, surplus })
}

/// The samples of a sequential JPEG's components, and the bytes of coded data beyond the last block.
fn planes(header: &mut Header<'_>, first: ScanStart, scale: Reduction) -> Result<(Vec<Plane>, u64), Unfit> {
    let (h, v) = header.most();
    let (columns, rows) = (header.width.div_ceil(8 * h), header.height.div_ceil(8 * v));
    let mut planes: Vec<Option<Plane>> = header.components.iter().map(|_| None).collect();
    let (mut next, mut surplus) = (Next::Scan(first), 0);
    while let Next::Scan(scan) = next {
        let (data, rest) = EntropyData::new(header.rest)?;
        let mut fragments = Vec::with_capacity(scan.components.len());
        for part in &scan.components {
            let component = &header.components[part.place];
            if planes[part.place].is_some() {
                // libjpeg would let the later scan win.
                return Err(Unfit::Damaged("a component has two scans"));
            }
            let side = scale.block((component.h, component.v), (h, v));
            let stride = columns * component.h * side;
            let (Some(Some(dc)), Some(Some(ac))) = (header.dc.get(part.dc), header.ac.get(part.ac)) else {
                return Err(Unfit::Damaged("a Huffman table is missing"));
            };
            let Some(Some(quant)) = header.quants.get(component.quant) else {
                return Err(Unfit::Damaged("a quantisation table is missing"));
            };
            fragments.push(Fragment {
                component,
                dc,
                ac,
                steps: std::array::from_fn(|k| (u32::from(ZIGZAG[k]) * LANES as u32, quant[k])),
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
        let work =
            Scan { most: (h, v), size: (header.width, header.height), restart: header.restart, data: &data, fragments };
        let (done, left) = wide(work).map_err(Unfit::Damaged)?;
        surplus += left;
        for (part, plane) in scan.components.iter().zip(done) {
            planes[part.place] = Some(plane);
        }
        header.rest = rest;
        next = header.next()?;
    }
    let planes: Option<Vec<Plane>> = planes.into_iter().collect();
    Ok((planes.ok_or(Unfit::Damaged("a component has no scan"))?, surplus))
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

/// The coded data without byte stuffing.
struct EntropyData {
    /// All intervals, concatenated, and eight zeros.
    bytes: Vec<u8>,
    /// Where each restart interval ends.
    ends: Vec<usize>,
}

impl EntropyData {
    /// The coded data at the start of `scan`, and what follows them: a marker.
    fn new(scan: &[u8]) -> Result<(Self, &[u8]), Unfit> {
        let mut data = EntropyData { bytes: Vec::with_capacity(scan.len() + 8), ends: Vec::new() };
        let mut rest = scan;
        loop {
            let at = memchr::memchr(0xff, rest).ok_or(Unfit::Truncated)?;
            data.bytes.extend_from_slice(&rest[..at]);
            let marker = *rest.get(at + 1).ok_or(Unfit::Truncated)?;
            let found = &rest[at..];
            rest = &rest[at + 1..];
            match marker {
                0x00 => data.bytes.push(0xff),
                // A fill byte: the next byte is examined again.
                0xff => continue,
                restart @ 0xd0..=0xd7 => {
                    if usize::from(restart) != 0xd0 + data.ends.len() % 8 {
                        return Err(Unfit::Damaged("a part between two restart marks is missing"));
                    }
                    data.ends.push(data.bytes.len());
                }
                _ => {
                    data.ends.push(data.bytes.len());
                    data.bytes.extend_from_slice(&[0; 8]);
                    return Ok((data, found));
                }
            }
            rest = &rest[1..];
        }
    }
}

/// A scan to be decoded.
struct Scan<'a> {
    /// The frame's largest sampling factors.
    most: (usize, usize),
    /// Width and height of the image, pixels.
    size: (usize, usize),
    /// MCUs between restarts, 0 for none.
    restart: usize,
    data: &'a EntropyData,
    fragments: Vec<Fragment<'a>>,
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
    /// The planes and the surplus bytes; or what is wrong.
    type Output = Result<(Vec<Plane>, u64), &'static str>;

    #[inline(always)]
    fn run(mut self) -> Self::Output {
        let ((h, v), (width, height)) = (self.most, self.size);
        let alone = match &self.fragments[..] {
            // A scan of one component has only its own blocks, without those that fill up the last MCU.
            [one] => {
                let Component { h: own_h, v: own_v, .. } = *one.component;
                Some(((width * own_h).div_ceil(8 * h), (height * own_v).div_ceil(8 * v)))
            }
            _ => None,
        };
        let (columns, rows) = alone.unwrap_or((width.div_ceil(8 * h), height.div_ceil(8 * v)));
        let every = if self.restart == 0 { rows * columns } else { self.restart };
        if self.data.ends.len() != (rows * columns).div_ceil(every) {
            return Err("a part between two restart marks is missing");
        }
        let (mut start, mut surplus) = (0, 0);
        for (interval, &end) in self.data.ends.iter().enumerate() {
            let mut bits = Bits::new(&self.data.bytes, start, end);
            start = end;
            self.fragments.iter_mut().for_each(|part| part.before = 0);
            for mcu in interval * every..((interval + 1) * every).min(rows * columns) {
                for part in &mut self.fragments {
                    let factors = if alone.is_some() { (1, 1) } else { (part.component.h, part.component.v) };
                    part.mcu(&mut bits, mcu / columns, mcu % columns, factors).ok_or("it holds an invalid code")?;
                }
            }
            surplus += surplus_of(&bits)?;
        }
        let mut planes = Vec::with_capacity(self.fragments.len());
        for mut part in self.fragments {
            part.lanes.flush(&mut part.plane.samples, part.plane.stride);
            planes.push(part.plane);
        }
        Ok((planes, surplus))
    }
}

/// The bytes that an interval holds beyond its last block; or what is wrong with its end.
#[inline(always)]
fn surplus_of(bits: &Bits<'_>) -> Result<u64, &'static str> {
    if !bits.sound() {
        return Err("its coded data end before the last pixel");
    }
    if bits.left() <= MOST_LEFT {
        return Ok(0);
    }
    // An encoder fills the last byte with ones, and a writer may add bytes of its own. Where codes were lost or
    // overwritten, what remains begins anywhere.
    if bits.padded() { Ok(bits.left() / 8) } else { Err("its coded data do not end with the last pixel") }
}

impl Fragment<'_> {
    /// Reads the component's `h` x `v` blocks of one MCU.
    #[inline(always)]
    fn mcu(&mut self, bits: &mut Bits, row: usize, column: usize, (h, v): (usize, usize)) -> Option<()> {
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

    fn small(width: usize, height: usize) -> bool {
        width.max(height) <= 1000
    }

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

    /// Fails unless a decoded file shows these pixels and has no surplus.
    fn assert_pixels(name: &str, found: Result<Decoded, Unfit>, shape: &[usize], pixels: &[u8]) {
        let Decoded { image, surplus } = found.unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert_eq!([image.height() as usize, image.width() as usize, 3], *shape, "{name}");
        let wrong = image.as_raw().iter().zip(pixels).filter(|(a, b)| a != b).count();
        assert_eq!((wrong, surplus), (0, 0), "{name}: {wrong} samples of {}", pixels.len());
    }

    #[test]
    fn pixels_are_libjpegs_bit_for_bit() {
        let golden = golden();
        assert!(golden.len() >= 11);
        for (name, file, shape, pixels) in golden {
            assert_pixels(&name, decode(&file, small), &shape, &pixels);
        }
    }

    /// Every sampling, colour space and order of scans of one size, and Pillow's pixels (`tools/jpeg_grid.py`).
    const SCANS: &[u8] = include_bytes!("../../../../tests/golden/jpeg_scans.safetensors");

    #[test]
    fn scans_of_every_layout_give_libjpegs_pixels() {
        let tensors = SafeTensors::deserialize(SCANS).unwrap();
        let mut seen = 0;
        for name in tensors.names().into_iter().filter_map(|name| name.strip_suffix(".jpg")) {
            let file = tensors.tensor(&format!("{name}.jpg")).unwrap().data().to_vec();
            let pixels = tensors.tensor(&format!("{name}.rgb")).unwrap();
            assert_pixels(name, decode(&file, small), pixels.shape(), pixels.data());
            // A scan that is lost, whole or in part, is damage.
            let second = file.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
            let lost = [&file[..second], &[0xff, 0xd9]].concat();
            assert!(decode(&lost, small).is_err(), "{name}");
            seen += 1;
        }
        assert!(seen >= 100, "{seen}");
    }

    #[test]
    fn bytes_after_the_last_block_are_counted_and_shifted_data_are_damage() {
        let (_, file, ..) = golden().into_iter().find(|(name, ..)| name == "420").unwrap();
        let whole = decode(&file, small).unwrap();
        let end = file.len() - 2;
        for added in [&[0u8; 239][..], &[b'x'; 2000]] {
            let longer = [&file[..end], added, &file[end..]].concat();
            let found = decode(&longer, small).unwrap();
            assert_eq!((&found.image, found.surplus), (&whole.image, added.len() as u64));
        }
    }

    #[test]
    fn reduced_pixels_are_libjpegs_bit_for_bit() {
        for (reduction, scale) in [("2", Reduction(4)), ("4", Reduction(2)), ("8", Reduction(1))] {
            let golden = golden_at(reduction);
            assert!(golden.len() >= 6, "{reduction}");
            for (name, file, shape, pixels) in golden {
                let (header, scan) = header_of(&file, small).unwrap();
                let found = decode_header(header, scan, scale);
                assert_pixels(&format!("{name} / {reduction}"), found, &shape, &pixels);
            }
        }
    }

    #[test]
    fn the_smallest_reduction_that_keeps_the_side_is_taken() {
        let (_, file, shape, _) = golden_at("8").into_iter().find(|(name, ..)| name == "420_large").unwrap();
        let (height, width) = (shape[0] as u32, shape[1] as u32);
        let full = decode(&file, small).unwrap().image;
        assert_eq!((full.height().div_ceil(8), full.width().div_ceil(8)), (height, width));
        let extent = |shorter: u32| {
            decode_reduced(&file, small, shorter as usize, true).unwrap().map(|picture| picture.extent())
        };
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
    fn whatever_is_missing_or_mangled_is_no_image_and_never_panics() {
        for (name, file, ..) in golden() {
            for kept in (0..file.len() - 2).step_by(7) {
                assert!(decode(&file[..kept], small).is_err(), "{name} cut to {kept}");
            }
            let mut rng = crate::random::Stream::new(1, "bytes").at(&[file.len() as u64]);
            for _ in 0..200 {
                let mut broken = file.clone();
                for _ in 0..3 {
                    let at = crate::random::below(&mut rng, file.len() as u64) as usize;
                    broken[at] = crate::random::below(&mut rng, 256) as u8;
                }
                let _ = decode(&broken, small);
                let _ = decode_reduced(&broken, small, 1, true);
            }
        }
    }
}
