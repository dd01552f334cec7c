//! Hints to fetch memory before it is needed. Kernels walk over several rows of a map at a time, a few channels of a few
//! pixels each, which no prefetcher of a CPU foresees.

/// Numbers of a cache line.
pub(crate) const LINE: usize = 16;

/// Hints that the cache line of `p`, which need not be valid, will be read.
#[inline(always)]
pub(crate) fn read(p: *const f32) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: the instruction belongs to SSE, which every x86-64 CPU has, and accesses nothing.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(p.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = p;
}

/// Hints that `numbers` will be read.
#[inline]
pub(crate) fn lines(numbers: &[f32]) {
    numbers.iter().step_by(LINE).for_each(|number| read(number));
}

/// Hints that the cache line of `p`, which need not be valid, will be written.
#[inline(always)]
pub(crate) fn write(p: *const f32) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: every x86-64 CPU takes the instruction, some as one that does nothing; it accesses nothing.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_ET0>(p.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = p;
}
