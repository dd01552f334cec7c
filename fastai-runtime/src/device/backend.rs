//! The devices of this machine, one kind after another.

use burn::tensor::Device;
use fastai_dsl::DeviceWish;

use super::DeviceKind;

/// A device of this machine.
#[derive(Clone, Debug)]
pub struct FoundDevice {
    /// burn's device, without autodiff.
    pub device: Device,
    /// Its kind.
    pub kind: DeviceKind,
    /// Its number among the devices of its kind, from 0.
    pub index: usize,
    /// Whether it computes on the CPU through a graphics driver.
    pub software: bool,
}

impl FoundDevice {
    /// The word for `--device`, e.g. `cuda:0`.
    pub fn word(&self) -> String {
        match self.kind {
            DeviceKind::Cpu => self.kind.word().to_string(),
            kind => format!("{}:{}", kind.word(), self.index),
        }
    }

    /// The name that the device gives itself, e.g. `NVIDIA H100 PCIe`, or the number of the CPU's threads. This opens the device.
    ///
    /// # Errors
    /// The driver's reason if the device does not open.
    pub fn name(&self) -> Result<String, String> {
        #[cfg(feature = "gpu")]
        {
            if let Some(identity) = super::guard::guarded(|| self.device.identity())? {
                return Ok(identity.name);
            }
        }
        Ok(match rayon::current_num_threads() {
            1 => "1 thread".to_string(),
            threads => format!("{threads} threads"),
        })
    }
}

impl DeviceKind {
    /// The kinds of this machine's devices, in the order in which [`DeviceWish::Auto`] tries them.
    pub const ALL: [DeviceKind; 5] =
        [DeviceKind::Cuda, DeviceKind::Metal, DeviceKind::Vulkan, DeviceKind::Wgpu, DeviceKind::Cpu];

    /// The wish for a device of this kind; `None` for one that is named by its address.
    pub(super) fn wish(self) -> Option<DeviceWish> {
        match self {
            DeviceKind::Cuda => Some(DeviceWish::Cuda),
            DeviceKind::Metal => Some(DeviceWish::Metal),
            DeviceKind::Vulkan => Some(DeviceWish::Vulkan),
            DeviceKind::Wgpu => Some(DeviceWish::Wgpu),
            DeviceKind::Cpu => Some(DeviceWish::Cpu),
            DeviceKind::Remote => None,
        }
    }

    /// The word in a recipe and in `--device`.
    pub fn word(self) -> &'static str {
        self.wish().map_or("remote", DeviceWish::word)
    }

    /// Whether this program contains the kind's backend.
    pub const fn is_built(self) -> bool {
        match self {
            DeviceKind::Cuda => cfg!(feature = "cuda"),
            DeviceKind::Metal => cfg!(feature = "metal"),
            DeviceKind::Vulkan => cfg!(feature = "vulkan"),
            DeviceKind::Wgpu => cfg!(feature = "wgpu"),
            DeviceKind::Cpu => true,
            DeviceKind::Remote => cfg!(feature = "remote"),
        }
    }

    /// This machine's devices of this kind. Drivers that are not installed yield none.
    ///
    /// # Errors
    /// A program without the backend, or a driver that fails.
    pub fn devices(self) -> Result<Vec<FoundDevice>, String> {
        if !self.is_built() {
            return Err(format!("built without `{}`", self.word()));
        }
        let devices = match self {
            DeviceKind::Remote => Vec::new(),
            kind => enumerate(kind)?,
        };
        let found = devices.into_iter().enumerate();
        Ok(found
            .map(|(index, device)| FoundDevice { software: is_software(self, &device), device, kind: self, index })
            .collect())
    }
}

#[cfg(feature = "gpu")]
fn enumerate(kind: DeviceKind) -> Result<Vec<Device>, String> {
    use burn::tensor::DeviceType;
    super::kernels::keep();
    let list = match kind {
        #[cfg(feature = "cuda")]
        DeviceKind::Cuda => DeviceType::Cuda,
        #[cfg(feature = "metal")]
        DeviceKind::Metal => DeviceType::Metal,
        #[cfg(feature = "vulkan")]
        DeviceKind::Vulkan => DeviceType::Vulkan,
        #[cfg(feature = "wgpu")]
        DeviceKind::Wgpu => DeviceType::Wgpu,
        _ => return Ok(vec![Device::flex()]),
    };
    super::guard::guarded(|| Device::enumerate(list).into_vec())
        .map_err(|reason| format!("the driver failed when it listed its devices: {reason}"))
}

#[cfg(not(feature = "gpu"))]
fn enumerate(_: DeviceKind) -> Result<Vec<Device>, String> {
    Ok(vec![Device::flex()])
}

/// Whether a graphics adapter computes on the CPU.
fn is_software(kind: DeviceKind, device: &Device) -> bool {
    let graphics = matches!(kind, DeviceKind::Metal | DeviceKind::Vulkan | DeviceKind::Wgpu);
    // burn tells an adapter's type only in the debug text of its device.
    graphics && format!("{device:?}").contains("Cpu")
}
