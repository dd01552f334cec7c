//! Reads results from a device.

use burn::tensor::{Device, Tensor};

use super::{DeviceError, is_cpu};

/// Batches whose results are read from the device together.
///
/// Reading makes the program wait for a GPU, which then waits for its next batch; the CPU computes at once.
pub(crate) fn batches_per_reading(device: &Device) -> usize {
    if is_cpu(device) { 1 } else { 16 }
}

/// The values of a tensor, in row-major order.
///
/// # Errors
/// If the device does not return 32-bit floats.
pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, DeviceError> {
    let values = tensor.into_data().try_into_vec::<f32>();
    values.map_err(|e| DeviceError::Values(format!("{e:?}")))
}

/// Bytes of a pass's results that wait on a device before they are read: the logits of 16,000 images with 1,000 classes.
const MOST_WAITING: usize = 64 << 20;

/// When the results that wait on a device are read.
#[derive(Clone, Copy, Debug)]
enum ReadAt {
    /// When so many batches wait.
    Batches(usize),
    /// When so many bytes wait.
    Bytes(usize),
}

/// Results of batches, `[row, column]` each, that are read together.
#[derive(Debug)]
pub(crate) struct Readings {
    unread: Vec<Tensor<2>>,
    /// Bytes of those.
    waiting: usize,
    at: ReadAt,
}

impl Readings {
    /// Results of `device` that are written down as they come: they are read every few batches.
    pub(crate) fn of(device: &Device) -> Self {
        Self::when(ReadAt::Batches(batches_per_reading(device)))
    }

    /// Results of `device` that are used when its pass has ended: they are read then, or when 64 MiB wait. The CPU computes at
    /// once, so its results are taken as they come, and no second copy of them waits.
    pub(crate) fn of_pass(device: &Device) -> Self {
        Self::when(if is_cpu(device) { ReadAt::Batches(1) } else { ReadAt::Bytes(MOST_WAITING) })
    }

    fn when(at: ReadAt) -> Self {
        Readings { unread: Vec::new(), waiting: 0, at }
    }

    /// Adds the result of a batch. If it is time to read, returns the values of all that were not read, in row-major order.
    ///
    /// # Errors
    /// Those of [`read`].
    pub(crate) fn add(&mut self, rows: Tensor<2>) -> Result<Option<Vec<f32>>, DeviceError> {
        self.waiting += rows.dims().iter().product::<usize>() * size_of::<f32>();
        self.unread.push(rows);
        let is_time = match self.at {
            ReadAt::Batches(most) => self.unread.len() >= most,
            ReadAt::Bytes(most) => self.waiting >= most,
        };
        if is_time { self.rest().map(Some) } else { Ok(None) }
    }

    /// The values of all that were not read, in row-major order.
    ///
    /// # Errors
    /// Those of [`read`].
    pub(crate) fn rest(&mut self) -> Result<Vec<f32>, DeviceError> {
        let mut unread = std::mem::take(&mut self.unread);
        self.waiting = 0;
        match unread.len() {
            0 => Ok(Vec::new()),
            1 => read(unread.remove(0)),
            _ => read(Tensor::cat(unread, 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_in_order_and_none_is_lost() {
        let device = Device::flex();
        let rows = |from: f32| Tensor::<2>::from_data([[from, from + 1.0]], &device);
        // A batch has 8 bytes: 17 are reached with every third.
        for at in [ReadAt::Batches(3), ReadAt::Bytes(24), ReadAt::Bytes(17)] {
            let mut readings = Readings::when(at);
            let mut values = Vec::new();
            for batch in 0..7 {
                let read = readings.add(rows(2.0 * batch as f32)).unwrap();
                assert_eq!(read.is_some(), batch % 3 == 2, "{at:?}");
                values.extend(read.unwrap_or_default());
            }
            values.extend(readings.rest().unwrap());
            assert_eq!(values, (0..14).map(|x| x as f32).collect::<Vec<_>>(), "{at:?}");
            assert!(readings.rest().unwrap().is_empty());
        }
        for mut readings in [Readings::of(&device), Readings::of_pass(&device)] {
            assert!(readings.add(rows(0.0)).unwrap().is_some(), "the CPU waits for nothing");
        }
    }

    #[test]
    fn a_pass_over_an_ordinary_set_is_read_once_and_a_large_one_within_bounds() {
        let device = Device::flex();
        // Batches of 64 images and the last one of 17, with 10 classes.
        let mut readings = Readings::when(ReadAt::Bytes(MOST_WAITING));
        for rows in [64usize; 40].into_iter().chain([17]) {
            assert_eq!(readings.add(Tensor::ones([rows, 10], &device)).unwrap(), None);
        }
        assert_eq!(readings.rest().unwrap().len(), (40 * 64 + 17) * 10);
        // 1,024 rows of 4,096 columns are 16 MiB.
        let read: Vec<usize> = (0..9)
            .map(|_| readings.add(Tensor::ones([1024, 4096], &device)).unwrap().map_or(0, |values| values.len() >> 20))
            .collect();
        assert_eq!(read, [0, 0, 0, 16, 0, 0, 0, 16, 0]);
    }
}
