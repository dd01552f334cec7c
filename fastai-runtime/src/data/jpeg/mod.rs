//! Baseline JPEG, the kind that nearly all data sets are made of, decoded about twice as fast as by a general decoder.
//!
//! Samples are those of libjpeg-turbo (and so of OpenCV and PIL) bit for bit: the same integer transform, the same filter
//! for chroma, the same colour conversion. Everything out of the ordinary, broken files among it, is left to the general
//! decoder, which has the last word on them.

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
use crate::kernels::wide::{Wide, wide};

/// Most pixels that are decoded here: those of a large camera.
const MOST: usize = 100_000_000;

/// Most bits after the last block that are no damage: padding to a byte, and a byte or two that some encoders add.
const MOST_LEFT: u64 = 24;

/// The image as it is stored, and how it is to be turned; `None` where this is not a whole baseline JPEG in one scan, grey
/// or YCbCr with chroma in full or half, or not larger than `longest` a side.
///
/// `exact` also refuses data beyond the last block, as is left where a part of the scan was lost or overwritten.
pub(super) fn decode(bytes: &[u8], longest: usize, exact: bool) -> Option<(RgbImage, Orientation)> {
    let header = header_of(bytes, longest)?;
    let (width, height) = (header.width, header.height);
    let data = Data::new(header.scan)?;
    let pixels = wide(Scan { header: &header, data: &data, exact })?;
    let orientation = header.exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms);
    Some((RgbImage::from_raw(width as u32, height as u32, pixels)?, orientation))
}

/// Whether the headers are those of an image that is decoded here, so that [`decode`] only fails because of its scan.
pub(super) fn is_plain(bytes: &[u8], longest: usize) -> bool {
    let Some(header) = header_of(bytes, longest) else { return false };
    let has = |tables: &[Option<Table>], index: usize| tables.get(index).is_some_and(Option::is_some);
    header.components.iter().all(|component| has(&header.dc, component.dc) && has(&header.ac, component.ac))
}

fn header_of(bytes: &[u8], longest: usize) -> Option<Header<'_>> {
    let header = header::read(bytes)?;
    let (width, height) = (header.width, header.height);
    (width <= longest && height <= longest && width * height <= MOST).then_some(header)
}

/// The coded data without the zeros that follow bytes of ones.
struct Data {
    /// All intervals one after another, and eight zeros.
    bytes: Vec<u8>,
    /// Where each restart interval ends.
    ends: Vec<usize>,
}

impl Data {
    /// `None` where the markers are not restarts in order and then the end.
    fn new(scan: &[u8]) -> Option<Self> {
        let mut data = Data { bytes: Vec::with_capacity(scan.len() + 8), ends: Vec::new() };
        let mut rest = scan;
        loop {
            let at = memchr::memchr(0xff, rest)?;
            data.bytes.extend_from_slice(&rest[..at]);
            let marker = *rest.get(at + 1)?;
            rest = &rest[at + 1..];
            match marker {
                0x00 => data.bytes.push(0xff),
                // A fill byte: the next is looked at again.
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
    data: &'a Data,
    exact: bool,
}

/// What the decoding of one component needs.
struct Part<'a> {
    component: &'a Component,
    dc: &'a Table,
    ac: &'a Table,
    /// In the stored order: the coefficient's place among the [`Lanes`], and its quantisation step.
    steps: [(u32, i32); 64],
    /// The first coefficient of the block before.
    before: i32,
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
            let stride = columns * component.h * 8;
            parts.push(Part {
                component,
                dc: header.dc.get(component.dc)?.as_ref()?,
                ac: header.ac.get(component.ac)?.as_ref()?,
                steps: {
                    let quant = header.quants.get(component.quant)?.as_ref()?;
                    std::array::from_fn(|k| (u32::from(ZIGZAG[k]) * LANES as u32, quant[k]))
                },
                before: 0,
                lanes: Lanes::new(),
                plane: Plane {
                    samples: vec![0; stride * rows * component.v * 8],
                    stride,
                    width: (header.width * component.h).div_ceil(h),
                    height: (header.height * component.v).div_ceil(v),
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
        Some(color::to_rgb(&planes, header.width, header.height))
    }
}

impl Part<'_> {
    /// Reads the component's blocks of one MCU.
    #[inline(always)]
    fn mcu(&mut self, bits: &mut Bits, row: usize, column: usize) -> Option<()> {
        let Component { h, v, .. } = *self.component;
        for y in 0..v {
            for x in 0..h {
                let place = ((row * v + y) * self.plane.stride + column * h + x) * 8;
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
        self.before = self.before.wrapping_add(here.read(&dc.fast, dc)?.value);
        let (coefficients, lane) = self.lanes.open();
        coefficients[lane] = self.before.wrapping_mul(steps[0].1);
        let mut k = 1usize;
        let mut last = 0;
        while k < 64 {
            let coded = here.read(fast, ac)?;
            k = k.wrapping_add(coded.run);
            if k > 63 {
                // Either the mark of the end, or more coefficients than there are.
                if coded.run <= 15 {
                    return None;
                }
                break;
            }
            let (place, step) = steps[k];
            coefficients[(place as usize).wrapping_add(lane) & (64 * LANES - 1)] = coded.value.wrapping_mul(step);
            last = k;
            k = k.wrapping_add(1);
        }
        *bits = here;
        Some(last)
    }
}

#[cfg(test)]
mod tests {
    use safetensors::SafeTensors;

    use super::*;

    /// Files and OpenCV's pixels (`tools/reference_jpeg.py`).
    const GOLDEN: &[u8] = include_bytes!("../../../tests/golden/jpeg.safetensors");

    /// Name, file, sides and pixels.
    type Golden = (String, Vec<u8>, Vec<usize>, Vec<u8>);

    fn golden() -> Vec<Golden> {
        let tensors = SafeTensors::deserialize(GOLDEN).unwrap();
        let names = tensors.names().into_iter().filter_map(|name| name.strip_suffix(".jpg").map(str::to_string));
        names
            .map(|name| {
                let file = tensors.tensor(&format!("{name}.jpg")).unwrap().data().to_vec();
                let pixels = tensors.tensor(&format!("{name}.rgb")).unwrap();
                (name, file, pixels.shape().to_vec(), pixels.data().to_vec())
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
            }
        }
    }
}
