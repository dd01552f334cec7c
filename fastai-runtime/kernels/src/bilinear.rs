//! Pixels along a straight line across an image, each blended from the four around its place.

use std::ops::Range;

/// Fractional bits of a place.
pub const BITS: u32 = 32;

/// A place of an image, or how far one place is from another: pixels to the right and down, in fixed point of [`BITS`].
///
/// Stepping along a line is then an addition that does not round, and splitting a place into pixel and fraction a shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// To the right.
    pub x: i64,
    /// Down.
    pub y: i64,
}

impl Place {
    /// `steps` further.
    #[inline(always)]
    pub fn after(self, steps: usize, step: Place) -> Place {
        let along = |from: i64, by: i64| from.wrapping_add(by.wrapping_mul(steps as i64));
        Place { x: along(self.x, step.x), y: along(self.y, step.y) }
    }
}

/// Writes the pixels of `canvas`, rows of `width`, at `first` and every `step` after it; beyond the border the image is
/// reflected, its outermost pixels repeated. The same numbers on every CPU.
///
/// # Panics
/// Where the canvas is no image of such rows, or has more than `i32::MAX / 2` pixels.
#[inline(always)]
pub fn bilinear(canvas: &[[f32; 4]], width: usize, first: Place, step: Place, out: &mut [[f32; 4]]) {
    let height = canvas.len().checked_div(width).unwrap_or(0);
    assert!(height > 0 && height * width == canvas.len() && canvas.len() <= i32::MAX as usize / 2, "rows of {width}");
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && is_near(height, width, first, step, out.len()) {
        let across = within(first.x, step.x, width, out.len());
        let inside = intersection(across, within(first.y, step.y, height, out.len()));
        let (before, rest) = out.split_at_mut(inside.start);
        let (middle, after) = rest.split_at_mut(inside.len());
        // SAFETY: the CPU has the feature.
        unsafe {
            avx2::bilinear::<true>(canvas, width, first, step, before);
            avx2::bilinear::<false>(canvas, width, first.after(inside.start, step), step, middle);
            avx2::bilinear::<true>(canvas, width, first.after(inside.end, step), step, after);
        }
        return;
    }
    plain(|index| canvas[index], height, width, first, step, out);
}

/// [`bilinear`] of an image of `height` rows of `width` pixels that are stored in any way, in steps that every CPU has.
#[inline(always)]
pub fn plain(
    pixel: impl Fn(usize) -> [f32; 4],
    height: usize,
    width: usize,
    first: Place,
    step: Place,
    out: &mut [[f32; 4]],
) {
    for (k, shown) in out.iter_mut().enumerate() {
        let at = first.after(k, step);
        let (x, y) = (at.x >> BITS, at.y >> BITS);
        let (left, right) = (reflect(x, width), reflect(x + 1, width));
        let (above, below) = (reflect(y, height) * width, reflect(y + 1, height) * width);
        *shown = blend([pixel(above + left), pixel(above + right)], [pixel(below + left), pixel(below + right)], at);
    }
}

/// The pixel that stands at `index` of an axis of `n` pixels when both its ends are mirrors, edge pixels doubled.
#[inline]
pub fn reflect(index: i64, n: usize) -> usize {
    let n = n as i64;
    let i = index.rem_euclid(2 * n);
    (if i < n { i } else { 2 * n - 1 - i }) as usize
}

/// Whether all of `count` places and the pixels after them are at most one image away from the canvas.
fn is_near(height: usize, width: usize, first: Place, step: Place, count: usize) -> bool {
    let near = |first: i64, step: i64, side: usize| {
        let last = i128::from(first) + i128::from(step) * count as i128;
        let (side, one) = ((side as i128) << BITS, 1i128 << BITS);
        [i128::from(first), last].iter().all(|at| (-side..2 * side - one).contains(at))
    };
    near(first.x, step.x, width) && near(first.y, step.y, height)
}

/// For which of the first `count` numbers `i` the pixel of `first + i * step` and the one after it lie on an axis of `side`
/// pixels.
fn within(first: i64, step: i64, side: usize, count: usize) -> Range<usize> {
    let last = ((side as i64) << BITS) - (1 << BITS);
    // Steps to the first place at or past `bound`, going up.
    let until = |from: i64, step: i64, bound: i64| {
        let steps = bound.saturating_sub(from).max(0);
        usize::try_from(steps / step + i64::from(steps % step != 0)).unwrap_or(count).min(count)
    };
    match step {
        0 if (0..last).contains(&first) => 0..count,
        0 => 0..0,
        1.. => until(first, step, 0)..until(first, step, last),
        // Mirrored: `-first` rises from beyond `-last` to 0.
        _ => until(-first, -step, 1 - last)..until(-first, -step, 1),
    }
}

fn intersection(a: Range<usize>, b: Range<usize>) -> Range<usize> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}

/// The pixel at a place between the first of two above and two below, of which only the fractions count.
#[inline(always)]
pub fn blend(upper: [[f32; 4]; 2], lower: [[f32; 4]; 2], at: Place) -> [f32; 4] {
    let (fx, fy) = (fraction(at.x), fraction(at.y));
    let down = |side: usize, lane: usize| between(upper[side][lane], lower[side][lane], fy);
    std::array::from_fn(|lane| between(down(0, lane), down(1, lane), fx))
}

/// What lies at `fraction` of the way from `a` to `b`.
#[inline(always)]
fn between(a: f32, b: f32, fraction: f32) -> f32 {
    a + fraction * (b - a)
}

/// What of a fixed-point number is below 1: its upper 24 bits are what a float holds exactly.
#[inline(always)]
fn fraction(of: i64) -> f32 {
    (of as u32 >> 8) as i32 as f32 * UNIT
}

/// A fraction's last bit.
const UNIT: f32 = 1.0 / (1 << 24) as f32;

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;
    use std::mem::transmute;

    use super::{BITS, Place, UNIT};

    /// Places worked out at a time: arithmetic on one number a pixel, the blending is on four.
    const BLOCK: usize = 8;

    /// [`super::bilinear`], two pixels in a register. With `BORDER` no place may be further from the canvas than that is
    /// long and wide, the pixels to the right and below counted; without, every place must have its four neighbours in it.
    ///
    /// # Panics
    /// Where that is not so, unless some pixels of the canvas are read in place of others.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn bilinear<const BORDER: bool>(
        canvas: &[[f32; 4]],
        width: usize,
        first: Place,
        step: Place,
        out: &mut [[f32; 4]],
    ) {
        // In this order the lower or upper halves of two registers come out as those of pixels 0 to 7.
        let spread = |from: i64, by: i64, order: [i64; 4]| {
            let [a, b, c, d] = order.map(|k| from.wrapping_add(by.wrapping_mul(k)));
            _mm256_set_epi64x(d, c, b, a)
        };
        let pair = |from: i64, by: i64| [spread(from, by, [0, 1, 4, 5]), spread(from, by, [2, 3, 6, 7])];
        let (mut x, mut y) = (pair(first.x, step.x), pair(first.y, step.y));
        let next = |by: i64| _mm256_set1_epi64x(by.wrapping_mul(BLOCK as i64));
        let (next_x, next_y) = (next(step.x), next(step.y));
        let side = |side: usize| _mm256_set1_epi32(side as i32);
        let (one, wide, high) = (side(1), side(width), side(canvas.len() / width));
        let index = |row: __m256i, column: __m256i| -> [u32; BLOCK] {
            // SAFETY: eight numbers of 32 bits either way.
            unsafe { transmute(_mm256_add_epi32(_mm256_mullo_epi32(row, wide), column)) }
        };
        for pixels in out.chunks_mut(BLOCK) {
            let (left, above) = (halves::<0b11_01_11_01>(x), halves::<0b11_01_11_01>(y));
            let across = fractions(halves::<0b10_00_10_00>(x));
            let down = fractions(halves::<0b10_00_10_00>(y));
            let (right, below) = (_mm256_add_epi32(left, one), _mm256_add_epi32(above, one));
            if BORDER {
                let (left, right) = (reflected(left, wide), reflected(right, wide));
                let (above, below) = (reflected(above, high), reflected(below, high));
                let (p, q) = (index(above, left), index(above, right));
                let (r, s) = (index(below, left), index(below, right));
                for (k, pixel) in pixels.iter_mut().enumerate() {
                    let at = |corner: &[u32; BLOCK]| canvas[corner[k] as usize];
                    *pixel = blend(two([at(&p), at(&q)]), two([at(&r), at(&s)]), across[k], down[k]);
                }
            } else {
                let (upper, lower) = (index(above, left), index(below, left));
                for (k, pixel) in pixels.iter_mut().enumerate() {
                    let at = |corner: &[u32; BLOCK]| {
                        let pixels = &canvas[corner[k] as usize..][..2];
                        two([pixels[0], pixels[1]])
                    };
                    *pixel = blend(at(&upper), at(&lower), across[k], down[k]);
                }
            }
            x = x.map(|x| _mm256_add_epi64(x, next_x));
            y = y.map(|y| _mm256_add_epi64(y, next_y));
        }
    }

    /// Two pixels in one register.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn two(pixels: [[f32; 4]; 2]) -> __m256 {
        // SAFETY: eight floats either way.
        unsafe { transmute(pixels) }
    }

    /// As [`super::blend`].
    #[inline]
    #[target_feature(enable = "avx2")]
    fn blend(upper: __m256, lower: __m256, fx: f32, fy: f32) -> [f32; 4] {
        let two = _mm256_add_ps(upper, _mm256_mul_ps(_mm256_set1_ps(fy), _mm256_sub_ps(lower, upper)));
        let (left, right) = (_mm256_castps256_ps128(two), _mm256_extractf128_ps(two, 1));
        let one = _mm_add_ps(left, _mm_mul_ps(_mm_set1_ps(fx), _mm_sub_ps(right, left)));
        // SAFETY: four floats either way.
        unsafe { transmute(one) }
    }

    /// The lower or the upper halves of eight numbers.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn halves<const WHICH: i32>([a, b]: [__m256i; 2]) -> __m256i {
        const { assert!(BITS == 32) };
        let (a, b) = (_mm256_castsi256_ps(a), _mm256_castsi256_ps(b));
        _mm256_castps_si256(_mm256_shuffle_ps(a, b, WHICH))
    }

    /// As [`super::fraction`].
    #[inline]
    #[target_feature(enable = "avx2")]
    fn fractions(halves: __m256i) -> [f32; BLOCK] {
        let fractions = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_srli_epi32(halves, 8)), _mm256_set1_ps(UNIT));
        // SAFETY: eight floats either way.
        unsafe { transmute(fractions) }
    }

    /// Where pixels stand that are reflected at the ends of an axis of `side` pixels, none further from it than its length.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn reflected(index: __m256i, side: __m256i) -> __m256i {
        // Before the first: -1 - i, which is all bits turned.
        let index = _mm256_xor_si256(index, _mm256_srai_epi32(index, 31));
        let last = _mm256_sub_epi32(_mm256_add_epi32(side, side), _mm256_set1_epi32(1));
        _mm256_min_epi32(index, _mm256_sub_epi32(last, index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_is_repeated_and_far_indices_come_back() {
        let line: Vec<usize> = (-7..8).map(|i| reflect(i, 3)).collect();
        assert_eq!(line, [0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]);
        assert!((-3..3).all(|i| reflect(i, 1) == 0));
    }

    #[test]
    fn every_cpu_samples_the_same_numbers() {
        let (height, width) = (23, 37);
        let mut state = 1u64;
        let mut unit = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let canvas: Vec<[f32; 4]> = (0..height * width).map(|_| [0; 4].map(|_| unit() as f32)).collect();
        // From inside only to further away than the image is long.
        for beyond in [0.0, 0.4, 0.9, 3.0] {
            for length in 0..60 {
                let mut place = |side: usize| {
                    let side = (side - 1) as f64;
                    let at = (-beyond + (1.0 + 2.0 * beyond) * unit()) * side;
                    (at * (1u64 << BITS) as f64) as i64
                };
                let (first, last) = (Place { x: place(width), y: place(height) }, [place(width), place(height)]);
                let step = |a: i64, b: i64| (b - a) / (length as i64).max(1);
                let step = Place { x: step(first.x, last[0]), y: step(first.y, last[1]) };
                let (mut here, mut plainly) = (vec![[0f32; 4]; length], vec![[0f32; 4]; length]);
                bilinear(&canvas, width, first, step, &mut here);
                plain(|index| canvas[index], height, width, first, step, &mut plainly);
                assert_eq!(here, plainly, "{first:?} + {length} x {step:?}");
            }
        }
    }

    #[test]
    fn a_single_pixel_is_everywhere() {
        let step = Place { x: 1 << (BITS - 2), y: -1 << (BITS - 1) };
        let mut out = [[0.0; 4]; 9];
        bilinear(&[[0.25, 0.5, 0.75, 0.0]], 1, Place { x: -1 << BITS, y: 0 }, step, &mut out);
        assert_eq!(out, [[0.25, 0.5, 0.75, 0.0]; 9]);
    }
}
