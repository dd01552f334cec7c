//! The types of numbers in files of tensors.

use std::io::{self, Read, Seek, SeekFrom};

use half::{bf16, f16};

/// Bytes read at a time, a multiple of every type's.
const CHUNK: usize = 1 << 16;

/// Type of a tensor's numbers in a file.
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

    /// Reads `count` numbers from byte `at` of `source` on, which has them.
    pub(crate) fn read(self, source: &mut (impl Read + Seek), at: u64, count: usize) -> io::Result<Vec<f32>> {
        source.seek(SeekFrom::Start(at))?;
        let mut left = count * self.size() as usize;
        let mut numbers = Vec::with_capacity(count);
        let mut chunk = vec![0; CHUNK.min(left)];
        while left > 0 {
            let part = &mut chunk[..left.min(CHUNK)];
            source.read_exact(part)?;
            self.decode(part, &mut numbers);
            left -= part.len();
        }
        Ok(numbers)
    }

    /// Appends the little-endian numbers in `bytes` to `out`.
    fn decode(self, bytes: &[u8], out: &mut Vec<f32>) {
        match self {
            Self::F64 => out.extend(bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32)),
            Self::F32 => out.extend(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))),
            Self::F16 => out.extend(bytes.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32())),
            Self::Bf16 => out.extend(bytes.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32())),
            Self::Integer(_) => {}
        }
    }
}
