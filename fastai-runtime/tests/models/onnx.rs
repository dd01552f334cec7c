//! ONNX models beside what the networks say; `tools/check_onnx.py` runs them in onnxruntime.

use std::path::PathBuf;

use crate::reference::{noise_images, values, write_body};
use burn::tensor::Device;
use fastai_dsl::arch::ARCHS;
use fastai_dsl::{HeadSpec, TaskKind};
use fastai_onnx::{ModelInput, ModelInterface};
use fastai_runtime::models::{self, Network, onnx_model};
use fastai_runtime::predict::NpyRows;

/// Images of a batch.
const IMAGES: usize = 3;

/// Writes, for every network with weights by formula and a head, the model, three inputs, and the logits of both.
#[test]
#[ignore = "writes gigabytes for tools/check_onnx.py, which calls it"]
fn write_every_network() {
    let folder = PathBuf::from(std::env::var_os("FASTAI_ONNX").expect("FASTAI_ONNX names a folder"));
    let only = std::env::var("FASTAI_ONNX_ARCH").ok();
    let device = Device::flex();
    let head = HeadSpec { hidden: vec![32], dropout: vec![0.25, 0.5] };
    for arch in ARCHS.iter().filter(|arch| only.as_ref().is_none_or(|only| only == arch.name)) {
        // No multiple of a stride, so that paddings differ on both sides.
        let side = (arch.min_size as usize).max(203);
        let network = Network::new(arch.name, &head, 5, 1, &device);
        let file = folder.join("body.safetensors");
        write_body(&network, "", &file);
        let network = models::load_body(network, &file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let images = noise_images("onnx", [IMAGES, 3, side, side], &device);
        let logits = values(network.forward(images.clone()));
        let path = |suffix: &str| folder.join(format!("{}{suffix}", arch.name));
        let write = |suffix: &str, numbers: &[f32]| {
            let width = numbers.len() / IMAGES;
            let mut rows = NpyRows::create(&path(suffix), width).unwrap();
            numbers.chunks(width).for_each(|row| rows.push(row).unwrap());
            rows.finish().unwrap();
        };
        write(".input.npy", &values(images));
        write(".logits.npy", &logits);
        let task = TaskKind::SingleLabel;
        let interface = ModelInterface { side, input: ModelInput::Normalised, task, metadata: Vec::new() };
        std::fs::write(path(".onnx"), onnx_model(&network, &interface).unwrap()).unwrap();
    }
}
