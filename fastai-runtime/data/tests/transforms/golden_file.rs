//! Pictures, and what OpenCV makes of them (`tools/reference_transforms.py`).

use std::path::Path;

use fastai_data::transforms::FloatImage;
use fastai_dsl::Stats;
use image::RgbImage;
use safetensors::{Dtype, SafeTensors};

/// Largest difference allowed to OpenCV of values in [0, 1]. Both compute in float32, but sum in other orders, and
/// OpenCV's rotation rounds its coordinates (its own distance from the definition is up to 3.4e-6).
pub const TOLERANCE: f32 = 2e-5;

/// Statistics that leave pixels as they are.
pub const RAW: Stats = Stats::NONE;

/// The golden file.
pub struct Golden(Vec<u8>);

impl Golden {
    pub fn open() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/transforms.safetensors");
        Golden(std::fs::read(path).expect("the golden file is part of the sources"))
    }

    fn tensors(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.0).expect("the golden file is whole")
    }

    pub fn picture(&self, name: &str) -> RgbImage {
        let tensors = self.tensors();
        let view = tensors.tensor(name).unwrap();
        let (height, width) = (view.shape()[0] as u32, view.shape()[1] as u32);
        RgbImage::from_raw(width, height, view.data().to_vec()).unwrap()
    }

    /// Shape and values of float32 output.
    pub fn floats(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let tensors = self.tensors();
        let view = tensors.tensor(name).unwrap();
        assert_eq!(view.dtype(), Dtype::F32, "{name}");
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        (view.shape().to_vec(), values)
    }

    /// Output `[height, width, 3]`.
    pub fn image(&self, name: &str) -> FloatImage {
        let (shape, values) = self.floats(name);
        FloatImage::from_rgb(shape[0], shape[1], &values).unwrap()
    }
}

/// A picture of noise.
pub fn noise(height: u32, width: u32) -> RgbImage {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    RgbImage::from_fn(width, height, |_, _| image::Rgb([next(), next(), next()]))
}
