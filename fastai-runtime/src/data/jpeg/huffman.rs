//! Coded numbers.

/// Codes up to this long are looked up.
const FAST: u32 = 11;

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

/// What a code announces, in bytes from the lowest: the bits of it and of the number that follows, its own alone, 63 less
/// the number's, and the run of zeros before the number. 0 where there is no such code, or one too long to be looked up.
type Entry = u32;

/// By the next [`FAST`] bits, what they mean.
pub(super) type Fast = [Entry; 1 << FAST];

/// One Huffman table.
pub(super) struct Table {
    /// For codes of up to [`FAST`] bits.
    pub(super) fast: Box<Fast>,
    /// For the others, by the next 16 bits less `first`: few, as short codes leave little room for them.
    long: Vec<Entry>,
    /// The first longer code, as the upper of 16 bits.
    first: usize,
}

impl Table {
    /// The table with `counts[i]` codes of `i + 1` bits; `None` where such codes cannot be.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8], kind: Kind) -> Option<Self> {
        let mut table = Table { fast: Box::new([0; 1 << FAST]), long: Vec::new(), first: 0 };
        let mut symbols = symbols.iter();
        // Where the next code stands among all numbers of 16 bits.
        let mut next = 0usize;
        for (length, &count) in (1u32..).zip(counts) {
            let room = 1 << (16 - length);
            for _ in 0..count {
                // Nothing for a symbol that means nothing.
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

    /// What the next 16 bits mean that begin with a longer code.
    #[inline(always)]
    fn long(&self, code: usize) -> Option<Entry> {
        self.long.get(code.wrapping_sub(self.first)).copied().filter(|entry| *entry != 0)
    }
}

/// What a code of `length` bits announces that stands for `symbol`; `None` if that means nothing.
fn entry(length: u32, symbol: u8, kind: Kind) -> Option<Entry> {
    let (run, size) = meaning(symbol, kind)?;
    Some((length + size) | length << 8 | (63 - size) << 16 | run << 24)
}

/// The run and the number of bits that a symbol announces; `None` for one that means nothing.
fn meaning(symbol: u8, kind: Kind) -> Option<(u32, u32)> {
    let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
    match (kind, run, size) {
        (Kind::Dc, 0, 0..=11) => Some((0, size)),
        (Kind::Ac, 0, 0) => Some((Coded::END, 0)),
        // Sixteen zeros: fifteen, and one more as the value.
        (Kind::Ac, 15, 0) => Some((15, 0)),
        (Kind::Ac, _, 1..=10) => Some((run, size)),
        _ => None,
    }
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
        self.used() <= self.end as u64 * 8
    }

    /// Bits that were not used, if [`sound`](Self::sound).
    pub(super) fn left(&self) -> u64 {
        (self.end as u64 * 8).saturating_sub(self.used())
    }

    /// Bits from the start of the data to the next one.
    fn used(&self) -> u64 {
        self.at as u64 * 8 - u64::from(self.count & 63)
    }

    /// Makes sure of 56 bits, which are enough for two numbers with their codes; beyond the end they are zeros or another
    /// interval's.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        let word = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<8>());
        let count = self.count & 63;
        self.next |= word.map_or(0, |bytes| u64::from_be_bytes(*bytes)) >> count;
        self.at = self.at.wrapping_add(((63 - count) >> 3) as usize);
        self.count = count | 56;
    }

    /// The next number, for which the bits must be there; `None` for a code that does not exist.
    #[inline(always)]
    pub(super) fn read(&mut self, fast: &Fast, table: &Table) -> Option<Coded> {
        let mut entry = fast[(self.next >> (64 - FAST)) as usize];
        if entry == 0 {
            entry = table.long((self.next >> 48) as usize)?;
        }
        // No branch on whether there is a number and how long it is: that is as good as random, and a wrong guess costs
        // more than all the rest. Shifts only look at the lower six bits of how far they go.
        let after = self.next.wrapping_shl(entry >> 8);
        // A number's first bit says 1 for positive. Exchanged for a sign before it, the bits read as the number, or one less
        // than a negative one.
        let signed = ((after ^ 1 << 63) as i64 >> 1) ^ 1 << 62;
        let value = signed.wrapping_shr(entry >> 16).wrapping_add((signed as u64 >> 63) as i64) as i32;
        self.next = self.next.wrapping_shl(entry);
        self.count = self.count.wrapping_sub(entry);
        Some(Coded { run: (entry >> 24) as usize, value })
    }
}
