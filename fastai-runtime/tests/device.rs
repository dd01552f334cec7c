//! The device under test: the CPU, unless `FASTAI_TEST_DEVICE` names another (`tools/conformance.sh` does); and its
//! results against the numbers of a reference.

use std::io::Write;
use std::sync::LazyLock;

use burn::tensor::Device;
use fastai_dsl::DeviceWish;
use fastai_runtime::device::{DeviceKind, DeviceRequest, Picked, pick};

/// The request for the device under test.
pub fn request() -> DeviceRequest {
    std::env::var("FASTAI_TEST_DEVICE").map_or(DeviceWish::Cpu.into(), |word| {
        word.parse().unwrap_or_else(|expected| panic!("FASTAI_TEST_DEVICE={word}: {expected}"))
    })
}

static PICKED: LazyLock<Picked> = LazyLock::new(|| pick(request()).unwrap_or_else(|error| panic!("{error}")));

/// The device under test, without autodiff.
pub fn under_test() -> Device {
    PICKED.device.clone()
}

/// The bound for the device under test, where the CPU's is `bound`.
///
/// GPUs sum in other orders, and their drivers may multiply matrices with fewer bits: CUDA's TF32 keeps 10 of 23.
pub fn bound(bound: f64) -> f64 {
    bound
        * match PICKED.kind {
            DeviceKind::Cpu => 1.0,
            DeviceKind::Cuda => 20.0,
            _ => 5.0,
        }
}

/// Holds `error` to the device's [`bound`] and appends both to the file that `FASTAI_TEST_RECORD` names.
pub fn within(error: f64, bound_of_cpu: f64, what: &str) -> Result<(), String> {
    let bound = bound(bound_of_cpu);
    if let Some(path) = std::env::var_os("FASTAI_TEST_RECORD") {
        let mut file = std::fs::File::options().append(true).create(true).open(path).unwrap();
        let line = serde_json::json!({ "case": what, "error": error, "bound": bound });
        writeln!(file, "{line}").unwrap();
    }
    // NaN is not within.
    if error <= bound { Ok(()) } else { Err(format!("{what}: the error {error:.1e} is above {bound:.1e}")) }
}

/// Holds the largest difference, as a share of the largest value wanted, to the device's [`bound`].
pub fn close(got: &[f32], want: &[f32], bound_of_cpu: f64, what: &str) -> Result<(), String> {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    assert!(largest > 0.0, "{what}: nothing to compare with");
    within(f64::from(worst(got, want) / largest), bound_of_cpu, what)
}

/// The largest difference; NaN if a value is.
pub fn worst(got: &[f32], want: &[f32]) -> f32 {
    assert_eq!(got.len(), want.len());
    let differences = got.iter().zip(want).map(|(got, want)| (got - want).abs());
    differences.fold(0.0, |worst, difference| if difference <= worst { worst } else { difference })
}
