//! The register tile of every matrix product: a few rows times one or two vectors of columns, summed in registers.

use crate::block::each;
use crate::isa::{Isa, Level};
use crate::vector::{Portable, Vector};
use crate::{prefetch, split};

/// Where a tile lies and what happens to its sums.
///
/// The sum over all segments and `k` of `a[row, k] * b[k, column]`, plus bias or what `c` holds, plus residual, clamped, is stored to `c`.
#[derive(Clone, Copy)]
pub(crate) struct Tile<'a> {
    /// Products in a segment of a sum.
    pub k: usize,
    /// Left operand; see [`TileOrder`].
    pub a: *const f32,
    /// Where the left operand of each segment begins, counted from `a`.
    pub segments: &'a [usize],
    /// Numbers between two rows, or two steps of `k`, of the left operand.
    pub a_step: usize,
    /// Packed panel: `k` rows of whole vectors for each segment.
    pub b: *const f32,
    /// The output, rows of `columns` numbers.
    pub c: *mut f32,
    /// Numbers between two rows of the output.
    pub c_step: usize,
    /// Columns of the output; the panel is padded to whole vectors.
    pub columns: usize,
    /// Whether the sums are added to what the output holds.
    pub accumulate: bool,
    /// Added to each column; null for none.
    pub bias: *const f32,
    /// Added to each number; null for none.
    pub residual: *const f32,
    /// Numbers between two rows of the residual.
    pub residual_step: usize,
    /// What is read after the tile, which need not be valid, and the numbers of it that a step of `k` fetches: a line at most.
    pub ahead: *const f32,
    pub ahead_step: usize,
    /// Range of the output; infinite where it is open.
    pub clamp: [f32; 2],
}

/// The one segment of a left operand without gaps.
pub(crate) const WHOLE: &[usize] = &[0];

/// How the left operand lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TileOrder {
    /// `a[row, k]` is at `row * a_step + k`.
    Rows,
    /// `a[row, k]` is at `k * a_step + row`.
    Columns,
}

/// A clamp that changes nothing.
pub(crate) const OPEN: [f32; 2] = [f32::NEG_INFINITY, f32::INFINITY];

#[inline(always)]
unsafe fn tile<V: Vector, const ROWS: usize, const VECTORS: usize, const COLUMNS: bool>(t: &Tile<'_>) {
    // SAFETY: the caller vouches for the pointers as `run` demands, and for the CPU.
    unsafe {
        let mut sums = [[V::zero(); VECTORS]; ROWS];
        let mut b = t.b;
        let mut ahead = t.ahead;
        for segment in t.segments {
            let mut a = t.a.add(*segment);
            for _ in 0..t.k {
                prefetch::read(ahead);
                ahead = ahead.wrapping_add(t.ahead_step);
                let mut right = [V::zero(); VECTORS];
                for j in 0..VECTORS {
                    right[j] = V::load(b.add(j * V::LANES));
                }
                for row in 0..ROWS {
                    let left = V::splat(*a.add(if COLUMNS { row } else { row * t.a_step }));
                    for j in 0..VECTORS {
                        sums[row][j] = left.fma(right[j], sums[row][j]);
                    }
                }
                b = b.add(VECTORS * V::LANES);
                // Past the last step it may lie beyond the operand.
                a = a.wrapping_add(if COLUMNS { t.a_step } else { 1 });
            }
        }
        let full = t.columns == VECTORS * V::LANES;
        // What the output holds is a residual like another.
        let onto = Tile { bias: std::ptr::null(), residual: t.c, residual_step: t.c_step, ..*t };
        match (t.accumulate, t.residual.is_null()) {
            (false, true) if full => return store::<V, ROWS, VECTORS, true, false>(t, &sums),
            (false, true) => return store::<V, ROWS, VECTORS, false, false>(t, &sums),
            (false, false) if full => return store::<V, ROWS, VECTORS, true, true>(t, &sums),
            (false, false) => return store::<V, ROWS, VECTORS, false, true>(t, &sums),
            (true, true) if full => return store::<V, ROWS, VECTORS, true, true>(&onto, &sums),
            (true, true) => return store::<V, ROWS, VECTORS, false, true>(&onto, &sums),
            (true, false) => {}
        }
        // The last part of a long sum with a residual. This loop is not unrolled. It reads the sums from memory of their own, or the compiler would
        // keep them in memory all along.
        let mut held = std::mem::MaybeUninit::<[[V; VECTORS]; ROWS]>::uninit();
        let held = held.as_mut_ptr().cast::<V>();
        for row in 0..ROWS {
            for j in 0..VECTORS {
                held.add(row * VECTORS + j).write(sums[row][j]);
            }
        }
        let last = t.columns - (VECTORS - 1) * V::LANES;
        let (low, high) = (V::splat(t.clamp[0]), V::splat(t.clamp[1]));
        for row in 0..ROWS {
            for j in 0..VECTORS {
                let whole = j + 1 < VECTORS || last == V::LANES;
                let load = |p: *const f32| if whole { V::load(p) } else { V::load_first(p, last) };
                let at = t.c.add(row * t.c_step + j * V::LANES);
                let mut sum = held.add(row * VECTORS + j).read().add(load(at));
                if !t.residual.is_null() {
                    sum = sum.add(load(t.residual.add(row * t.residual_step + j * V::LANES)));
                }
                let sum = sum.max(low).min(high);
                if whole {
                    sum.store(at);
                } else {
                    sum.store_first(at, last);
                }
            }
        }
    }
}

/// Ends sums row by row from their registers, which takes short sums little longer.
/// `FULL`: the columns fill the vectors.
///
/// # Safety
/// As for [`Tiles::run`].
#[inline(always)]
unsafe fn store<V: Vector, const ROWS: usize, const VECTORS: usize, const FULL: bool, const RESIDUAL: bool>(
    t: &Tile<'_>,
    sums: &[[V; VECTORS]; ROWS],
) {
    let last = t.columns - (VECTORS - 1) * V::LANES;
    // SAFETY: the caller vouches for the pointers as `run` demands, and for the CPU.
    unsafe {
        let load = |p: *const f32, j: usize| {
            let p = p.add(j * V::LANES);
            if FULL || j + 1 < VECTORS { V::load(p) } else { V::load_first(p, last) }
        };
        let mut bias = [V::zero(); VECTORS];
        if !t.bias.is_null() {
            for j in 0..VECTORS {
                bias[j] = load(t.bias, j);
            }
        }
        let (low, high) = (V::splat(t.clamp[0]), V::splat(t.clamp[1]));
        each!(row in [0 1 2 3 4 5 6 7 8 9 10 11 12 13] {
            if row < ROWS {
                for j in 0..VECTORS {
                    let mut sum = sums[row][j].add(bias[j]);
                    if RESIDUAL {
                        sum = sum.add(load(t.residual.add(row * t.residual_step), j));
                    }
                    let (sum, at) = (sum.max(low).min(high), t.c.add(row * t.c_step + j * V::LANES));
                    if FULL || j + 1 < VECTORS {
                        sum.store(at);
                    } else {
                        sum.store_first(at, last);
                    }
                }
            }
        });
    }
}

type Run = unsafe fn(&Tile<'_>);

/// Tables of tiles `[columns of vectors - 1][rows - 1]` for one instruction set.
macro_rules! table {
    ($name:ident, $vector:ty, $(#[$feature:meta])? [$($rows:literal)*]) => {
        mod $name {
            use super::*;
            $(#[$feature])?
            unsafe fn run<const R: usize, const N: usize, const C: bool>(t: &Tile<'_>) {
                // SAFETY: the caller's.
                unsafe { tile::<$vector, R, N, C>(t) }
            }
            pub(super) const ROWS: [[&[Run]; 2]; 2] = [
                [&[$(run::<$rows, 1, false>),*], &[$(run::<$rows, 2, false>),*]],
                [&[$(run::<$rows, 1, true>),*], &[$(run::<$rows, 2, true>),*]],
            ];
        }
    };
}

table!(portable, Portable, [1 2 3 4]);
#[cfg(target_arch = "x86_64")]
table!(avx2, std::arch::x86_64::__m256, #[target_feature(enable = "avx2,fma")] [1 2 3 4 5 6]);
#[cfg(target_arch = "x86_64")]
table!(avx512, std::arch::x86_64::__m512, #[target_feature(enable = "avx512f,avx2,fma")]
    [1 2 3 4 5 6 7 8 9 10 11 12 13 14]);

/// The tiles of an instruction set.
#[derive(Clone, Copy)]
pub(crate) struct Tiles {
    /// `[vectors - 1][rows - 1]`.
    runs: [&'static [Run]; 2],
    lanes: usize,
}

impl Tiles {
    pub(crate) fn new(isa: Isa, walk: TileOrder) -> Self {
        let walk = usize::from(walk == TileOrder::Columns);
        let runs = match isa.level() {
            Level::Portable => portable::ROWS[walk],
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2::ROWS[walk],
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => avx512::ROWS[walk],
        };
        Self { runs, lanes: isa.lanes() }
    }

    /// Rows of the highest tile.
    pub(crate) fn most_rows(self) -> usize {
        self.runs[0].len()
    }

    /// Where the first of the tiles of `rows` rows begins to fetch the panel after its own, and the numbers that each tile
    /// fetches in a step of `k`. Weights that are used for few rows come from memory; in one go they would hold up the
    /// products.
    pub(crate) fn ahead(self, next: *const f32, rows: usize) -> (*const f32, usize) {
        (next, (2 * self.lanes).div_ceil(rows.div_ceil(self.most_rows()).max(1)))
    }

    /// Computes a tile of `rows` rows.
    ///
    /// # Safety
    /// `rows` is from 1 to [`most_rows`](Self::most_rows), and `t.columns` from 1 to two vectors. With the vectors that
    /// hold `t.columns` counted as one or two: `t.b` is valid for `k` rows of so many vectors a segment; `t.a` for all `a[row, k]` of each,
    /// `t.c` for reading and writing `rows` rows of `columns` numbers, the residual for reading as many and the bias for
    /// `columns`, unless they are null. Nobody else accesses the output meanwhile, and it overlaps neither operand nor
    /// the bias; the residual may be the output itself.
    #[inline]
    pub(crate) unsafe fn run(self, rows: usize, t: &Tile<'_>) {
        let vectors = t.columns.div_ceil(self.lanes);
        // SAFETY: the table's functions require what this one does, and instructions that the `Isa` stands for.
        unsafe { self.runs[vectors - 1][rows - 1](t) }
    }

    /// Splits `rows` into tiles of nearly equal heights: `(first row, rows)` of each.
    pub(crate) fn split(self, rows: usize) -> impl Iterator<Item = (usize, usize)> {
        split::at_most(self.most_rows(), rows).map(|tile| (tile.start, tile.len()))
    }
}
