//! Decodes Huffman-coded coefficients.

/// Longest code in the fast lookup table, bits.
const FAST: u32 = 11;

/// What a table encodes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TableClass {
    /// Differences of the first coefficient.
    Dc,
    /// Runs of zeros and the coefficient after them.
    Ac,
    /// The symbols of a progressive scan, as [`Coded::run`]; their numbers follow.
    Symbol,
}

/// A decoded coefficient.
#[derive(Clone, Copy)]
pub(super) struct Coded {
    /// The number of zeros before it; [`Coded::END`] at the end of a block.
    pub(super) run: usize,
    /// The coefficient.
    pub(super) value: i32,
}

impl Coded {
    /// The run that stands for the end of a block: longer than any block.
    const END: u32 = 128;
}

/// The meaning of a code, in bytes from the lowest: the total bits of the code and the number that follows, the bits of the
/// code, 63 minus the bits of the number, and the run of zeros before the number. 0 if there is no such code, or if the
/// code is too long for the table.
type Entry = u32;

/// The meaning of the next [`FAST`] bits.
pub(super) type Fast = [Entry; 1 << FAST];

/// One Huffman table.
pub(super) struct Table {
    /// For codes of up to [`FAST`] bits.
    pub(super) fast: Box<Fast>,
    /// For longer codes, indexed by the next 16 bits minus `first`. The table is short because short codes leave little
    /// room for longer ones.
    long: Vec<Entry>,
    /// The first longer code, left-aligned in 16 bits.
    first: usize,
}

impl Table {
    /// Builds the table with `counts[i]` codes of `i + 1` bits; `None` if the counts are not a prefix code.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8], kind: TableClass) -> Option<Self> {
        let mut table = Table { fast: Box::new([0; 1 << FAST]), long: Vec::new(), first: 0 };
        let mut symbols = symbols.iter();
        // The next code, left-aligned in 16 bits.
        let mut next = 0usize;
        for (length, &count) in (1u32..).zip(counts) {
            let room = 1 << (16 - length);
            for _ in 0..count {
                // No entry for an invalid symbol.
                let entry = entry(length, *symbols.next()?, kind).unwrap_or(0);
                if length <= FAST {
                    let shift = 16 - FAST;
                    table.fast.get_mut(next >> shift..(next + room) >> shift)?.fill(entry);
                } else {
                    table.long.resize(table.long.len() + room, entry);
                }
                next += room;
            }
            if length == FAST {
                table.first = next;
            }
        }
        (next <= 1 << 16).then_some(table)
    }

    /// The meaning of the next 16 bits, which begin with a longer code.
    #[inline(always)]
    fn long(&self, code: usize) -> Option<Entry> {
        self.long.get(code.wrapping_sub(self.first)).copied().filter(|entry| *entry != 0)
    }
}

/// The entry of a code of `length` bits for `symbol`; `None` if the symbol is invalid.
fn entry(length: u32, symbol: u8, kind: TableClass) -> Option<Entry> {
    let (run, size) = meaning(symbol, kind)?;
    Some((length + size) | length << 8 | (63 - size) << 16 | run << 24)
}

/// The run and the number of bits that a symbol encodes; `None` if it is invalid.
fn meaning(symbol: u8, kind: TableClass) -> Option<(u32, u32)> {
    let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
    match (kind, run, size) {
        (TableClass::Dc, 0, 0..=11) => Some((0, size)),
        (TableClass::Ac, 0, 0) => Some((Coded::END, 0)),
        // Sixteen zeros: fifteen, and one more as the value.
        (TableClass::Ac, 15, 0) => Some((15, 0)),
        (TableClass::Ac, _, 1..=10) => Some((run, size)),
        (TableClass::Symbol, ..) => Some((u32::from(symbol), 0)),
        _ => None,
    }
}

/// The bits of one restart interval, most significant first.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    /// The interval, followed by at least eight padding bytes.
    data: &'a [u8],
    at: usize,
    end: usize,
    /// The next bits, from the top.
    next: u64,
    /// The number of valid bits in `next`.
    count: u32,
}

impl<'a> Bits<'a> {
    /// The bits of `data[start..end]`; eight more bytes must follow.
    pub(super) fn new(data: &'a [u8], start: usize, end: usize) -> Self {
        Bits { data, at: start, end, next: 0, count: 0 }
    }

    /// Whether the reader has stayed within the interval.
    pub(super) fn sound(&self) -> bool {
        self.used() <= self.end as u64 * 8
    }

    /// The number of unused bits, if [`sound`](Self::sound).
    pub(super) fn left(&self) -> u64 {
        (self.end as u64 * 8).saturating_sub(self.used())
    }

    /// Whether the bits up to the next whole byte are ones, as an encoder leaves them after the last block.
    pub(super) fn padded(&self) -> bool {
        let rest = self.count & 7;
        self.next.leading_ones() >= rest
    }

    /// Bits from the start of the data to the next one.
    fn used(&self) -> u64 {
        self.at as u64 * 8 - u64::from(self.count & 63)
    }

    /// Loads at least 56 bits, which suffice for two codes and their numbers. Beyond the end, the bits are zeros or belong
    /// to another interval.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        let word = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<8>());
        let count = self.count & 63;
        self.next |= word.map_or(0, |bytes| u64::from_be_bytes(*bytes)) >> count;
        self.at = self.at.wrapping_add(((63 - count) >> 3) as usize);
        self.count = count | 56;
    }

    /// Decodes the next number, whose bits must be loaded; `None` for an invalid code.
    #[inline(always)]
    pub(super) fn read(&mut self, fast: &Fast, table: &Table) -> Option<Coded> {
        let mut entry = fast[(self.next >> (64 - FAST)) as usize];
        if entry == 0 {
            entry = table.long((self.next >> 48) as usize)?;
        }
        // No branch depends on the presence and length of a number: these are nearly random, and a misprediction costs
        // more than everything else. Shifts use only the lower six bits of the distance.
        let after = self.next.wrapping_shl(entry >> 8);
        // The first bit of a number is 1 for positive numbers. Replaced by a preceding sign, the bits read as the
        // number, or as one less than a negative number.
        let signed = ((after ^ 1 << 63) as i64 >> 1) ^ 1 << 62;
        let value = signed.wrapping_shr(entry >> 16).wrapping_add((signed as u64 >> 63) as i64) as i32;
        self.next = self.next.wrapping_shl(entry);
        self.count = self.count.wrapping_sub(entry);
        Some(Coded { run: (entry >> 24) as usize, value })
    }

    /// The next `count` bits, at most 16, which must be loaded.
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        // Shifted twice, because a shift by 64 is none.
        let bits = (self.next >> 1 >> (63 - count)) as u32;
        self.next <<= count;
        self.count = self.count.wrapping_sub(count);
        bits
    }
}
