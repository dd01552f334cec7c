//! Converts coefficients to samples by the integer transforms of the Independent JPEG Group ("islow" and the reduced
//! sizes), bit for bit.

/// Blocks that are transformed together.
pub(super) const LANES: usize = 8;

/// Blocks of one component awaiting the transform.
pub(super) struct Lanes {
    /// `[coefficient, lane]`, dequantised, rows of a block one after another.
    coefficients: [i32; 64 * LANES],
    /// The destination of each block's first sample.
    places: [usize; LANES],
    /// Blocks in use.
    used: usize,
    /// The largest index, in the stored order, of a nonzero coefficient in any block.
    last: usize,
    /// Side of a decoded block, samples: 8, 4, 2 or 1.
    side: usize,
}

impl Lanes {
    /// Creates an empty set. Blocks decode to `side` x `side` samples; `side` is 8, 4, 2 or 1.
    pub(super) fn new(side: usize) -> Self {
        Lanes { coefficients: [0; 64 * LANES], places: [0; LANES], used: 0, last: 0, side }
    }

    /// Returns the zeroed coefficients of the next block, and its lane: coefficient `i`, row by row, belongs at
    /// `i * LANES + lane`.
    #[inline(always)]
    pub(super) fn open(&mut self) -> (&mut [i32; 64 * LANES], usize) {
        (&mut self.coefficients, self.used & (LANES - 1))
    }

    /// Completes the block: its samples belong at `place`, and `last` is its last coefficient in the stored order. Returns
    /// whether [`Lanes::flush`] is due.
    #[inline(always)]
    pub(super) fn close(&mut self, place: usize, last: usize) -> bool {
        self.places[self.used & (LANES - 1)] = place;
        self.used += 1;
        self.last = self.last.max(last);
        self.used == LANES
    }

    /// Writes all samples into `plane`.
    #[inline(always)]
    pub(super) fn flush(&mut self, plane: &mut [u8], stride: usize) {
        match self.side {
            8 => self.write_full(plane, stride),
            4 => self.write_reduced::<4>(plane, stride),
            2 => self.write_reduced::<2>(plane, stride),
            _ => self.write_reduced::<1>(plane, stride),
        }
        self.coefficients = [0; 64 * LANES];
        (self.used, self.last) = (0, 0);
    }

    #[inline(always)]
    fn write_full(&self, plane: &mut [u8], stride: usize) {
        // A local variable, which cannot alias.
        let mut rows = [[0u64; LANES]; 8];
        let coefficients = &self.coefficients;
        match self.last {
            0 => {
                // Both passes in sequence, as the transform treats a lone first coefficient.
                rows = [std::array::from_fn(|lane| {
                    let flat = clamped(((coefficients[lane].wrapping_shl(2)).wrapping_add(16) >> 5).wrapping_add(128));
                    u64::from(flat).wrapping_mul(0x0101_0101_0101_0101)
                }); 8];
            }
            // The stored order fills the corner of 4 x 4 first.
            1..=9 => transform::<4>(coefficients, &mut rows),
            _ => transform::<8>(coefficients, &mut rows),
        }
        for (lane, place) in self.places[..self.used].iter().enumerate() {
            for (y, row) in rows.iter().enumerate() {
                plane[place + y * stride..][..8].copy_from_slice(&row[lane].to_le_bytes());
            }
        }
    }

    #[inline(always)]
    fn write_reduced<const SIDE: usize>(&self, plane: &mut [u8], stride: usize) {
        let mut work = [[[0i32; LANES]; 8]; SIDE];
        for column in (0..8).filter(|column| reads::<SIDE>(*column)) {
            for lane in 0..LANES {
                let x = std::array::from_fn(|row| self.coefficients[(row * 8 + column) * LANES + lane]);
                for (row, value) in work.iter_mut().zip(short_line::<SIDE>(x, 11)) {
                    row[column][lane] = value;
                }
            }
        }
        for (y, row) in work.iter().enumerate() {
            let mut samples = [[0u8; LANES]; SIDE];
            for lane in 0..LANES {
                let x = std::array::from_fn(|column| row[column][lane]);
                for (sample, value) in samples.iter_mut().zip(short_line::<SIDE>(x, 18)) {
                    sample[lane] = clamped(value.wrapping_add(128));
                }
            }
            for (lane, place) in self.places[..self.used].iter().enumerate() {
                plane[place + y * stride..][..SIDE].copy_from_slice(&samples.map(|sample| sample[lane]));
            }
        }
    }
}

/// Whether a transform to `side` samples uses a coefficient, counted along a row or column.
#[inline(always)]
const fn reads<const SIDE: usize>(index: usize) -> bool {
    match SIDE {
        4 => index != 4,
        2 => index == 0 || index % 2 == 1,
        _ => index == 0,
    }
}

/// As [`line`], to `SIDE` samples.
#[inline(always)]
fn short_line<const SIDE: usize>(x: [i32; 8], shift: u32) -> [i32; SIDE] {
    let sum = |terms: &[(usize, i32)]| {
        terms.iter().fold(0i32, |sum, (index, factor)| sum.wrapping_add(x[*index].wrapping_mul(*factor)))
    };
    // Each halving of the side adds a bit to round off.
    let (even, odd, bits) = match SIDE {
        4 => {
            let (first, second) = (x[0].wrapping_shl(14), sum(&[(2, 15137), (6, -6270)]));
            let outer = sum(&[(7, -4176), (5, -4926), (3, 7373), (1, 20995)]);
            let inner = sum(&[(7, -1730), (5, 11893), (3, -17799), (1, 8697)]);
            ([first.wrapping_add(second), first.wrapping_sub(second)], [outer, inner], shift + 1)
        }
        2 => {
            let odd = sum(&[(7, -5906), (5, 6967), (3, -10426), (1, 29692)]);
            ([x[0].wrapping_shl(15), 0], [odd, 0], shift + 2)
        }
        _ => ([x[0].wrapping_shl(13), 0], [0, 0], shift),
    };
    std::array::from_fn(|i| {
        let mirrored = SIDE - 1 - i;
        let sum = if i <= mirrored { even[i].wrapping_add(odd[i]) } else { even[mirrored].wrapping_sub(odd[mirrored]) };
        sum.wrapping_add(1 << (bits - 1)) >> bits
    })
}

#[inline(always)]
fn clamped(sample: i32) -> u8 {
    sample.clamp(0, 255) as u8
}

/// Samples of all lanes, `[y, lane]`, those of a row in one word, the first one lowest; coefficients of rows and columns
/// from `N` on are 0.
#[inline(always)]
fn transform<const N: usize>(coefficients: &[i32; 64 * LANES], rows: &mut [[u64; LANES]; 8]) {
    let mut work = [0i32; 64 * LANES];
    for column in 0..N {
        for lane in 0..LANES {
            let x =
                std::array::from_fn(|row| if row < N { coefficients[(row * 8 + column) * LANES + lane] } else { 0 });
            let y = line::<11>(x);
            for row in 0..8 {
                work[(row * 8 + column) * LANES + lane] = y[row];
            }
        }
    }
    for (row, words) in rows.iter_mut().enumerate() {
        let mut halves = [[0u32; LANES]; 2];
        for lane in 0..LANES {
            let x = std::array::from_fn(|column| if column < N { work[(row * 8 + column) * LANES + lane] } else { 0 });
            let y = line::<18>(x).map(|sample| u32::from(clamped(sample.wrapping_add(128))));
            halves[0][lane] = y[0] | y[1] << 8 | y[2] << 16 | y[3] << 24;
            halves[1][lane] = y[4] | y[5] << 8 | y[6] << 16 | y[7] << 24;
        }
        for lane in 0..LANES {
            words[lane] = u64::from(halves[0][lane]) | u64::from(halves[1][lane]) << 32;
        }
    }
}

/// One row or column, rounded off by `SHIFT` bits. Factors are 13-bit fractions. Hostile coefficients wrap around.
#[inline(always)]
fn line<const SHIFT: u32>(x: [i32; 8]) -> [i32; 8] {
    let add = i32::wrapping_add;
    let sub = i32::wrapping_sub;
    let mul = i32::wrapping_mul;

    let z = mul(add(x[2], x[6]), 4433);
    let (even2, even3) = (sub(z, mul(x[6], 15137)), add(z, mul(x[2], 6270)));
    let (even0, even1) = (add(x[0], x[4]).wrapping_shl(13), sub(x[0], x[4]).wrapping_shl(13));
    let even = [add(even0, even3), add(even1, even2), sub(even1, even2), sub(even0, even3)];

    let z5 = mul(add(add(x[7], x[3]), add(x[5], x[1])), 9633);
    let z1 = mul(add(x[7], x[1]), -7373);
    let z2 = mul(add(x[5], x[3]), -20995);
    let z3 = add(mul(add(x[7], x[3]), -16069), z5);
    let z4 = add(mul(add(x[5], x[1]), -3196), z5);
    let odd = [
        add(mul(x[1], 12299), add(z1, z4)),
        add(mul(x[3], 25172), add(z2, z3)),
        add(mul(x[5], 16819), add(z2, z4)),
        add(mul(x[7], 2446), add(z1, z3)),
    ];
    std::array::from_fn(|i| {
        let sum = if i < 4 { add(even[i], odd[i]) } else { sub(even[7 - i], odd[7 - i]) };
        add(sum, 1 << (SHIFT - 1)) >> SHIFT
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_coefficients_take_short_ways_to_the_same_samples() {
        for (corner, last) in [(1, 0), (4, 9), (8, 63)] {
            let shown = [last, 63].map(|claimed| {
                let mut lanes = Lanes::new(8);
                let (coefficients, lane) = lanes.open();
                let mut number = 7i32;
                for at in (0..64).filter(|at| at % 8 < corner && at / 8 < corner) {
                    number = (number * 37 + 11) % 301 - 150;
                    coefficients[at * LANES + lane] = if at == 0 { 8 * number } else { number };
                }
                lanes.close(0, claimed);
                let mut plane = [0u8; 64];
                lanes.flush(&mut plane, 8);
                plane
            });
            assert_eq!(shown[0], shown[1], "{corner}");
            assert!(shown[0].iter().any(|v| *v != shown[0][0]) || corner == 1);
        }
    }
}
