//! Selects the device at run time.

use burn::tensor::{Device, Tensor};
use fastai_dsl::DeviceWish;

use crate::RunError;

/// A device is not available or does not compute.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The requested device is not available.
    #[error(
        "no {kind} device: {reason}. Build with `--features gpu` on a machine that has one, or take `device: auto`"
    )]
    Missing {
        /// The kind of the device.
        kind: DeviceKind,
        /// The reason, e.g. a missing driver.
        reason: String,
    },
    /// The CPU's thread pool could not be started.
    #[error("cannot compute on {threads} threads: {reason}")]
    Threads {
        /// The requested number of threads.
        threads: usize,
        /// The error of the thread pool.
        reason: rayon::ThreadPoolBuildError,
    },
    /// The device returned values that are not 32-bit floats.
    #[error("the device returned values that are not 32-bit floats: {0}")]
    Values(String),
}

/// Limits all CPU work of this process to `threads` threads (at least 1) instead of one per core.
///
/// Call this function before any other function of the engine.
///
/// # Errors
/// If the thread pool already exists, or if the system cannot start the threads.
pub fn limit_threads(threads: usize) -> Result<(), DeviceError> {
    let built = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build_global();
    built.map_err(|reason| DeviceError::Threads { threads, reason })
}

/// The values of a tensor, in row-major order.
///
/// # Errors
/// If the device does not return 32-bit floats.
pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, RunError> {
    let values = tensor.into_data().try_into_vec::<f32>();
    values.map_err(|e| DeviceError::Values(format!("{e:?}")).into())
}

/// The kind of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// An NVIDIA GPU through CUDA.
    Cuda,
    /// A GPU through wgpu: Vulkan, Metal or Direct3D 12.
    Wgpu,
    /// The CPU.
    Cpu,
}

impl std::fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            DeviceKind::Cuda => "CUDA",
            DeviceKind::Wgpu => "wgpu",
            DeviceKind::Cpu => "CPU",
        })
    }
}

/// A selected device and the reason for the selection.
#[derive(Clone, Debug)]
pub struct Picked {
    /// burn's device, without autodiff.
    pub device: Device,
    /// Its kind.
    pub kind: DeviceKind,
    /// A name to display.
    pub name: String,
    /// The devices tried first and why each was rejected; empty if there were none.
    pub reason: String,
}

/// Returns the device to run on.
///
/// [`DeviceWish::Auto`] selects CUDA, then a GPU through wgpu, then the CPU; missing drivers are not an error. Software graphics
/// adapters are slower than the CPU, so they are used only for [`DeviceWish::Wgpu`] with `FASTAI_SOFTWARE_GPU=1` in the
/// environment.
///
/// # Errors
/// If the wish names a device and that device is not available.
pub fn pick(wish: DeviceWish) -> Result<Picked, DeviceError> {
    let cpu = |reason: String| Picked {
        device: Device::flex(),
        kind: DeviceKind::Cpu,
        name: format!("CPU ({} threads)", rayon::current_num_threads()),
        reason,
    };
    match wish {
        DeviceWish::Cpu => Ok(cpu(String::new())),
        DeviceWish::Cuda => cuda().map_err(|reason| DeviceError::Missing { kind: DeviceKind::Cuda, reason }),
        DeviceWish::Wgpu => {
            let software = std::env::var("FASTAI_SOFTWARE_GPU").is_ok_and(|v| v == "1");
            wgpu(software).map_err(|reason| DeviceError::Missing { kind: DeviceKind::Wgpu, reason })
        }
        DeviceWish::Auto => {
            let no_cuda = match cuda() {
                Ok(picked) => return Ok(picked),
                Err(why) => why,
            };
            match wgpu(false) {
                Ok(picked) => Ok(Picked { reason: no_cuda, ..picked }),
                Err(no_wgpu) => Ok(cpu(format!("{no_cuda}; {no_wgpu}"))),
            }
        }
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Result<Picked, String> {
    Err("built without `cuda`".into())
}

#[cfg(feature = "cuda")]
fn cuda() -> Result<Picked, String> {
    use burn::tensor::DeviceType;
    let found = probe(|| Device::enumerate(DeviceType::Cuda).into_iter().next())?;
    let device = found.ok_or("no CUDA driver or no CUDA device")?;
    Ok(Picked { name: name(&device, "CUDA GPU"), device, kind: DeviceKind::Cuda, reason: String::new() })
}

#[cfg(not(any(feature = "wgpu", feature = "vulkan")))]
fn wgpu(_software: bool) -> Result<Picked, String> {
    Err("built without `wgpu`".into())
}

#[cfg(any(feature = "wgpu", feature = "vulkan"))]
fn wgpu(software: bool) -> Result<Picked, String> {
    use burn::tensor::DeviceType;
    let mut types = Vec::new();
    // Where the adapter supports it, burn's Vulkan compiler is faster.
    #[cfg(feature = "vulkan")]
    types.push(DeviceType::Vulkan);
    #[cfg(feature = "wgpu")]
    types.push(DeviceType::Wgpu);
    let mut passed_over = 0;
    for kind in types {
        for device in probe(move || Device::enumerate(kind))? {
            if software || !is_software(&device) {
                return Ok(Picked {
                    name: name(&device, "GPU through wgpu"),
                    device,
                    kind: DeviceKind::Wgpu,
                    reason: String::new(),
                });
            }
            passed_over += 1;
        }
    }
    Err(match passed_over {
        0 => "no graphics adapter for `wgpu`".into(),
        _ => "only software graphics adapters for `wgpu` (FASTAI_SOFTWARE_GPU=1 with `device: wgpu` uses them)".into(),
    })
}

/// Runs a probe; a driver that panics counts as missing.
#[cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan"))]
fn probe<T>(find: impl FnOnce() -> T + std::panic::UnwindSafe) -> Result<T, String> {
    std::panic::catch_unwind(find).map_err(|_| "the driver failed when it was asked for its devices".into())
}

/// The device's name, after a general one.
#[cfg(any(feature = "cuda", feature = "wgpu", feature = "vulkan"))]
fn name(device: &Device, general: &str) -> String {
    format!("{general} ({device:?})")
}

/// Returns whether an adapter computes on the CPU.
#[cfg(any(feature = "wgpu", feature = "vulkan"))]
fn is_software(device: &Device) -> bool {
    // burn exposes the adapter's kind only through the debug text of the device.
    format!("{device:?}").contains("Cpu")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_there() {
        let picked = pick(DeviceWish::Cpu).unwrap();
        assert_eq!(picked.kind, DeviceKind::Cpu);
        assert!(picked.reason.is_empty());
    }

    #[test]
    fn auto_says_what_was_tried() {
        let picked = pick(DeviceWish::Auto).unwrap();
        if cfg!(not(any(feature = "cuda", feature = "wgpu", feature = "vulkan"))) {
            assert_eq!(picked.kind, DeviceKind::Cpu);
            assert_eq!(picked.reason, "built without `cuda`; built without `wgpu`");
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_forced_device_that_is_missing_is_an_error_with_a_way_out() {
        let error = pick(DeviceWish::Cuda).unwrap_err().to_string();
        assert!(error.contains("built without `cuda`") && error.contains("--features gpu"), "{error}");
    }
}
