//! Memory that is used again and again: a pass takes buffers of the same sizes as the one before.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Free numbers that are kept at least, 128 MiB.
const LEAST_KEPT: usize = 32 << 20;

/// Free buffers, the oldest first, and how much is and was in use.
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

/// Numbers that go back to the shelf when they are dropped. What is kept there is bounded by what was ever in use at once.
#[derive(Debug)]
pub struct Buffer(Vec<f32>);

impl Buffer {
    /// `len` numbers of any value.
    pub fn new(len: usize) -> Self {
        let mut shelf = shelf();
        shelf.used += len;
        shelf.most_used = shelf.most_used.max(shelf.used);
        let fits = |buffer: &Vec<f32>| buffer.len() >= len && buffer.len() <= len + len / 4;
        let found = shelf.free.iter().enumerate().filter(|(_, b)| fits(b)).min_by_key(|(_, b)| b.len()).map(|(i, _)| i);
        let Some(found) = found else {
            drop(shelf);
            return Buffer(vec![0.0; len]);
        };
        let mut values = shelf.free.remove(found);
        shelf.free_numbers -= values.len();
        values.truncate(len);
        Buffer(values)
    }

    /// The numbers.
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// The numbers to write.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut clone = Self::new(self.0.len());
        clone.0.copy_from_slice(&self.0);
        clone
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut shelf = shelf();
        let values = std::mem::take(&mut self.0);
        shelf.used = shelf.used.saturating_sub(values.len());
        shelf.free_numbers += values.len();
        shelf.free.push(values);
        let limit = LEAST_KEPT.max(shelf.most_used / 4 * 5);
        while shelf.free_numbers > limit {
            let oldest = shelf.free.remove(0);
            shelf.free_numbers -= oldest.len();
        }
    }
}
