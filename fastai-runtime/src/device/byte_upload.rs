//! Images that a device receives as bytes.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use fastai_dsl::{PixelFormat, Stats};

use super::is_cpu;

/// Whether `device` receives images of this format as bytes and normalises them, in training and in prediction: the CPU's images
/// are normalised where they are loaded, and WebGPU's own shader language has no 8-bit integers.
pub(crate) fn takes_bytes(format: PixelFormat, device: &Device) -> bool {
    format == PixelFormat::Bytes && !is_cpu(device) && device.supports_dtype(DType::U8)
}

/// Sends 8-bit images to a device and normalises them there.
pub(crate) struct ByteUpload {
    /// The factor of each channel, `[1, 3, 1, 1]`.
    scale: Tensor<4>,
    /// What is added to each channel, `[1, 3, 1, 1]`.
    shift: Tensor<4>,
    device: Device,
}

impl ByteUpload {
    pub(crate) fn new(Stats { mean, std }: Stats, device: &Device) -> Self {
        let row = |values: [f32; 3]| Tensor::<1>::from_data(values, device).reshape([1, 3, 1, 1]);
        let scale = row(std.map(|std| 1.0 / (255.0 * std)));
        let shift = row(std::array::from_fn(|c| -mean[c] / std[c]));
        ByteUpload { scale, shift, device: device.clone() }
    }

    /// Uploads `bytes`, `[batch, 3, height, width]`, and returns `(byte / 255 - mean) / std`.
    pub(crate) fn normalised(&self, bytes: TensorData) -> Tensor<4> {
        let bytes = Tensor::<4, Int>::from_data(bytes, (&self.device, DType::U8));
        bytes.float() * self.scale.clone() + self.shift.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_normalises_every_byte_as_the_loader_does() {
        let device = Device::flex();
        let stats = Stats::IMAGENET;
        let bytes: Vec<u8> = (0..3).flat_map(|_| 0..=255).collect();
        let wanted = bytes.iter().enumerate().map(|(i, byte)| {
            let (mean, std) = (f64::from(stats.mean[i / 256]), f64::from(stats.std[i / 256]));
            (f64::from(*byte) / 255.0 - mean) / std
        });
        let upload = ByteUpload::new(stats, &device);
        let got = upload.normalised(TensorData::new(bytes.clone(), [1, 3, 16, 16])).into_data();
        for (got, wanted) in got.try_into_vec::<f32>().unwrap().into_iter().zip(wanted) {
            assert!((f64::from(got) - wanted).abs() < 1e-6, "{got} for {wanted}");
        }
    }

    #[test]
    fn the_cpu_takes_no_bytes() {
        assert!(!takes_bytes(PixelFormat::Bytes, &Device::flex()));
    }
}
