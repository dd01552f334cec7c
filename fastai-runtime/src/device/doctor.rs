//! What this machine can compute on, and what is missing.

use std::time::Duration;

use fastai_dsl::DeviceWish;

use super::library::{self, Library};
use super::{DeviceError, DeviceKind, Picked, pick, self_test};

/// The devices and libraries of this machine.
#[derive(Debug)]
pub struct Diagnosis {
    /// Every kind of device, in the order in which `auto` tries them.
    pub kinds: Vec<KindDiagnosis>,
    /// The libraries that the kinds need.
    pub libraries: Vec<Library>,
    /// Total memory of this machine in bytes, if the system tells.
    pub memory: Option<u64>,
    /// The device that `auto` selects.
    pub chosen: Result<Picked, DeviceError>,
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
#[derive(Debug)]
pub struct TestedDevice {
    /// The name for `--device`, e.g. `cuda:0`.
    pub word: String,
    /// The name that the device gives itself.
    pub name: String,
    /// Whether it computes on the CPU through a graphics driver.
    pub software: bool,
    /// Bytes of its own memory, if the driver tells.
    pub memory: Option<u64>,
    /// The time of the self-test, or why it failed.
    pub test: Result<Duration, String>,
}

impl Diagnosis {
    /// Looks for devices and libraries and tests every device, which compiles kernels: a second per GPU.
    pub fn of_this_machine() -> Self {
        let kinds = DeviceKind::ALL.map(KindDiagnosis::new).into_iter().collect();
        Diagnosis {
            kinds,
            libraries: library::all(),
            memory: library::memory_of_this_machine(),
            chosen: pick(DeviceWish::Auto),
        }
    }
}

impl KindDiagnosis {
    fn new(kind: DeviceKind) -> Self {
        let memories = if kind == DeviceKind::Cuda { library::memories_of_cuda() } else { Vec::new() };
        let devices = kind.devices().and_then(|devices| {
            let tested = devices.into_iter().map(|found| {
                let name = found.name();
                TestedDevice {
                    word: match kind {
                        DeviceKind::Cpu => kind.word().to_string(),
                        _ => format!("{}:{}", kind.word(), found.index),
                    },
                    software: found.software,
                    memory: memories.get(found.index).copied(),
                    test: name.as_ref().map_err(String::clone).and_then(|_| self_test(&found.device)),
                    name: name.unwrap_or_else(|_| "device without a name".to_string()),
                }
            });
            let tested: Vec<_> = tested.collect();
            if tested.is_empty() { Err(kind.absent().to_string()) } else { Ok(tested) }
        });
        KindDiagnosis { kind, devices }
    }
}
