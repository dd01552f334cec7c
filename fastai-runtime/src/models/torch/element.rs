//! Storages and the types of their numbers.

use half::{bf16, f16};

/// A block of numbers in the file.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) key: Box<str>,
    pub(super) element: NumberType,
    /// How many.
    pub(super) length: u64,
}

/// Type of a storage's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberType {
    /// 64-bit float; rounded when read.
    F64,
    /// 32-bit float.
    F32,
    /// IEEE half.
    F16,
    /// bfloat16.
    Bf16,
    /// An integer or boolean of this many bytes, which is never read.
    Integer(u8),
}

impl NumberType {
    /// The type of one of torch's storage classes.
    pub(super) fn of_storage(class: &str) -> Option<Self> {
        Some(match class {
            "DoubleStorage" => Self::F64,
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::Bf16,
            "LongStorage" => Self::Integer(8),
            "IntStorage" => Self::Integer(4),
            "ShortStorage" => Self::Integer(2),
            "CharStorage" | "ByteStorage" | "BoolStorage" => Self::Integer(1),
            _ => return None,
        })
    }

    /// Bytes of a number.
    pub(crate) fn size(self) -> u64 {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Integer(size) => u64::from(size),
        }
    }

    /// Whether it holds weights.
    pub(crate) fn is_float(self) -> bool {
        !matches!(self, Self::Integer(_))
    }

    /// Appends the little-endian numbers in `bytes` to `out`; integers are not read. A rest shorter than a number is
    /// left out.
    pub(crate) fn decode(self, bytes: &[u8], out: &mut Vec<f32>) {
        match self {
            Self::F64 => out.extend(bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32)),
            Self::F32 => out.extend(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))),
            Self::F16 => out.extend(bytes.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32())),
            Self::Bf16 => out.extend(bytes.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32())),
            Self::Integer(_) => {}
        }
    }
}
