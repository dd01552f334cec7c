//! What transforms ask of the decoder.

/// How an image is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The pixels that the shorter side keeps when a JPEG is decoded at a half, a quarter or an eighth of its side lengths;
    /// `None` for full decoding.
    pub shorter: Option<u32>,
    /// The bits that 16-bit images use, 8 to 16: the upper 8 of them remain, and larger values are white.
    pub bits: u32,
}

impl Demand {
    /// Full decoding of images that use all their bits.
    pub const FULL: Demand = Demand { shorter: None, bits: 16 };
}
