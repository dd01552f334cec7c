//! The 16-bit floats of a device.

use burn::backend::{Backend, DTypeUsage, Dispatch};
use burn::tensor::{Device, FloatDType};
use serde::{Deserialize, Serialize};

use super::Picked;

/// A 16-bit float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HalfFloat {
    /// bfloat16: the range of a 32-bit float, 8 bits of precision.
    Bf16,
    /// IEEE half precision: values from 6e-8 to 65,504, 11 bits of precision.
    F16,
}

impl HalfFloat {
    /// burn's type.
    pub fn dtype(self) -> FloatDType {
        match self {
            HalfFloat::Bf16 => FloatDType::BF16,
            HalfFloat::F16 => FloatDType::F16,
        }
    }

    /// The name, e.g. `bf16`.
    pub fn word(self) -> &'static str {
        match self {
            HalfFloat::Bf16 => "bf16",
            HalfFloat::F16 => "f16",
        }
    }

    /// Whether gradients leave its range, so that training scales the loss.
    pub(crate) fn overflows(self) -> bool {
        self == HalfFloat::F16
    }

    /// What a device multiplies matrices of in units for them, bf16 before f16.
    ///
    /// Elsewhere burn's direct convolution sums products in these floats, and the sums lose bits.
    fn of(device: &Device) -> Option<Self> {
        let usage = |half: &HalfFloat| Dispatch::dtype_usage(device.as_dispatch(), half.dtype().into());
        let needed = DTypeUsage::general() | DTypeUsage::Accelerated;
        [HalfFloat::Bf16, HalfFloat::F16].into_iter().find(|half| usage(half).is_superset(needed))
    }
}

/// The variable that makes any device compute in 16-bit floats: `bf16` or `f16`.
const SOFTWARE: &str = "FASTAI_SOFTWARE_HALF";

impl Picked {
    /// The 16-bit floats that make training faster on this device, if it has any.
    ///
    /// Other devices compute with them only with `FASTAI_SOFTWARE_HALF=bf16` or `f16` in the environment.
    pub fn half(&self) -> Option<HalfFloat> {
        match std::env::var(SOFTWARE) {
            Ok(wanted) => [HalfFloat::Bf16, HalfFloat::F16].into_iter().find(|half| half.word() == wanted),
            Err(_) => HalfFloat::of(&self.device),
        }
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
        assert!(cpu.device.supports_dtype(HalfFloat::Bf16.dtype()), "it emulates them");
    }
}
