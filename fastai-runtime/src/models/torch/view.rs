//! A tensor as a view of a storage: whether it is one, and reading it.

use std::io::{Read, Seek};

use super::element::Storage;
use super::{TensorEntry, TensorFileError};

/// Most numbers of a tensor: 2^31, 8 GiB as f32.
const MAX_COUNT: u64 = 1 << 31;
/// A view that is spread wider than this factor (and this many numbers) is not read: its span would take the memory.
const MAX_SPREAD: (u64, u64) = (16, 1 << 16);

/// What a pickle says of a tensor. Units are numbers, not bytes.
#[derive(Debug)]
pub(super) struct View {
    pub(super) storage: u32,
    /// The part of the storage that it may use.
    pub(super) start: u64,
    pub(super) length: u64,
    /// Where element 0 is in that part.
    pub(super) offset: u64,
    pub(super) shape: Vec<usize>,
    pub(super) stride: Vec<usize>,
}

impl View {
    /// The tensor's place in the file whose storage begins at byte `place`; an error if it is no part of the storage, or
    /// if elements lie on each other.
    pub(super) fn entry(&self, storage: &Storage, place: u64) -> Result<TensorEntry, TensorFileError> {
        let Self { shape, stride, offset, .. } = self;
        if shape.len() != stride.len() {
            return Err(TensorFileError::new(format!("damaged: {} sides but {} strides", shape.len(), stride.len())));
        }
        let count = shape.iter().try_fold(1_u64, |n, side| n.checked_mul(*side as u64));
        let count = count
            .filter(|n| *n <= MAX_COUNT)
            .ok_or_else(|| TensorFileError::new(format!("refused: a shape of {shape:?}")))?;
        let reaches = reach(shape, stride).and_then(|reach| reach.checked_add(*offset));
        let inside = reaches.is_some_and(|end| if count == 0 { *offset <= self.length } else { end < self.length });
        if !inside {
            return Err(TensorFileError::new(format!(
                "damaged: shape {shape:?} with strides {stride:?} from {offset} reaches beyond its storage of {} numbers",
                self.length
            )));
        }
        if overlaps(shape, stride) {
            return Err(TensorFileError::new(format!(
                "refused: with shape {shape:?} and strides {stride:?} its elements lie on each other; save a `.clone()` of it"
            )));
        }
        let number = self.start.checked_add(*offset);
        let at = number.and_then(|n| n.checked_mul(storage.element.size())).and_then(|n| n.checked_add(place));
        let at = at.ok_or_else(|| TensorFileError::new("damaged: an offset beyond all files"))?;
        Ok(TensorEntry { shape: shape.clone(), element: storage.element, stride: stride.clone(), at })
    }
}

impl TensorEntry {
    /// The numbers in row-major order.
    pub(super) fn read<R: Read + Seek>(&self, reader: &mut R) -> Result<Vec<f32>, TensorFileError> {
        // Checked when the entry was made.
        let count = self.shape.iter().product::<usize>();
        if count == 0 {
            return Ok(Vec::new());
        }
        // The storage lies within the file, so these numbers exist.
        let mut first = |count: usize| self.element.read(reader, self.at, count).map_err(TensorFileError::io);
        if contiguous(&self.shape, &self.stride) {
            return first(count);
        }
        let span = reach(&self.shape, &self.stride).unwrap_or(u64::MAX).saturating_add(1);
        if span > MAX_SPREAD.1.saturating_add(count as u64 * MAX_SPREAD.0) {
            return Err(TensorFileError::new(format!(
                "refused: its {count} numbers are spread over {span}; save a `.contiguous()` copy of it"
            )));
        }
        let numbers = first(span as usize)?;
        let mut out = Vec::with_capacity(count);
        let mut index = vec![0; self.shape.len()];
        let mut at = 0;
        for _ in 0..count {
            out.push(numbers[at]);
            // The next index in row-major order and its position.
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                at += self.stride[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                at -= self.stride[axis] * self.shape[axis];
                index[axis] = 0;
            }
        }
        Ok(out)
    }
}

/// Place of the last element, from element 0 on.
fn reach(shape: &[usize], stride: &[usize]) -> Option<u64> {
    shape.iter().zip(stride).try_fold(0_u64, |sum, (side, stride)| {
        let steps = side.saturating_sub(1) as u64;
        sum.checked_add(steps.checked_mul(*stride as u64)?)
    })
}

/// Whether two elements may have the same place: each stride must step over everything that the smaller ones reach.
fn overlaps(shape: &[usize], stride: &[usize]) -> bool {
    let mut axes: Vec<(usize, usize)> =
        stride.iter().copied().zip(shape.iter().copied()).filter(|(_, side)| *side > 1).collect();
    axes.sort_unstable();
    let mut reached = 0_u64;
    axes.iter().any(|(stride, side)| {
        let overlap = *stride as u64 <= reached;
        reached = reached.saturating_add((*stride as u64).saturating_mul(*side as u64 - 1));
        overlap
    })
}

fn contiguous(shape: &[usize], stride: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(stride).rev().all(|(side, stride)| {
        let fits = *side <= 1 || *stride == expected;
        expected *= (*side).max(1);
        fits
    })
}
