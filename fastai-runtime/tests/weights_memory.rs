//! Loading weights takes the memory of the network and of one tensor, not of the file once more.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::Device;
use fastai_runtime::models::{Classifier, load_classifier};

/// A line of `/proc/self/status`, bytes.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// A ResNet-50 file of f32 in safetensors format, written without holding it; its size in bytes.
fn write_resnet50(path: &Path) -> u64 {
    let shapes = Classifier::new("resnet50", 0, &Device::flex()).shapes();
    let mut header = String::from("{");
    let mut end = 0;
    for (name, shape) in &shapes {
        let start = end;
        end += 4 * shape.iter().product::<usize>();
        header += &format!("\"{name}\":{{\"dtype\":\"F32\",\"shape\":{shape:?},\"data_offsets\":[{start},{end}]}},");
    }
    header.pop();
    header.push('}');
    let mut file = BufWriter::new(File::create(path).unwrap());
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    for number in 0..end / 4 {
        file.write_all(&(number as f32).to_le_bytes()).unwrap();
    }
    file.flush().unwrap();
    8 + (header.len() + end) as u64
}

/// Measures the file that `$FASTAI_MEASURE` names instead, if it is set.
#[test]
fn a_resnet50_loads_within_1_3_times_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let own = std::env::var_os("FASTAI_MEASURE").map(PathBuf::from);
    let path = own.unwrap_or_else(|| {
        let path = folder.path().join("resnet50.safetensors");
        write_resnet50(&path);
        path
    });
    let size = std::fs::metadata(&path).unwrap().len();
    let before = memory("VmRSS:");
    // The highest level of memory is counted from here on.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let start = Instant::now();
    let network = load_classifier(Classifier::new("resnet50", 0, &Device::flex()), &path).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let peak = memory("VmHWM:").saturating_sub(before);
    assert_eq!(network.shapes().len(), 267);
    println!(
        "{} bytes loaded in {seconds:.3} s, peak {peak} bytes, {:.3} of the file",
        size,
        peak as f64 / size as f64
    );
    assert!((peak as f64) < 1.3 * size as f64, "{peak} of {size}");
}
