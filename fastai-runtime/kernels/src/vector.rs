//! Vectors of `f32`, so that a kernel is written once for all instruction sets.

/// A register of `LANES` numbers.
///
/// # Safety
/// Implementations load and store exactly the lanes that a method names.
///
/// Every method requires that the CPU has the type's instructions; pointers are valid for the lanes that are read or
/// written and need no alignment.
pub(crate) unsafe trait Vector: Copy {
    /// Numbers in a register.
    const LANES: usize;
    unsafe fn splat(x: f32) -> Self;
    unsafe fn load(p: *const f32) -> Self;
    unsafe fn store(self, p: *mut f32);
    /// The first `n < LANES` lanes; the others are 0.
    unsafe fn load_first(p: *const f32, n: usize) -> Self;
    /// The first `n < LANES` lanes.
    unsafe fn store_first(self, p: *mut f32, n: usize);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// `self * b + c`, in one rounding where the CPU can.
    unsafe fn fma(self, b: Self, c: Self) -> Self;
    /// The larger of each lane; `other` where either is NaN.
    unsafe fn max(self, other: Self) -> Self;
    /// The smaller of each lane; `other` where either is NaN.
    unsafe fn min(self, other: Self) -> Self;
    /// `self` where `low < at < high`, else 0.
    unsafe fn inside(self, at: Self, low: Self, high: Self) -> Self;
    /// Numbers of lanes in a register.
    type Order: Copy;
    /// The first `LANES` of `numbers`, each below `LANES`.
    unsafe fn order(numbers: &[u32; 16]) -> Self::Order;
    /// In each lane what `self` holds in the lane of that number.
    unsafe fn reorder(self, order: Self::Order) -> Self;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller's.
        unsafe { Self::splat(0.0) }
    }
}

/// The first `lanes` lanes, which are all of them unless `part`.
///
/// # Safety
/// The pointer is valid for `lanes` numbers, from 1 to a whole vector; the CPU has the type's instructions.
#[inline(always)]
pub(crate) unsafe fn load<V: Vector>(part: bool, p: *const f32, lanes: usize) -> V {
    // SAFETY: the caller's.
    unsafe { if part && lanes < V::LANES { V::load_first(p, lanes) } else { V::load(p) } }
}

/// Stores the first `lanes` lanes, which are all of them unless `part`.
///
/// # Safety
/// As for [`load`].
#[inline(always)]
pub(crate) unsafe fn store<V: Vector>(part: bool, v: V, p: *mut f32, lanes: usize) {
    // SAFETY: the caller's.
    unsafe { if part && lanes < V::LANES { v.store_first(p, lanes) } else { v.store(p) } }
}

/// Vectors of channels that are summed side by side in registers, where there are that many.
pub(crate) const WIDE: usize = 4;

/// Channels that are summed together: [`WIDE`] whole vectors of them, or one vector of `lanes`.
pub(crate) struct ChannelSpan {
    pub first: usize,
    pub lanes: usize,
    pub is_wide: bool,
}

/// All of `channels` in their order.
#[inline(always)]
pub(crate) fn columns_of<V: Vector>(channels: std::ops::Range<usize>) -> impl Iterator<Item = ChannelSpan> {
    let (mut first, end) = (channels.start, channels.end);
    std::iter::from_fn(move || {
        let left = end.checked_sub(first).filter(|left| *left > 0)?;
        let columns = ChannelSpan { first, lanes: left.min(V::LANES), is_wide: left >= WIDE * V::LANES };
        first += if columns.is_wide { WIDE * V::LANES } else { V::LANES };
        Some(columns)
    })
}

/// Eight lanes as an array; compilers make vectors of the target of it.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Portable(pub(crate) [f32; 8]);

impl Portable {
    #[inline(always)]
    pub(crate) fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let mut out = self;
        for i in 0..8 {
            out.0[i] = f(self.0[i], other.0[i]);
        }
        out
    }
}

/// Whether the target multiplies and adds in one instruction; elsewhere `f32::mul_add` is a slow function.
const FUSED: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

// SAFETY: `load` and `store` touch 8 numbers, `*_first` touch `n`.
unsafe impl Vector for Portable {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Portable([x; 8])
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller's pointer is valid for 8 numbers.
        Portable(unsafe { p.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller's pointer is valid for 8 numbers.
        unsafe { p.cast::<[f32; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn load_first(p: *const f32, n: usize) -> Self {
        let mut out = [0.0; 8];
        for (i, x) in out.iter_mut().enumerate().take(n) {
            // SAFETY: the caller's pointer is valid for `n` numbers.
            *x = unsafe { *p.add(i) };
        }
        Portable(out)
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, n: usize) {
        for (i, x) in self.0.iter().enumerate().take(n) {
            // SAFETY: the caller's pointer is valid for `n` numbers.
            unsafe { *p.add(i) = *x };
        }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        let mut out = c;
        for i in 0..8 {
            out.0[i] = if FUSED { self.0[i].mul_add(b.0[i], c.0[i]) } else { self.0[i] * b.0[i] + c.0[i] };
        }
        out
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn inside(self, at: Self, low: Self, high: Self) -> Self {
        let mut out = self;
        for i in 0..8 {
            out.0[i] = if at.0[i] > low.0[i] && at.0[i] < high.0[i] { self.0[i] } else { 0.0 };
        }
        out
    }
    type Order = [u32; 8];
    #[inline(always)]
    unsafe fn order(numbers: &[u32; 16]) -> Self::Order {
        let mut order = [0; 8];
        order.copy_from_slice(&numbers[..8]);
        order
    }
    #[inline(always)]
    unsafe fn reorder(self, order: Self::Order) -> Self {
        let mut out = self;
        for i in 0..8 {
            out.0[i] = self.0[order[i] as usize & 7];
        }
        out
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Vector;
    use std::arch::x86_64::*;

    /// The lanes below `n` of a 256-bit register.
    #[inline(always)]
    unsafe fn first8(n: usize) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe {
            let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), lane)
        }
    }

    // SAFETY: every method is the intrinsic of its name. The caller has AVX2 and FMA; `*_first` mask the lanes from `n`
    // on, which are neither read nor written.
    #[allow(clippy::undocumented_unsafe_blocks)]
    unsafe impl Vector for __m256 {
        const LANES: usize = 8;

        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            unsafe { _mm256_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> Self {
            unsafe { _mm256_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn store(self, p: *mut f32) {
            unsafe { _mm256_storeu_ps(p, self) }
        }
        #[inline(always)]
        unsafe fn load_first(p: *const f32, n: usize) -> Self {
            unsafe { _mm256_maskload_ps(p, first8(n)) }
        }
        #[inline(always)]
        unsafe fn store_first(self, p: *mut f32, n: usize) {
            unsafe { _mm256_maskstore_ps(p, first8(n), self) }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            unsafe { _mm256_add_ps(self, other) }
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            unsafe { _mm256_sub_ps(self, other) }
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            unsafe { _mm256_mul_ps(self, other) }
        }
        #[inline(always)]
        unsafe fn fma(self, b: Self, c: Self) -> Self {
            unsafe { _mm256_fmadd_ps(self, b, c) }
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            unsafe { _mm256_max_ps(self, other) }
        }
        #[inline(always)]
        unsafe fn min(self, other: Self) -> Self {
            unsafe { _mm256_min_ps(self, other) }
        }
        #[inline(always)]
        unsafe fn inside(self, at: Self, low: Self, high: Self) -> Self {
            unsafe {
                let above = _mm256_cmp_ps::<_CMP_GT_OQ>(at, low);
                let below = _mm256_cmp_ps::<_CMP_LT_OQ>(at, high);
                _mm256_and_ps(self, _mm256_and_ps(above, below))
            }
        }
        type Order = __m256i;
        #[inline(always)]
        unsafe fn order(numbers: &[u32; 16]) -> Self::Order {
            unsafe { _mm256_loadu_si256(numbers.as_ptr().cast()) }
        }
        #[inline(always)]
        unsafe fn reorder(self, order: Self::Order) -> Self {
            unsafe { _mm256_permutevar8x32_ps(self, order) }
        }
    }

    // SAFETY: as above, with AVX-512F.
    #[allow(clippy::undocumented_unsafe_blocks)]
    unsafe impl Vector for __m512 {
        const LANES: usize = 16;

        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            unsafe { _mm512_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(p: *const f32) -> Self {
            unsafe { _mm512_loadu_ps(p) }
        }
        #[inline(always)]
        unsafe fn store(self, p: *mut f32) {
            unsafe { _mm512_storeu_ps(p, self) }
        }
        #[inline(always)]
        unsafe fn load_first(p: *const f32, n: usize) -> Self {
            unsafe { _mm512_maskz_loadu_ps((1 << n) - 1, p) }
        }
        #[inline(always)]
        unsafe fn store_first(self, p: *mut f32, n: usize) {
            unsafe { _mm512_mask_storeu_ps(p, (1 << n) - 1, self) }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            unsafe { _mm512_add_ps(self, other) }
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            unsafe { _mm512_sub_ps(self, other) }
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            unsafe { _mm512_mul_ps(self, other) }
        }
        #[inline(always)]
        unsafe fn fma(self, b: Self, c: Self) -> Self {
            unsafe { _mm512_fmadd_ps(self, b, c) }
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            unsafe { _mm512_max_ps(self, other) }
        }
        #[inline(always)]
        unsafe fn min(self, other: Self) -> Self {
            unsafe { _mm512_min_ps(self, other) }
        }
        #[inline(always)]
        unsafe fn inside(self, at: Self, low: Self, high: Self) -> Self {
            unsafe {
                let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(at, low);
                let below = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(at, high);
                _mm512_maskz_mov_ps(above & below, self)
            }
        }
        type Order = __m512i;
        #[inline(always)]
        unsafe fn order(numbers: &[u32; 16]) -> Self::Order {
            unsafe { _mm512_loadu_si512(numbers.as_ptr().cast()) }
        }
        #[inline(always)]
        unsafe fn reorder(self, order: Self::Order) -> Self {
            unsafe { _mm512_permutexvar_ps(order, self) }
        }
    }
}
