//! Coded numbers.

/// Codes up to this long are looked up.
const FAST: u32 = 11;

/// The entry of codes that are not looked up: a value still to be read, of no bits.
const LONG: u32 = 0x80;

/// Which numbers a table codes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Differences of the first coefficient.
    Dc,
    /// Runs of zeros and the coefficient after them.
    Ac,
}

/// A coefficient as it comes out of the data.
#[derive(Clone, Copy)]
pub(super) struct Coded {
    /// Zeros before it; [`Coded::END`] where the block has no more.
    pub(super) run: usize,
    /// The coefficient.
    pub(super) value: i32,
}

impl Coded {
    /// The run that stands for the end of a block: longer than any block.
    const END: u32 = 128;
}

/// By the next [`FAST`] bits, what they mean.
pub(super) type Fast = [u32; 1 << FAST];

/// One Huffman table.
pub(super) struct Table {
    /// By the next [`FAST`] bits: the bits used (bits 0 to 6), whether the value is still to be read (bit 7), the run
    /// (8 to 15), and the value or its number of bits (16 to 31). [`LONG`] for longer codes and those that do not exist.
    pub(super) fast: Box<Fast>,
    /// By length - 1: one past the last code, moved to the top of 16 bits.
    limits: [u32; 16],
    /// By length - 1: what turns a code into its symbol's index.
    offsets: [i32; 16],
    symbols: Box<[u8]>,
    kind: Kind,
}

impl Table {
    /// The table with `counts[i]` codes of `i + 1` bits; `None` where such codes cannot be.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8], kind: Kind) -> Option<Self> {
        let mut table = Table {
            fast: Box::new([LONG; 1 << FAST]),
            limits: [0; 16],
            offsets: [0; 16],
            symbols: symbols.into(),
            kind,
        };
        let (mut code, mut index) = (0u32, 0usize);
        for (length, &count) in (1u32..).zip(counts) {
            let count = u32::from(count);
            let slot = length as usize - 1;
            table.offsets[slot] = index as i32 - code as i32;
            if code + count > 1 << length {
                return None;
            }
            for _ in 0..count {
                if length <= FAST {
                    table.fill(code, length, *symbols.get(index)?);
                }
                (code, index) = (code + 1, index + 1);
            }
            table.limits[slot] = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }

    /// Enters the code of `length` bits wherever it is a prefix.
    fn fill(&mut self, code: u32, length: u32, symbol: u8) {
        let Some((run, size)) = self.meaning(symbol) else { return };
        let room = FAST - length;
        for after in 0..1u32 << room {
            let entry = if size == 0 {
                length | run << 8
            } else if size <= room {
                let bits = after >> (room - size);
                (length + size) | run << 8 | ((extend(bits, size) as u16 as u32) << 16)
            } else {
                length | 0x80 | run << 8 | size << 16
            };
            self.fast[(code << room | after) as usize] = entry;
        }
    }

    /// The run and the number of bits that a symbol announces; `None` for one that means nothing.
    fn meaning(&self, symbol: u8) -> Option<(u32, u32)> {
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        match (self.kind, run, size) {
            (Kind::Dc, 0, 0..=11) => Some((0, size)),
            (Kind::Ac, 0, 0) => Some((Coded::END, 0)),
            // Sixteen zeros: fifteen, and one more as the value.
            (Kind::Ac, 15, 0) => Some((15, 0)),
            (Kind::Ac, _, 1..=10) => Some((run, size)),
            _ => None,
        }
    }
}

/// The number that `size` bits stand for: below the half they are negative.
#[inline(always)]
fn extend(bits: u32, size: u32) -> i32 {
    let bits = bits as i32;
    if bits >> size.wrapping_sub(1) & 1 == 0 { bits.wrapping_sub(1 << size).wrapping_add(1) } else { bits }
}

/// Bits of one restart interval, the highest first.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    /// The interval and, after it, at least eight bytes that are not part of it.
    data: &'a [u8],
    at: usize,
    end: usize,
    /// The next bits, from the top.
    next: u64,
    /// How many of them are there.
    count: u32,
}

impl<'a> Bits<'a> {
    /// The bits of `data[start..end]`; eight more bytes must follow.
    pub(super) fn new(data: &'a [u8], start: usize, end: usize) -> Self {
        Bits { data, at: start, end, next: 0, count: 0 }
    }

    /// Whether no more bits were used than there are.
    pub(super) fn sound(&self) -> bool {
        self.at as u64 * 8 - u64::from(self.count) <= self.end as u64 * 8
    }

    /// Bits that were not used, if [`sound`](Self::sound).
    pub(super) fn left(&self) -> u64 {
        (self.end as u64 * 8).saturating_sub(self.at as u64 * 8 - u64::from(self.count))
    }

    /// Makes sure of 32 bits; beyond the end they are zeros or another interval's.
    #[inline(always)]
    fn refill(&mut self) {
        if self.count >= 32 {
            return;
        }
        let word = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<8>());
        self.next |= word.map_or(0, |bytes| u64::from_be_bytes(*bytes)) >> self.count;
        self.at = self.at.wrapping_add(((63 - self.count) >> 3) as usize);
        self.count |= 56;
    }

    /// `count` bits are used.
    #[inline(always)]
    fn skip(&mut self, count: u32) {
        self.next = self.next.wrapping_shl(count);
        self.count = self.count.wrapping_sub(count);
    }

    /// The next number; `None` for a code that does not exist.
    #[inline(always)]
    pub(super) fn read(&mut self, fast: &Fast, table: &Table) -> Option<Coded> {
        self.refill();
        let entry = fast[(self.next >> (64 - FAST)) as usize];
        self.skip(entry & 0x7f);
        let run = (entry >> 8 & 0xff) as usize;
        if entry & 0x80 == 0 {
            return Some(Coded { run, value: entry as i32 >> 16 });
        }
        let (run, size) = if entry == LONG {
            // By value, so that the bits may stay in registers.
            let (length, run, size) = long(self.next, table)?;
            self.skip(length);
            (run as usize, size)
        } else {
            (run, entry >> 16)
        };
        let value = if size == 0 { 0 } else { self.value(size) };
        Some(Coded { run, value })
    }

    /// The number of the next `size` bits, 1 to 15.
    #[inline(always)]
    fn value(&mut self, size: u32) -> i32 {
        let bits = (self.next >> (64u32.wrapping_sub(size) & 63)) as u32;
        self.skip(size);
        extend(bits, size)
    }
}

/// Length, run and number of bits of a code longer than [`FAST`] bits.
#[cold]
#[inline(never)]
fn long(next: u64, table: &Table) -> Option<(u32, u32, u32)> {
    let code = (next >> 48) as u32;
    let slot = table.limits.iter().position(|limit| code < *limit)?;
    let length = slot as u32 + 1;
    let index = (code >> (16 - length)) as i32 + table.offsets[slot];
    let (run, size) = table.meaning(*table.symbols.get(usize::try_from(index).ok()?)?)?;
    Some((length, run, size))
}
