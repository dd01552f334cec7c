//! The 16-bit floats of a device.

use burn::tensor::{Device, FloatDType};
use serde::{Deserialize, Serialize};

use super::{DeviceKind, Picked};

/// A 16-bit float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HalfFloat {
    /// bfloat16: the range of a 32-bit float, 8 bits of precision.
    Bf16,
}

impl HalfFloat {
    /// burn's type.
    pub fn dtype(self) -> FloatDType {
        match self {
            HalfFloat::Bf16 => FloatDType::BF16,
        }
    }

    /// The name, e.g. `bf16`.
    pub fn word(self) -> &'static str {
        match self {
            HalfFloat::Bf16 => "bf16",
        }
    }

    /// What a device computes with, in software or not.
    pub(crate) fn of(device: &Device) -> Option<Self> {
        device.supports_dtype(HalfFloat::Bf16.dtype()).then_some(HalfFloat::Bf16)
    }
}

impl Picked {
    /// The 16-bit floats that make training faster on this device, if it has any.
    ///
    /// The CPU emulates them, which is slower than 32-bit floats, so it has them only with `FASTAI_SOFTWARE_HALF=1` in the
    /// environment.
    pub fn half(&self) -> Option<HalfFloat> {
        let emulates = std::env::var("FASTAI_SOFTWARE_HALF").is_ok_and(|value| value == "1");
        if self.kind == DeviceKind::Cpu && !emulates { None } else { HalfFloat::of(&self.device) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::pick;

    #[test]
    fn the_cpu_has_them_on_request_only() {
        let cpu = pick(fastai_dsl::DeviceWish::Cpu).unwrap();
        assert_eq!(cpu.half(), None);
        assert_eq!(HalfFloat::of(&cpu.device), Some(HalfFloat::Bf16));
    }
}
