//! The engine's kernels against burn's own operations, forwards and backwards.

mod conv;
mod norm;
mod pool;
