//! The modules of fastai-runtime that read files from outside, as they are, without the engine around them.
#![allow(dead_code, missing_docs)] // only a part of them is called from here

pub mod picture;
pub mod table;

#[path = "../../src/random.rs"]
pub mod random;
#[path = "../../src/transforms/mod.rs"]
pub mod transforms;

#[path = "."]
pub mod kernels {
    #[path = "../../src/kernels/bilinear.rs"]
    pub mod bilinear;
    #[path = "../../src/kernels/wide.rs"]
    pub mod wide;
}

#[path = "."]
pub mod data {
    #[path = "../../src/data/csv.rs"]
    mod csv;
    #[path = "../../src/data/dataset.rs"]
    mod dataset;
    #[path = "../../src/data/decode.rs"]
    mod decode;
    #[path = "../../src/data/findings.rs"]
    mod findings;
    #[path = "../../src/data/folders.rs"]
    mod folders;
    #[path = "../../src/data/holdout.rs"]
    mod holdout;
    #[path = "../../src/data/jpeg/mod.rs"]
    mod jpeg;
    #[path = "../../src/data/palette.rs"]
    mod palette;
    #[path = "../../src/data/quotes.rs"]
    mod quotes;
    #[path = "../../src/data/sides.rs"]
    mod sides;
    #[path = "../../src/data/split.rs"]
    mod split;
    #[path = "../../src/data/vocabulary.rs"]
    mod vocabulary;

    use crate::transforms::Picture;
    pub use dataset::{Dataset, Item, Target};
    pub use findings::DataError;
    pub use vocabulary::Vocabulary;

    /// Decodes both ways, without the guard that turns a panic into an error.
    pub fn decode(bytes: &[u8]) -> Result<image::RgbImage, String> {
        let strict = decode::decode_strictly(bytes);
        let image = decode::decode_bytes(bytes);
        if let Ok(strict) = &strict {
            let image = image.as_ref().expect("what is sound by the strict decoder is sound");
            assert_eq!(strict.dimensions(), image.dimensions());
        }
        image
    }

    /// As [`decode`], reduced.
    pub fn decode_reduced(bytes: &[u8], shorter: u32) -> Result<Picture, String> {
        decode::decode_bytes_reduced(bytes, shorter)
    }
}
