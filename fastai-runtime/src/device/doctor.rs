//! What this machine can compute on, and what is missing.

use fastai_data::memory::MemoryLimit;
use serde::{Deserialize, Serialize};

use super::library::{self, Library};
use super::{DeviceKind, FoundDevice, self_test};

/// The devices and libraries of this machine.
#[derive(Debug)]
pub struct Diagnosis {
    /// Every kind of device, in the order in which `auto` tries them.
    pub kinds: Vec<KindDiagnosis>,
    /// The libraries that the kinds need.
    pub libraries: Vec<Library>,
    /// What this program may have of the machine's memory, if the system tells.
    pub memory: Option<MemoryLimit>,
}

/// The devices of one kind.
#[derive(Debug)]
pub struct KindDiagnosis {
    /// The kind.
    pub kind: DeviceKind,
    /// Its devices, or why there are none.
    pub devices: Result<Vec<TestedDevice>, String>,
}

/// A device after its test.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TestedDevice {
    /// The name for `--device`, e.g. `cuda:0`.
    pub word: String,
    /// The name that the device gives itself.
    pub name: String,
    /// Whether it computes on the CPU through a graphics driver.
    pub software: bool,
    /// Bytes of its own memory, if the driver tells.
    pub memory: Option<u64>,
    /// Seconds of the self-test, or why it failed.
    pub test: Result<f64, String>,
}

impl Diagnosis {
    /// Looks for devices and libraries; `test` opens and tests each GPU, usually in a process of its own, because broken
    /// drivers crash.
    pub fn of_this_machine(test: &dyn Fn(&FoundDevice) -> TestedDevice) -> Self {
        let kinds = DeviceKind::ALL.map(|kind| KindDiagnosis::new(kind, test)).into_iter().collect();
        Diagnosis { kinds, libraries: library::all(), memory: MemoryLimit::of_this_process() }
    }

    /// The device that `auto` takes: the first that computes and is no software adapter.
    pub fn chosen(&self) -> Option<&TestedDevice> {
        let all = self.kinds.iter().filter_map(|kind| kind.devices.as_ref().ok());
        all.flatten().find(|device| device.test.is_ok() && !device.software)
    }
}

impl KindDiagnosis {
    fn new(kind: DeviceKind, test: &dyn Fn(&FoundDevice) -> TestedDevice) -> Self {
        let memories = if kind == DeviceKind::Cuda { library::memories_of_cuda() } else { Vec::new() };
        let devices = kind.devices().and_then(|devices| {
            let tested = devices.iter().map(|found| match kind {
                DeviceKind::Cpu => TestedDevice::of(found),
                _ => TestedDevice { memory: memories.get(found.index).copied(), ..test(found) },
            });
            let tested: Vec<_> = tested.collect();
            if tested.is_empty() { Err(kind.absent().to_string()) } else { Ok(tested) }
        });
        KindDiagnosis { kind, devices }
    }
}

impl TestedDevice {
    /// Opens and tests a device in this process.
    pub fn of(found: &FoundDevice) -> Self {
        let name = found.name();
        let test = name.as_ref().map_err(String::clone).and_then(|_| self_test(&found.device));
        TestedDevice {
            name: name.unwrap_or_else(|_| "a device that does not open".to_string()),
            test: test.map(|time| time.as_secs_f64()),
            ..TestedDevice::untested(found, String::new())
        }
    }

    /// A device whose test ended without a result.
    pub fn untested(found: &FoundDevice, reason: String) -> Self {
        let name = "a device that does not open".to_string();
        TestedDevice { word: found.word(), name, software: found.software, memory: None, test: Err(reason) }
    }
}
