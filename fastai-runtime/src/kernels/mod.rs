//! CPU kernels for what burn's flex backend does slowly, as extension operations with their own backward pass. On every
//! other device the same functions are burn's own operations.

pub mod conv;
mod depthwise;
pub(crate) mod float;
mod geometry;
pub mod norm;
pub mod pool;

pub use conv::{ConvArgs, conv};
pub use norm::{NormArgs, Normed, norm_clamp};
pub use pool::{PoolArgs, max_pool};
