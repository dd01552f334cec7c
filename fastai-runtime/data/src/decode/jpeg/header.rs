//! The segments before a JPEG's scan.

use super::huffman::{Table, TableClass};

/// The row-major position in the block of coefficient `k` of the stored order.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// The headers of a baseline JPEG with one scan.
pub(super) struct Header<'a> {
    /// Pixels a row.
    pub(super) width: usize,
    /// Rows.
    pub(super) height: usize,
    /// Luma; luma and two chroma components; or four components of unknown meaning.
    pub(super) components: Vec<Component>,
    /// Quantisation steps in the stored order.
    pub(super) quants: [Option<[i32; 64]>; 4],
    /// Tables of DC differences.
    pub(super) dc: [Option<Table>; 4],
    /// Tables of all other coefficients.
    pub(super) ac: [Option<Table>; 4],
    /// MCUs between restarts, 0 for none.
    pub(super) restart: usize,
    /// The Exif segment's content after its name.
    pub(super) exif: Option<&'a [u8]>,
    /// The coded data and whatever follows it.
    pub(super) scan: &'a [u8],
}

/// One component of the frame.
pub(super) struct Component {
    id: u8,
    /// Blocks of an MCU in a row.
    pub(super) h: usize,
    /// Rows of blocks of an MCU.
    pub(super) v: usize,
    /// Number of its quantisation table.
    pub(super) quant: usize,
    /// Number of its DC table.
    pub(super) dc: usize,
    /// Number of its AC table.
    pub(super) ac: usize,
}

/// Reads the headers up to the scan; `None` unless the file is a baseline JPEG with one scan in grey or YCbCr, or with four
/// components.
pub(super) fn read(bytes: &[u8]) -> Option<Header<'_>> {
    let mut header = Header {
        width: 0,
        height: 0,
        components: Vec::new(),
        quants: [None; 4],
        dc: [const { None }; 4],
        ac: [const { None }; 4],
        restart: 0,
        exif: None,
        scan: &[],
    };
    let mut jfif = false;
    let mut adobe = None;
    let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let marker = *rest.strip_prefix(&[0xff])?.first()?;
        if marker == 0xff {
            // A fill byte.
            rest = &rest[1..];
            continue;
        }
        if matches!(marker, 0x00 | 0x01 | 0xd0..=0xd9) {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
        let segment = rest.get(4..2 + length)?;
        rest = &rest[2 + length..];
        match marker {
            0xc0 | 0xc1 => header.frame(segment)?,
            0xc4 => header.tables(segment)?,
            // Other codings: progressive, lossless, arithmetic.
            0xc2..=0xcf => return None,
            0xdb => header.quantisation(segment)?,
            0xdd => header.restart = usize::from(u16::from_be_bytes(segment.try_into().ok()?)),
            0xe0 => jfif |= segment.starts_with(b"JFIF\0"),
            0xe1 => {
                if let Some(exif) = segment.strip_prefix(b"Exif\0\0") {
                    // The general decoder decides which of several counts.
                    if header.exif.replace(exif).is_some() {
                        return None;
                    }
                }
            }
            0xee if segment.starts_with(b"Adobe") => adobe = Some(*segment.get(11)?),
            0xda => {
                header.scan = rest;
                header.start_of_scan(segment)?;
                break;
            }
            _ => {}
        }
    }
    let ids: Vec<u8> = header.components.iter().map(|c| c.id).collect();
    let ycc = match adobe {
        Some(transform) => transform == 1,
        None => jfif || ids == [1, 2, 3],
    };
    (matches!(ids.len(), 1 | 4) || ycc).then_some(header)
}

impl Header<'_> {
    fn frame(&mut self, segment: &[u8]) -> Option<()> {
        let (&[precision, h1, h0, w1, w0, count], mut rest) = segment.split_first_chunk::<6>()?;
        let count = usize::from(count);
        if precision != 8 || !self.components.is_empty() || !matches!(count, 1 | 3 | 4) || rest.len() != 3 * count {
            return None;
        }
        self.height = usize::from(u16::from_be_bytes([h1, h0]));
        self.width = usize::from(u16::from_be_bytes([w1, w0]));
        while let Some((&[id, sampling, quant], after)) = rest.split_first_chunk::<3>() {
            rest = after;
            let (mut h, mut v) = (usize::from(sampling >> 4), usize::from(sampling & 15));
            if count == 1 {
                // A scan of one component has one block per MCU, whatever its factors.
                (h, v) = (1, 1);
            }
            self.components.push(Component { id, h, v, quant: usize::from(quant), dc: 0, ac: 0 });
        }
        // Chroma in full or half, each way.
        let factors: Vec<(usize, usize)> = self.components.iter().map(|c| (c.h, c.v)).collect();
        let known = match factors[..] {
            [(1, 1)] => true,
            // libjpeg upsamples chroma of this width or height in another way.
            [(h @ (1 | 2), v @ (1 | 2)), (1, 1), (1, 1)] => (h == 1 || self.width > 4) && (v == 1 || self.height > 2),
            // The blocks of these files are only counted.
            [_, _, _, _] => factors.iter().all(|(h, v)| (1..=4).contains(h) && (1..=4).contains(v)),
            _ => false,
        };
        (known && self.width > 0 && self.height > 0).then_some(())
    }

    fn tables(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&class, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let symbols = rest.get(..counts.iter().map(|c| usize::from(*c)).sum())?;
            segment = &rest[symbols.len()..];
            let slot = usize::from(class & 15);
            match class >> 4 {
                0 => *self.dc.get_mut(slot)? = Some(Table::new(counts, symbols, TableClass::Dc)?),
                1 => *self.ac.get_mut(slot)? = Some(Table::new(counts, symbols, TableClass::Ac)?),
                _ => return None,
            }
        }
        Some(())
    }

    fn quantisation(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&class, rest)) = segment.split_first() {
            let mut steps = [0; 64];
            match class >> 4 {
                0 => {
                    let (bytes, after) = rest.split_first_chunk::<64>()?;
                    steps.iter_mut().zip(bytes).for_each(|(step, byte)| *step = i32::from(*byte));
                    segment = after;
                }
                1 => {
                    let (bytes, after) = rest.split_first_chunk::<128>()?;
                    let (pairs, _) = bytes.as_chunks::<2>();
                    steps.iter_mut().zip(pairs).for_each(|(step, pair)| *step = i32::from(u16::from_be_bytes(*pair)));
                    segment = after;
                }
                _ => return None,
            }
            *self.quants.get_mut(usize::from(class & 15))? = Some(steps);
        }
        Some(())
    }

    fn start_of_scan(&mut self, segment: &[u8]) -> Option<()> {
        let (&count, mut rest) = segment.split_first()?;
        if usize::from(count) != self.components.len() {
            return None;
        }
        for component in &mut self.components {
            let (&[id, tables], after) = rest.split_first_chunk::<2>()?;
            rest = after;
            if id != component.id {
                return None;
            }
            (component.dc, component.ac) = (usize::from(tables >> 4), usize::from(tables & 15));
        }
        // All coefficients, all of their bits.
        (rest == [0, 63, 0]).then_some(())
    }
}
