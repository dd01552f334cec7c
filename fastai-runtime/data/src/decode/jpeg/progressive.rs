//! Progressive JPEGs: collects the coefficients scan by scan, then transforms them as those of sequential ones.

use fastai_kernels::wide::{Wide, wide};

use super::color::Plane;
use super::header::{Header, Next, ScanStart, ZIGZAG};
use super::huffman::{Bits, Table};
use super::idct::{LANES, Lanes};
use super::{EntropyData, Unfit, surplus_of};

/// Largest number of scans. Encoders write about ten; without a limit, a small file could ask for hours.
const MOST_SCANS: usize = 200;
/// The lowest known bit of a coefficient of which no scan has told anything.
const UNKNOWN: u32 = 255;

/// The coefficients of one component.
struct Coefficients {
    /// Of each block, in the stored order; rows of blocks one after another, including those that fill up the last MCU.
    blocks: Vec<[i16; 64]>,
    /// Blocks in a row.
    columns: usize,
    /// Blocks in a row and rows of blocks that belong to the image.
    own: (usize, usize),
    /// The lowest bit of each coefficient that is known; 0 if it is complete.
    known: [u32; 64],
    /// The quantisation steps at the component's first scan, in the stored order.
    quant: Option<[i32; 64]>,
}

/// The samples of a progressive JPEG's components, and the bytes of coded data beyond the last blocks.
pub(super) fn planes(header: &mut Header<'_>, first: ScanStart) -> Result<(Vec<Plane>, u64), Unfit> {
    let (h, v) = header.most();
    let (columns, rows) = (header.width.div_ceil(8 * h), header.height.div_ceil(8 * v));
    let of_component = |component: &super::Component| Coefficients {
        blocks: vec![[0; 64]; columns * component.h * rows * component.v],
        columns: columns * component.h,
        own: ((header.width * component.h).div_ceil(8 * h), (header.height * component.v).div_ceil(8 * v)),
        known: [UNKNOWN; 64],
        quant: None,
    };
    let mut parts: Vec<Coefficients> = header.components.iter().map(of_component).collect();
    let (mut next, mut surplus) = (Next::Scan(first), 0);
    for _ in 0..MOST_SCANS {
        let scan = match next {
            Next::Scan(scan) => scan,
            Next::End => {
                let complete = parts.iter().all(|part| part.known == [0; 64]);
                if !complete {
                    // libjpeg would smooth over what is missing.
                    return Err(Unfit::Damaged("its last scans are missing"));
                }
                let planes = header.components.iter().zip(parts).map(|(component, part)| {
                    let plane = Plane {
                        samples: vec![0; 64 * part.blocks.len()],
                        stride: 8 * part.columns,
                        width: (header.width * component.h).div_ceil(h),
                        height: (header.height * component.v).div_ceil(v),
                    };
                    wide(ComponentTransform { part, plane })
                });
                return Ok((planes.collect(), surplus));
            }
        };
        for component in &scan.components {
            let part = &mut parts[component.place];
            let steps = header.quants.get(header.components[component.place].quant).copied().flatten();
            part.quant = part.quant.or(steps);
            if part.quant.is_none() {
                return Err(Unfit::Damaged("a quantisation table is missing"));
            }
            let expected = if scan.above == 0 { UNKNOWN } else { scan.above };
            if part.known[scan.first..=scan.last].iter().any(|known| *known != expected) {
                return Err(Unfit::Damaged("its scans do not follow each other"));
            }
            part.known[scan.first..=scan.last].fill(scan.low);
        }
        let (data, rest) = EntropyData::new(header.rest)?;
        surplus += read(header, &scan, &data, &mut parts)?;
        header.rest = rest;
        next = header.next()?;
    }
    Err(Unfit::Unread("it has more than 200 scans"))
}

/// Reads the coded data of a scan; returns the bytes beyond the last block.
fn read(header: &Header<'_>, scan: &ScanStart, data: &EntropyData, parts: &mut [Coefficients]) -> Result<u64, Unfit> {
    const NO_TABLE: Unfit = Unfit::Damaged("a Huffman table is missing");
    let (h, v) = header.most();
    // A scan of one component has only its own blocks, without those that fill up the last MCU.
    let alone = scan.components.len() == 1;
    let (columns, rows) = match &scan.components[..] {
        [one] => parts[one.place].own,
        _ => (header.width.div_ceil(8 * h), header.height.div_ceil(8 * v)),
    };
    let every = if header.restart == 0 { rows * columns } else { header.restart };
    if data.ends.len() != (rows * columns).div_ceil(every) {
        return Err(Unfit::Damaged("a part between two restart marks is missing"));
    }
    let symbols = match scan.components.first() {
        Some(one) if scan.first > 0 => Some(header.symbols(one.ac).ok_or(NO_TABLE)?),
        _ => None,
    };
    let mut firsts = Vec::with_capacity(scan.components.len());
    for component in &scan.components {
        let table = header.dc.get(component.dc).and_then(Option::as_ref);
        if scan.first == 0 && scan.above == 0 && table.is_none() {
            return Err(NO_TABLE);
        }
        firsts.push(table);
    }
    let (mut start, mut surplus) = (0, 0);
    for (interval, &end) in data.ends.iter().enumerate() {
        let mut bits = Bits::new(&data.bytes, start, end);
        start = end;
        let mut before = [0i32; 4];
        let mut skip = 0u32;
        for mcu in interval * every..((interval + 1) * every).min(rows * columns) {
            let (row, column) = (mcu / columns, mcu % columns);
            for (number, component) in scan.components.iter().enumerate() {
                let (h, v) = match alone {
                    true => (1, 1),
                    false => (header.components[component.place].h, header.components[component.place].v),
                };
                let part = &mut parts[component.place];
                for (y, x) in (0..v).flat_map(|y| (0..h).map(move |x| (y, x))) {
                    let block = &mut part.blocks[(row * v + y) * part.columns + column * h + x];
                    let done = match (&symbols, firsts[number]) {
                        (Some(symbols), _) if scan.above == 0 => band(&mut bits, block, scan, symbols, &mut skip),
                        (Some(symbols), _) => refined_band(&mut bits, block, scan, symbols, &mut skip),
                        (None, Some(table)) if scan.above == 0 => {
                            bits.refill();
                            bits.read(&table.fast, table).map(|coded| {
                                before[number] = before[number].wrapping_add(coded.value);
                                block[0] = (before[number] << scan.low) as i16;
                            })
                        }
                        _ => {
                            bits.refill();
                            block[0] |= (bits.take(1) << scan.low) as i16;
                            Some(())
                        }
                    };
                    done.ok_or(Unfit::Damaged("it holds an invalid code"))?;
                }
            }
            // Beyond the end all is zeros.
            if column + 1 == columns && !bits.sound() {
                break;
            }
        }
        surplus += surplus_of(&bits).map_err(Unfit::Damaged)?;
    }
    Ok(surplus)
}

/// Reads the upper bits of a band of coefficients. `skip` counts the following blocks that have none.
#[inline]
fn band(bits: &mut Bits<'_>, block: &mut [i16; 64], scan: &ScanStart, symbols: &Table, skip: &mut u32) -> Option<()> {
    if *skip > 0 {
        *skip -= 1;
        return Some(());
    }
    let mut k = scan.first;
    while k <= scan.last {
        bits.refill();
        let symbol = bits.read(&symbols.fast, symbols)?.run as u32;
        let (run, size) = (symbol >> 4, symbol & 15);
        match (run, size) {
            (15, 0) => k += 16,
            (_, 0) => {
                *skip = (1 << run) + bits.take(run) - 1;
                break;
            }
            _ => {
                k += run as usize;
                let number = bits.take(size) as i32;
                // Numbers whose first bit is 0 are negative.
                let value = if number >> (size - 1) == 0 { number - (1 << size) + 1 } else { number };
                *block.get_mut(k).filter(|_| k <= scan.last)? = (value << scan.low) as i16;
                k += 1;
            }
        }
    }
    Some(())
}

/// Reads one more bit of a band of coefficients, and those that this bit makes other than 0.
#[inline]
fn refined_band(
    bits: &mut Bits<'_>,
    block: &mut [i16; 64],
    scan: &ScanStart,
    symbols: &Table,
    skip: &mut u32,
) -> Option<()> {
    let one = 1i16 << scan.low;
    let refine = |bits: &mut Bits<'_>, coefficient: &mut i16| {
        bits.refill();
        if bits.take(1) == 1 && *coefficient & one == 0 {
            *coefficient = coefficient.wrapping_add(if *coefficient > 0 { one } else { -one });
        }
    };
    let mut k = scan.first;
    if *skip == 0 {
        while k <= scan.last {
            bits.refill();
            let symbol = bits.read(&symbols.fast, symbols)?.run as u32;
            let (mut run, size) = (symbol >> 4, symbol & 15);
            let new = match (run, size) {
                (15, 0) => 0,
                (_, 0) => {
                    *skip = (1 << run) + bits.take(run);
                    break;
                }
                (_, 1) => {
                    if bits.take(1) == 1 {
                        one
                    } else {
                        -one
                    }
                }
                _ => return None,
            };
            while k <= scan.last {
                if block[k] != 0 {
                    refine(bits, &mut block[k]);
                } else if run == 0 {
                    break;
                } else {
                    run -= 1;
                }
                k += 1;
            }
            if new != 0 {
                *block.get_mut(k).filter(|_| k <= scan.last)? = new;
            }
            k += 1;
        }
    }
    if *skip > 0 {
        for coefficient in block[k.min(64)..=scan.last].iter_mut().filter(|coefficient| **coefficient != 0) {
            refine(bits, coefficient);
        }
        *skip -= 1;
    }
    Some(())
}

/// The transform of all blocks of a component.
struct ComponentTransform {
    part: Coefficients,
    plane: Plane,
}

impl Wide for ComponentTransform {
    type Output = Plane;

    #[inline(always)]
    fn run(mut self) -> Plane {
        let quant = self.part.quant.unwrap_or([1; 64]);
        let mut lanes = Lanes::new(8);
        for (number, block) in self.part.blocks.iter().enumerate() {
            let (coefficients, lane) = lanes.open();
            let mut last = 0;
            for (k, value) in block.iter().enumerate().filter(|(_, value)| **value != 0) {
                coefficients[usize::from(ZIGZAG[k]) * LANES + lane] = i32::from(*value).wrapping_mul(quant[k]);
                last = k;
            }
            let (row, column) = (number / self.part.columns, number % self.part.columns);
            if lanes.close(8 * (row * self.plane.stride + column), last) {
                lanes.flush(&mut self.plane.samples, self.plane.stride);
            }
        }
        lanes.flush(&mut self.plane.samples, self.plane.stride);
        self.plane
    }
}
