//! Devices: the request, the devices of this machine, and the choice among them at run time.

mod backend;
mod byte_upload;
mod doctor;
mod guard;
mod half;
mod kernels;
mod library;
mod reading;
mod remote;
mod request;
mod self_test;

use burn::tensor::Device;
use fastai_dsl::DeviceWish;

pub use backend::FoundDevice;
pub(crate) use byte_upload::{ByteUpload, takes_bytes};
pub use doctor::{Diagnosis, KindDiagnosis, TestedDevice};
pub(crate) use guard::{cause_in, guarded, guarded_on};
pub use half::HalfFloat;
pub use kernels::kernels_folder;
pub use library::Library;
pub(crate) use reading::{Readings, batches_per_reading, read};
pub use remote::{RemoteAddress, TOKEN as DEVICE_TOKEN};
#[cfg(feature = "remote")]
pub use remote::{ServeDeviceError, serve as serve_devices};
pub use request::{DeviceRequest, DeviceRequestError};
pub use self_test::self_test;

/// The most threads that a run may ask for.
#[doc(hidden)]
pub const MOST_THREADS: usize = 1024;

/// A device is not available or does not compute.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// This program contains no backend for the requested device.
    #[error(
        "this program is built without {}: build it with `--features {}`, or take `--device auto`",
        kind, kind.word()
    )]
    NotBuilt {
        /// The kind of the device.
        kind: DeviceKind,
    },
    /// The requested device is not available.
    #[error(
        "no device `{request}`: {reason}. `fastai doctor` lists what is missing; `--device auto` takes what there is"
    )]
    Missing {
        /// The request.
        request: DeviceRequest,
        /// The reason, e.g. a missing driver.
        reason: String,
    },
    /// A device of another machine cannot be used.
    #[error("no device at {address}: {reason}")]
    Unreachable {
        /// Where it was looked for.
        address: RemoteAddress,
        /// The reason, and what to do.
        reason: String,
    },
    /// The requested device exists and does not compute.
    #[error("{name} does not compute: {reason}. `fastai doctor` tests each device; `--device cpu` computes without it")]
    Broken {
        /// The device's name.
        name: String,
        /// The driver's reason.
        reason: String,
    },
    /// The device failed in the middle of the work.
    #[error("{name} failed: {reason}. {}", advice(reason))]
    Failed {
        /// The device's name.
        name: String,
        /// The driver's reason.
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
    /// A run asks for a number of threads that is out of range.
    #[error(
        "cannot compute on {threads} threads: give `RunOptions::threads` 1 to {}, or `None` for all cores",
        MOST_THREADS
    )]
    ThreadCount {
        /// The requested number of threads.
        threads: usize,
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

/// Whether tensors of `device` are computed by the CPU's own backend.
pub(crate) fn is_cpu(device: &Device) -> bool {
    device.clone().without_autodiff() == Device::flex()
}

/// Whether a driver's reason is that memory ran out. What burn's runtime calls never initialized is a result whose memory it could
/// not get, and of which it has lost the reason.
pub(crate) fn is_memory(reason: &str) -> bool {
    const MEMORY: [&str; 7] =
        ["out of memory", "outofmemory", "out_of_memory", "device memory", "allocat", "too large", "never initialized"];
    let reason = reason.to_lowercase();
    MEMORY.iter().any(|word| reason.contains(word))
}

/// What to do about a device that failed in the middle of the work.
fn advice(reason: &str) -> &'static str {
    if is_memory(reason) {
        "Its memory was probably too small: lower `batch` in `data` or `size` in `transforms`"
    } else {
        "If it fails again, `fastai doctor` tests the device and `--device cpu` computes without it"
    }
}

/// The kind of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// An NVIDIA GPU through CUDA.
    Cuda,
    /// A GPU of Apple through Metal.
    Metal,
    /// A GPU through Vulkan.
    Vulkan,
    /// A GPU through wgpu, which selects Vulkan, Metal or Direct3D 12.
    Wgpu,
    /// The CPU.
    Cpu,
    /// A device that another machine serves.
    Remote,
}

impl std::fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            DeviceKind::Cuda => "CUDA",
            DeviceKind::Metal => "Metal",
            DeviceKind::Vulkan => "Vulkan",
            DeviceKind::Wgpu => "wgpu",
            DeviceKind::Cpu => "CPU",
            DeviceKind::Remote => "remote devices",
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
    /// Why each kind of device that was tried first was rejected.
    pub rejected: Vec<String>,
}

impl Picked {
    fn new(found: FoundDevice, name: &str) -> Self {
        let FoundDevice { device, kind, index, .. } = found;
        let name = match (kind, index) {
            (DeviceKind::Cpu, _) => format!("CPU ({name})"),
            (kind, 0) => format!("{name} ({kind})"),
            (kind, index) => format!("{name} ({kind} {index})"),
        };
        Picked { device, kind, name, rejected: Vec::new() }
    }

    /// Calls `work`, which computes on the device. A failure of a GPU's driver, which burn reports as a panic, becomes an error.
    ///
    /// # Errors
    /// [`DeviceError::Failed`]
    pub fn guarded<T>(&self, work: impl FnOnce() -> T) -> Result<T, DeviceError> {
        guarded_on(&self.device, &self.name, work)
    }
}

/// Returns the device to run on, which has passed [`self_test`] unless it is the CPU.
///
/// [`DeviceWish::Auto`] selects CUDA, then Metal, Vulkan and wgpu, then the CPU; missing drivers and devices that do not
/// compute are not an error. Software graphics adapters are slower than the CPU, so they are used only on a request for
/// their kind with `FASTAI_SOFTWARE_GPU=1` in the environment.
///
/// # Errors
/// If the request names a device and that device is not available or does not compute.
pub fn pick(request: impl Into<DeviceRequest>) -> Result<Picked, DeviceError> {
    let request = request.into();
    let (wish, index) = match request {
        DeviceRequest::Local { wish, index } => (wish, index),
        DeviceRequest::Remote(address) => return connected(address),
    };
    let Some(kind) = DeviceKind::ALL.into_iter().find(|kind| kind.wish() == Some(wish)) else {
        return pick_auto();
    };
    if !kind.is_built() {
        return Err(DeviceError::NotBuilt { kind });
    }
    let software = std::env::var("FASTAI_SOFTWARE_GPU").is_ok_and(|value| value == "1");
    let found = first_of(kind, index.unwrap_or(0), software)
        .map_err(|reason| DeviceError::Missing { request: DeviceRequest::Local { wish, index }, reason })?;
    opened(found)
}

/// The first device that computes, in the order of [`DeviceKind::ALL`].
fn pick_auto() -> Result<Picked, DeviceError> {
    let (built, missing): (Vec<_>, Vec<_>) = DeviceKind::ALL.into_iter().partition(|kind| kind.is_built());
    let mut rejected = Vec::new();
    if !missing.is_empty() {
        let words: Vec<_> = missing.iter().map(|kind| kind.word()).collect();
        rejected.push(format!("built without {}", words.join(", ")));
    }
    for kind in built {
        match first_of(kind, 0, false).and_then(|found| opened(found).map_err(|error| error.to_string())) {
            Ok(picked) => return Ok(Picked { rejected, ..picked }),
            Err(reason) => rejected.push(reason),
        }
    }
    Err(DeviceError::Missing { request: DeviceWish::Auto.into(), reason: rejected.join("; ") })
}

/// Device number `index` of a kind; software adapters count only if they are allowed.
fn first_of(kind: DeviceKind, index: usize, software: bool) -> Result<FoundDevice, String> {
    let all = kind.devices()?;
    let usable: Vec<&FoundDevice> = all.iter().filter(|device| software || !device.software).collect();
    if let Some(found) = usable.get(index) {
        return Ok((*found).clone());
    }
    Err(match (usable.len(), all.len()) {
        (0, 0) => kind.absent().to_string(),
        (0, _) => format!(
            "only software graphics adapters for `{word}` (FASTAI_SOFTWARE_GPU=1 with `--device {word}` uses them)",
            word = kind.word()
        ),
        (1, _) => format!("this machine has one {kind} device, `{}:0`", kind.word()),
        (count, _) => {
            format!("this machine has {count} {kind} devices, `{word}:0` to `{word}:{}`", count - 1, word = kind.word())
        }
    })
}

impl DeviceKind {
    /// Why there is no device of this kind, as far as the program can tell.
    const fn absent(self) -> &'static str {
        match self {
            DeviceKind::Cuda => "no CUDA driver or no CUDA device",
            DeviceKind::Metal => "no Metal device",
            DeviceKind::Vulkan => "no Vulkan driver or no graphics adapter for it",
            DeviceKind::Wgpu => "no graphics adapter for wgpu",
            DeviceKind::Cpu => "no CPU",
            DeviceKind::Remote => "a device of another machine is asked for by its address, `remote:ws://host:port`",
        }
    }
}

/// Connects to a device of another machine and tests it.
#[cfg(feature = "remote")]
fn connected(address: RemoteAddress) -> Result<Picked, DeviceError> {
    let kind = DeviceKind::Remote;
    let name = format!("the device at {address}");
    match remote::connect(&address) {
        Err(reason) => Err(DeviceError::Unreachable { address, reason }),
        Ok(device) => match self_test(&device) {
            Err(reason) => Err(DeviceError::Broken { name, reason }),
            Ok(_) => Ok(Picked { device, kind, name, rejected: Vec::new() }),
        },
    }
}

#[cfg(not(feature = "remote"))]
fn connected(_: RemoteAddress) -> Result<Picked, DeviceError> {
    Err(DeviceError::NotBuilt { kind: DeviceKind::Remote })
}

/// Opens and tests a device.
fn opened(found: FoundDevice) -> Result<Picked, DeviceError> {
    let broken = |name: &str, reason| DeviceError::Broken { name: name.to_string(), reason };
    let name = found.name().map_err(|reason| broken(&format!("{} {}", found.kind, found.index), reason))?;
    if found.kind != DeviceKind::Cpu && self_test::is_wanted() {
        self_test(&found.device).map_err(|reason| broken(&name, reason))?;
    }
    Ok(Picked::new(found, &name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GPU: bool = cfg!(feature = "gpu");

    #[test]
    fn the_cpu_is_always_there() {
        let picked = pick(DeviceWish::Cpu).unwrap();
        assert_eq!(picked.kind, DeviceKind::Cpu);
        assert!(picked.rejected.is_empty());
    }

    #[test]
    fn auto_says_what_was_tried() {
        let picked = pick(DeviceWish::Auto).unwrap();
        if !GPU {
            assert_eq!(picked.kind, DeviceKind::Cpu);
            assert_eq!(picked.rejected, ["built without cuda, metal, vulkan, wgpu"]);
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_device_that_is_not_built_in_is_an_error_with_a_way_out() {
        let error = pick(DeviceWish::Cuda).unwrap_err().to_string();
        assert!(error.contains("built without CUDA") && error.contains("--features cuda"), "{error}");
    }

    #[cfg(not(feature = "remote"))]
    #[test]
    fn a_device_of_another_machine_needs_its_feature() {
        let error = pick("remote:ws://box:7600".parse::<DeviceRequest>().unwrap()).unwrap_err().to_string();
        assert!(error.contains("built without remote devices") && error.contains("--features remote"), "{error}");
    }

    #[test]
    fn a_number_beyond_the_devices_says_what_there_is() {
        let error = first_of(DeviceKind::Cpu, 3, false).unwrap_err();
        assert_eq!(error, "this machine has one CPU device, `cpu:0`");
    }

    #[test]
    fn failures_come_with_advice() {
        let failed = |reason: &str| DeviceError::Failed { name: "GPU".into(), reason: reason.into() }.to_string();
        assert!(failed("CUDA_ERROR_OUT_OF_MEMORY").contains("lower `batch`"));
        assert!(failed("device lost").contains("fastai doctor"));
    }
}
