//! The segments of a JPEG between its scans.

use super::Unfit;
use super::huffman::{Table, TableClass};

/// The row-major position in the block of coefficient `k` of the stored order.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// What the segments read so far say.
pub(super) struct Header<'a> {
    /// Pixels a row; 0 before the frame.
    pub(super) width: usize,
    /// Rows.
    pub(super) height: usize,
    /// One, three or four components.
    pub(super) components: Vec<Component>,
    /// Quantisation steps in the stored order.
    pub(super) quants: [Option<[i32; 64]>; 4],
    /// Tables of DC differences.
    pub(super) dc: [Option<Table>; 4],
    /// Tables of all other coefficients.
    pub(super) ac: [Option<Table>; 4],
    /// The numbers of codes by length and the symbols of those tables.
    definitions: [Option<([u8; 16], &'a [u8])>; 4],
    /// Whether scans hold parts of the coefficients.
    pub(super) progressive: bool,
    /// MCUs between restarts, 0 for none.
    pub(super) restart: usize,
    /// What follows the segments read so far.
    pub(super) rest: &'a [u8],
    jfif: bool,
    /// The transform that an Adobe segment states.
    adobe: Option<u8>,
}

/// One component of the frame.
pub(super) struct Component {
    id: u8,
    /// Blocks of an interleaved MCU in a row.
    pub(super) h: usize,
    /// Rows of blocks of an interleaved MCU.
    pub(super) v: usize,
    /// Number of its quantisation table.
    pub(super) quant: usize,
}

/// One component of a scan.
pub(super) struct ScanComponent {
    /// Its place in [`Header::components`].
    pub(super) place: usize,
    /// Number of its DC table.
    pub(super) dc: usize,
    /// Number of its AC table.
    pub(super) ac: usize,
}

/// The start of a scan.
pub(super) struct ScanStart {
    /// In the order of their blocks.
    pub(super) components: Vec<ScanComponent>,
    /// The first coefficient, in the stored order.
    pub(super) first: usize,
    /// The last one.
    pub(super) last: usize,
    /// The lowest bit that earlier scans gave; 0 if they gave none.
    pub(super) above: u32,
    /// The lowest bit that this scan gives.
    pub(super) low: u32,
}

/// What the next segments lead to.
pub(super) enum Next {
    /// The coded data of these components.
    Scan(ScanStart),
    /// The end marker.
    End,
}

/// The meaning of a frame's components, as libjpeg guesses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colors {
    Grey,
    YCbCr,
    Rgb,
    Cmyk,
    Ycck,
}

impl<'a> Header<'a> {
    /// Starts before the first segment; `None` if the file does not begin as a JPEG.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        Some(Header {
            width: 0,
            height: 0,
            components: Vec::new(),
            quants: [None; 4],
            dc: [const { None }; 4],
            ac: [const { None }; 4],
            definitions: [None; 4],
            progressive: false,
            restart: 0,
            rest: bytes.strip_prefix(&[0xff, 0xd8])?,
            jfif: false,
            adobe: None,
        })
    }

    /// Reads the segments up to the next scan or the end.
    ///
    /// # Errors
    /// Anything that a sequential or progressive Huffman-coded JPEG of 8 bits does not contain.
    pub(super) fn next(&mut self) -> Result<Next, Unfit> {
        const CUT: Unfit = Unfit::Unread("its headers break off");
        loop {
            // Stray bytes between segments are skipped, as other decoders do.
            let at = memchr::memchr(0xff, self.rest).ok_or(CUT)?;
            self.rest = &self.rest[at..];
            let marker = *self.rest.get(1).ok_or(CUT)?;
            match marker {
                // A fill byte.
                0xff => {
                    self.rest = &self.rest[1..];
                    continue;
                }
                0xd9 => return Ok(Next::End),
                0x00 | 0x01 | 0xd0..=0xd7 => {
                    self.rest = &self.rest[2..];
                    continue;
                }
                0xd8 => return Err(Unfit::Unread("a second image begins within it")),
                _ => {}
            }
            let length = self.rest.get(2..4).ok_or(CUT)?;
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            let segment = self.rest.get(4..2 + length).ok_or(CUT)?;
            self.rest = &self.rest[2 + length..];
            match marker {
                0xc0..=0xc2 => {
                    self.progressive = marker == 0xc2;
                    self.frame(segment)?;
                }
                0xc4 => self.tables(segment).ok_or(Unfit::Unread("a Huffman table is invalid"))?,
                0xc3 | 0xc7 => return Err(Unfit::Unsupported("it is lossless, which this program does not read")),
                0xc9..=0xcb | 0xcd..=0xcf => {
                    return Err(Unfit::Unsupported(
                        "its coding is arithmetic, which this program does not read; write it again (`jpegtran`)",
                    ));
                }
                0xc5 | 0xc6 | 0xde | 0xdf => {
                    return Err(Unfit::Unsupported("it is hierarchical, which this program does not read"));
                }
                0xdb => self.quantisation(segment).ok_or(Unfit::Unread("a quantisation table is invalid"))?,
                0xdd => {
                    let interval = segment.try_into().map_err(|_| Unfit::Unread("a restart interval is invalid"))?;
                    self.restart = usize::from(u16::from_be_bytes(interval));
                }
                0xe0 => self.jfif |= segment.starts_with(b"JFIF\0"),
                0xee if segment.starts_with(b"Adobe") => {
                    self.adobe = Some(*segment.get(11).ok_or(CUT)?);
                }
                0xda => {
                    let scan = self.start_of_scan(segment);
                    return scan.map(Next::Scan).ok_or(Unfit::Unread("the header of a scan is invalid"));
                }
                // The frame states the lines already.
                0xdc => return Err(Unfit::Unread("it states its height twice")),
                _ => {}
            }
        }
    }

    /// The table of a progressive scan's symbols.
    pub(super) fn symbols(&self, number: usize) -> Option<Table> {
        let (counts, symbols) = self.definitions.get(number).copied().flatten()?;
        Table::new(&counts, symbols, TableClass::Symbol)
    }

    /// The meaning of the components.
    pub(super) fn colors(&self) -> Colors {
        let ids: Vec<u8> = self.components.iter().map(|c| c.id).collect();
        match (ids.len(), self.adobe) {
            (1, _) => Colors::Grey,
            (4, None | Some(0)) => Colors::Cmyk,
            (4, _) => Colors::Ycck,
            _ if self.jfif => Colors::YCbCr,
            (_, Some(0)) => Colors::Rgb,
            (_, Some(_)) => Colors::YCbCr,
            _ if ids == *b"RGB" => Colors::Rgb,
            _ => Colors::YCbCr,
        }
    }

    /// The largest sampling factors, horizontal and vertical; 0 before the frame.
    pub(super) fn most(&self) -> (usize, usize) {
        let most = |of: fn(&Component) -> usize| self.components.iter().map(of).max().unwrap_or(0);
        (most(|c| c.h), most(|c| c.v))
    }

    /// Whether the frame is grey, or YCbCr with chroma in full or half, each way.
    pub(super) fn is_plain(&self) -> bool {
        let factors: Vec<(usize, usize)> = self.components.iter().map(|c| (c.h, c.v)).collect();
        match (self.colors(), &factors[..]) {
            (Colors::Grey, _) => true,
            // libjpeg upsamples chroma of this width in another way.
            (Colors::YCbCr, [(h @ (1 | 2), 1 | 2), (1, 1), (1, 1)]) => *h == 1 || self.width > 4,
            _ => false,
        }
    }

    fn frame(&mut self, segment: &[u8]) -> Result<(), Unfit> {
        const INVALID: Unfit = Unfit::Unread("its frame is invalid");
        let (&[precision, h1, h0, w1, w0, count], mut rest) = segment.split_first_chunk::<6>().ok_or(INVALID)?;
        let count = usize::from(count);
        if precision == 12 {
            return Err(Unfit::Unsupported("its samples have 12 bits, which this program does not read"));
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(Unfit::Unread("it has neither one nor three nor four components"));
        }
        if precision != 8 || !self.components.is_empty() || rest.len() != 3 * count {
            return Err(INVALID);
        }
        self.height = usize::from(u16::from_be_bytes([h1, h0]));
        self.width = usize::from(u16::from_be_bytes([w1, w0]));
        if self.width == 0 || self.height == 0 {
            return Err(Unfit::Unread("it states no width or no height"));
        }
        while let Some((&[id, sampling, quant], after)) = rest.split_first_chunk::<3>() {
            rest = after;
            let (mut h, mut v) = (usize::from(sampling >> 4), usize::from(sampling & 15));
            if !(1..=4).contains(&h) || !(1..=4).contains(&v) || self.components.iter().any(|c| c.id == id) {
                return Err(INVALID);
            }
            if count == 1 {
                // A scan of one component has one block per MCU, whatever its factors.
                (h, v) = (1, 1);
            }
            self.components.push(Component { id, h, v, quant: usize::from(quant) });
        }
        let (h, v) = self.most();
        let whole = self.components.iter().all(|c| h.is_multiple_of(c.h) && v.is_multiple_of(c.v));
        whole
            .then_some(())
            .ok_or(Unfit::Unsupported("its chroma is sampled by a fraction, which this program does not read"))
    }

    fn tables(&mut self, mut segment: &'a [u8]) -> Option<()> {
        while let Some((&class, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let symbols = rest.get(..counts.iter().map(|c| usize::from(*c)).sum())?;
            segment = &rest[symbols.len()..];
            let slot = usize::from(class & 15);
            match class >> 4 {
                0 => *self.dc.get_mut(slot)? = Some(Table::new(counts, symbols, TableClass::Dc)?),
                1 => {
                    *self.ac.get_mut(slot)? = Some(Table::new(counts, symbols, TableClass::Ac)?);
                    self.definitions[slot] = Some((*counts, symbols));
                }
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

    fn start_of_scan(&self, segment: &[u8]) -> Option<ScanStart> {
        let (&count, mut rest) = segment.split_first()?;
        let mut components: Vec<ScanComponent> = Vec::new();
        for _ in 0..count {
            let (&[id, tables], after) = rest.split_first_chunk::<2>()?;
            rest = after;
            let place = self.components.iter().position(|component| component.id == id)?;
            if components.iter().any(|before| before.place == place) {
                return None;
            }
            components.push(ScanComponent { place, dc: usize::from(tables >> 4), ac: usize::from(tables & 15) });
        }
        let &[first, last, bits] = rest else { return None };
        let (first, last, above, low) =
            (usize::from(first), usize::from(last), u32::from(bits >> 4), u32::from(bits & 15));
        let valid = match self.progressive {
            // All coefficients, all of their bits.
            false => (first, last, bits) == (0, 63, 0),
            // The first coefficient of any components, or others of one; all but the lowest bits, or one bit more.
            true => {
                let band = if first == 0 { last == 0 } else { (first..=63).contains(&last) && count == 1 };
                band && low <= 13 && (above == 0 || above == low + 1)
            }
        };
        (valid && !components.is_empty()).then_some(ScanStart { components, first, last, above, low })
    }
}
