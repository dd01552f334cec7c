//! Vector operations beyond sums and products.

use crate::vector::{Portable, Vector};

/// Division, choice, powers of two and bytes.
///
/// # Safety
/// As for [`Vector`], of methods and implementations alike.
pub(crate) unsafe trait Math: Vector {
    unsafe fn div(self, other: Self) -> Self;
    /// The nearest whole number, the even one of two, for numbers below 4 million.
    unsafe fn round(self) -> Self;
    /// `self * 2^n` for whole `n` from -250 to 250.
    unsafe fn scale(self, n: Self) -> Self;
    /// `yes` where `self > other`, else `no`, also where either is NaN.
    unsafe fn above(self, other: Self, yes: Self, no: Self) -> Self;
    /// The first `n <= LANES` lanes; the others are 0.
    unsafe fn first(self, n: usize) -> Self;
    /// The first `n <= LANES` lanes, whole numbers from 0 to 255, as bytes.
    unsafe fn store_bytes(self, p: *mut u8, n: usize);
    /// `self` where the byte is `wanted`, else 0; of the first `n <= LANES` lanes, the others are 0.
    unsafe fn at_byte(self, p: *const u8, n: usize, wanted: u8) -> Self;

    #[inline(always)]
    unsafe fn abs(self) -> Self {
        // SAFETY: the caller's.
        unsafe { Self::max(self, Self::zero().sub(self)) }
    }

    /// The sum of all lanes, always in the same order.
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let mut lanes = [0.0f32; 16];
        // SAFETY: no vector has more than 16 lanes; the rest is the caller's.
        unsafe { self.store(lanes.as_mut_ptr()) };
        let mut half = Self::LANES / 2;
        while half > 0 {
            for i in 0..half {
                lanes[i] += lanes[i + half];
            }
            half /= 2;
        }
        lanes[0]
    }
}

/// `2^n` for whole `n` from -126 to 127.
#[inline(always)]
fn power(n: i32) -> f32 {
    f32::from_bits(((n + 127) as u32) << 23)
}

// SAFETY: bytes are accessed one by one, `n` of them.
unsafe impl Math for Portable {
    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        // In this range the spacing of numbers is 1; `round_ties_even` is a slow function on most targets.
        const BIG: f32 = 1.5 * (1 << 23) as f32;
        self.zip(self, |a, _| a + BIG - BIG)
    }
    #[inline(always)]
    unsafe fn scale(self, n: Self) -> Self {
        // Two factors, so that both are normal numbers.
        self.zip(n, |a, n| {
            let half = (n as i32) >> 1;
            a * power(half) * power(n as i32 - half)
        })
    }
    #[inline(always)]
    unsafe fn above(self, other: Self, yes: Self, no: Self) -> Self {
        let mut out = no;
        for i in 0..8 {
            if self.0[i] > other.0[i] {
                out.0[i] = yes.0[i];
            }
        }
        out
    }
    #[inline(always)]
    unsafe fn first(self, n: usize) -> Self {
        let mut out = self;
        out.0.iter_mut().skip(n).for_each(|x| *x = 0.0);
        out
    }
    #[inline(always)]
    unsafe fn store_bytes(self, p: *mut u8, n: usize) {
        for (i, x) in self.0.iter().enumerate().take(n) {
            // SAFETY: the caller's pointer is valid for `n` bytes.
            unsafe { *p.add(i) = *x as u8 };
        }
    }
    #[inline(always)]
    unsafe fn at_byte(self, p: *const u8, n: usize, wanted: u8) -> Self {
        let mut out = [0.0; 8];
        for (i, x) in out.iter_mut().enumerate().take(n) {
            // SAFETY: the caller's pointer is valid for `n` bytes.
            if unsafe { *p.add(i) } == wanted {
                *x = self.0[i];
            }
        }
        Portable(out)
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Math;
    use std::arch::x86_64::*;

    // SAFETY: the caller has AVX2 and FMA; bytes are accessed through buffers of their own where there are less than 8.
    #[allow(clippy::undocumented_unsafe_blocks)]
    unsafe impl Math for __m256 {
        #[inline(always)]
        unsafe fn div(self, other: Self) -> Self {
            unsafe { _mm256_div_ps(self, other) }
        }
        #[inline(always)]
        unsafe fn round(self) -> Self {
            unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self) }
        }
        #[inline(always)]
        unsafe fn scale(self, n: Self) -> Self {
            unsafe {
                let power =
                    |n| _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(n, _mm256_set1_epi32(127))));
                let n = _mm256_cvtps_epi32(n);
                let half = _mm256_srai_epi32::<1>(n);
                _mm256_mul_ps(_mm256_mul_ps(self, power(half)), power(_mm256_sub_epi32(n, half)))
            }
        }
        #[inline(always)]
        unsafe fn above(self, other: Self, yes: Self, no: Self) -> Self {
            unsafe { _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_GT_OQ>(self, other)) }
        }
        #[inline(always)]
        unsafe fn first(self, n: usize) -> Self {
            unsafe {
                let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
                let first = _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), lane);
                _mm256_and_ps(self, _mm256_castsi256_ps(first))
            }
        }
        #[inline(always)]
        unsafe fn store_bytes(self, p: *mut u8, n: usize) {
            unsafe {
                let words = _mm256_cvtps_epi32(self);
                let halves = _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
                let bytes = _mm_cvtsi128_si64(_mm_packus_epi16(halves, halves)).to_le_bytes();
                if n == 8 {
                    p.cast::<[u8; 8]>().write_unaligned(bytes);
                } else {
                    p.copy_from_nonoverlapping(bytes.as_ptr(), n);
                }
            }
        }
        #[inline(always)]
        unsafe fn at_byte(self, p: *const u8, n: usize, wanted: u8) -> Self {
            unsafe {
                let mut bytes = [!wanted; 8];
                if n == 8 {
                    bytes = p.cast::<[u8; 8]>().read_unaligned();
                } else {
                    bytes.as_mut_ptr().copy_from_nonoverlapping(p, n);
                }
                let words = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(i64::from_le_bytes(bytes)));
                let equal = _mm256_cmpeq_epi32(words, _mm256_set1_epi32(i32::from(wanted)));
                _mm256_and_ps(self, _mm256_castsi256_ps(equal))
            }
        }
        #[inline(always)]
        unsafe fn abs(self) -> Self {
            unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self) }
        }
    }

    // SAFETY: as above, with AVX-512F and 16 bytes.
    #[allow(clippy::undocumented_unsafe_blocks)]
    unsafe impl Math for __m512 {
        #[inline(always)]
        unsafe fn div(self, other: Self) -> Self {
            unsafe { _mm512_div_ps(self, other) }
        }
        #[inline(always)]
        unsafe fn round(self) -> Self {
            unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self) }
        }
        #[inline(always)]
        unsafe fn scale(self, n: Self) -> Self {
            unsafe { _mm512_scalef_ps(self, n) }
        }
        #[inline(always)]
        unsafe fn above(self, other: Self, yes: Self, no: Self) -> Self {
            unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(self, other), no, yes) }
        }
        #[inline(always)]
        unsafe fn first(self, n: usize) -> Self {
            unsafe { _mm512_maskz_mov_ps(((1u32 << n) - 1) as __mmask16, self) }
        }
        #[inline(always)]
        unsafe fn store_bytes(self, p: *mut u8, n: usize) {
            unsafe {
                let bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(self));
                if n == 16 {
                    _mm_storeu_si128(p.cast(), bytes);
                } else {
                    let mut all = [0u8; 16];
                    _mm_storeu_si128(all.as_mut_ptr().cast(), bytes);
                    p.copy_from_nonoverlapping(all.as_ptr(), n);
                }
            }
        }
        #[inline(always)]
        unsafe fn at_byte(self, p: *const u8, n: usize, wanted: u8) -> Self {
            unsafe {
                let bytes = if n == 16 {
                    _mm_loadu_si128(p.cast())
                } else {
                    let mut all = [!wanted; 16];
                    all.as_mut_ptr().copy_from_nonoverlapping(p, n);
                    _mm_loadu_si128(all.as_ptr().cast())
                };
                let wanted = _mm512_set1_epi32(i32::from(wanted));
                _mm512_maskz_mov_ps(_mm512_cmpeq_epi32_mask(_mm512_cvtepu8_epi32(bytes), wanted), self)
            }
        }
        #[inline(always)]
        unsafe fn abs(self) -> Self {
            unsafe { _mm512_abs_ps(self) }
        }
    }
}
