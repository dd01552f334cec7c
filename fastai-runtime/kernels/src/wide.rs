//! Loops compiled twice: for any CPU of the target, and for those with AVX2.
//!
//! The two versions compute the same operations, so their results are equal bit for bit.

/// A loop worth compiling for wide registers.
pub trait Wide {
    /// The loop's result.
    type Output;

    /// Runs the loop. The implementation must be `#[inline(always)]`, and so must every function in it that is to use
    /// wide registers.
    fn run(self) -> Self::Output;
}

/// Runs the version of `work` that was compiled for this CPU.
#[inline]
pub fn wide<W: Wide>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt") && has!("movbe") {
            // SAFETY: the CPU has every feature that the function is compiled for.
            return unsafe { avx2(work) };
        }
    }
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,movbe")]
fn avx2<W: Wide>(work: W) -> W::Output {
    work.run()
}
