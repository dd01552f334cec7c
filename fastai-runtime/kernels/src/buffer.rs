//! Memory that is used again and again: a pass takes buffers of the same sizes as the one before.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Numbers, free and in use, that the shelf may hold in any case, 512 MiB: evaluation of a batch needs no new memory then.
const LEAST_KEPT: usize = 128 << 20;

/// Free buffers, the oldest first, and how many numbers are and were in use.
#[derive(Debug, Default)]
struct Shelf {
    free: Vec<Vec<f32>>,
    free_numbers: usize,
    used: usize,
    most_used: usize,
}

static SHELF: Mutex<Shelf> = Mutex::new(Shelf { free: Vec::new(), free_numbers: 0, used: 0, most_used: 0 });

fn shelf() -> MutexGuard<'static, Shelf> {
    // A panic elsewhere leaves the shelf whole: it is changed by pushes and removals only.
    SHELF.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shelf {
    /// The smallest free buffer for `len` numbers that wastes at most a quarter of them.
    fn take(&mut self, len: usize) -> Option<Vec<f32>> {
        let fits = |buffer: &Vec<f32>| buffer.len() >= len && buffer.len() <= len + len / 4;
        let found = self.free.iter().enumerate().filter(|(_, b)| fits(b)).min_by_key(|(_, b)| b.len())?.0;
        let values = self.free.remove(found);
        self.free_numbers -= values.len();
        Some(values)
    }

    /// Counts `len` more numbers as used. Returns the oldest free buffers for which there is no room beside them.
    ///
    /// Buffers take at most five quarters of the memory that was once in use at the same time: new memory costs more time
    /// than a kernel takes to fill it, and without a reserve every step needs some, as it wants other sizes at its end than
    /// at its begin.
    fn count(&mut self, len: usize) -> Vec<Vec<f32>> {
        self.used += len;
        self.most_used = self.most_used.max(self.used);
        let room = LEAST_KEPT.max(self.most_used / 4 * 5) - self.used;
        let mut dropped = Vec::new();
        while self.free_numbers > room {
            let oldest = self.free.remove(0);
            self.free_numbers -= oldest.len();
            dropped.push(oldest);
        }
        dropped
    }
}

/// Numbers that go back to the shelf when they are dropped.
#[derive(Debug)]
pub struct Buffer {
    values: Vec<f32>,
    len: usize,
}

impl Buffer {
    /// `len` numbers of any value.
    pub fn new(len: usize) -> Self {
        let mut shelf = shelf();
        let found = shelf.take(len);
        let dropped = shelf.count(found.as_ref().map_or(len, Vec::len));
        drop(shelf);
        drop(dropped);
        Buffer { values: found.unwrap_or_else(|| vec![0.0; len]), len }
    }

    /// The numbers.
    pub fn values(&self) -> &[f32] {
        &self.values[..self.len]
    }

    /// The numbers to write.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values[..self.len]
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut clone = Self::new(self.len);
        clone.values_mut().copy_from_slice(self.values());
        clone
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut shelf = shelf();
        let values = std::mem::take(&mut self.values);
        shelf.used -= values.len();
        shelf.free_numbers += values.len();
        shelf.free.push(values);
    }
}
