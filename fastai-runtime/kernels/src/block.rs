//! Outputs of a row that are computed side by side, so that each source pixel is loaded once for all of them.

/// Outputs of a block. The maps of the usual networks are multiples of 7 wide.
pub(crate) const BLOCK: usize = 7;

/// Runs a block of code once for each of the numbers, which are constants in it.
macro_rules! each {
    ($i:ident in [$($n:literal)*] $body:block) => { $({ #[allow(non_upper_case_globals)] const $i: usize = $n; $body })* };
}
pub(crate) use each;

/// The output of a block whose tap `tap` meets the block's pixel `pixel`, of kernels `KX` wide every `S` pixels.
#[inline(always)]
pub(crate) fn meeting<const KX: usize, const S: usize>(pixel: usize, tap: usize) -> Option<usize> {
    let first = pixel.checked_sub(tap)?;
    (tap < KX && first.is_multiple_of(S) && first / S < BLOCK).then_some(first / S)
}
