//! The inputs of a network: how they are made of images, and how they reach a device.

use burn::tensor::{Device, Tensor, TensorData};
use fastai_dsl::Stats;

use crate::data::Demand;
use crate::device::ByteUpload;
use crate::models::ModelMeta;
use crate::transforms::{InputValue, Pixels, Transform};

/// The preparation of images, without the network.
#[derive(Clone, Debug)]
pub(super) struct Preparing {
    transform: Transform,
    seed: u64,
    /// Values of one input.
    input: usize,
}

impl Preparing {
    /// That of a model, with so many values in an input.
    pub(super) fn new(meta: &ModelMeta, input: usize) -> Self {
        Preparing { transform: meta.transform(), seed: meta.seed, input }
    }

    /// How files are decoded for it.
    pub(super) fn demand(&self) -> Demand {
        self.transform.demand()
    }

    /// Writes the plain input of `image` and then the augmented ones, `[pass, 3, size, size]`.
    pub(super) fn inputs<P: Pixels, V: InputValue>(&self, image: &P, values: &mut [V]) {
        let (plain, augmented) = values.split_at_mut(self.input);
        self.transform.valid(image, plain);
        self.transform.views(image, self.seed, 0, augmented);
    }
}

/// A number of an input, as a device receives it.
pub(super) trait InputNumber: InputValue {
    /// Inputs of this shape, `[image, 3, size, size]`, on `device`, normalised with these statistics.
    fn on_device(numbers: Vec<Self>, shape: [usize; 4], stats: Stats, device: &Device) -> Tensor<4>;
}

impl InputNumber for f32 {
    fn on_device(numbers: Vec<f32>, shape: [usize; 4], _normalised: Stats, device: &Device) -> Tensor<4> {
        Tensor::from_data(TensorData::new(numbers, shape), device)
    }
}

impl InputNumber for u8 {
    fn on_device(bytes: Vec<u8>, shape: [usize; 4], stats: Stats, device: &Device) -> Tensor<4> {
        ByteUpload::new(stats, device).normalised(TensorData::new(bytes, shape))
    }
}
