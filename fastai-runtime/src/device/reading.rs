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

/// Results of batches, `[row, column]` each, that are read together.
#[derive(Debug)]
pub(crate) struct Readings {
    unread: Vec<Tensor<2>>,
    most: usize,
}

impl Readings {
    /// Results of `device`.
    pub(crate) fn of(device: &Device) -> Self {
        Readings { unread: Vec::new(), most: batches_per_reading(device) }
    }

    /// Adds the result of a batch. If it is time to read, returns the values of all that were not read, in row-major order.
    ///
    /// # Errors
    /// Those of [`read`].
    pub(crate) fn add(&mut self, rows: Tensor<2>) -> Result<Option<Vec<f32>>, DeviceError> {
        self.unread.push(rows);
        if self.unread.len() < self.most { Ok(None) } else { self.rest().map(Some) }
    }

    /// The values of all that were not read, in row-major order.
    ///
    /// # Errors
    /// Those of [`read`].
    pub(crate) fn rest(&mut self) -> Result<Vec<f32>, DeviceError> {
        let mut unread = std::mem::take(&mut self.unread);
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
        let mut readings = Readings { unread: Vec::new(), most: 3 };
        let mut values = Vec::new();
        for batch in 0..7 {
            let read = readings.add(rows(2.0 * batch as f32)).unwrap();
            assert_eq!(read.is_some(), batch % 3 == 2);
            values.extend(read.unwrap_or_default());
        }
        values.extend(readings.rest().unwrap());
        assert_eq!(values, (0..14).map(|x| x as f32).collect::<Vec<_>>());
        assert!(readings.rest().unwrap().is_empty());
        assert!(Readings::of(&device).add(rows(0.0)).unwrap().is_some(), "the CPU waits for nothing");
    }
}
