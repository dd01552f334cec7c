//! Memory of maps, used again and again: a pass takes buffers of the same sizes as the one before.

use std::sync::{Arc, Mutex, PoisonError};

use fastai_kernels::{Map, MapMut, MapShape};

/// Free buffers, the oldest first, and how much is and was in use.
#[derive(Debug, Default)]
struct Shelf {
    free: Vec<Vec<f32>>,
    free_numbers: usize,
    used: usize,
    most_used: usize,
}

static SHELF: Mutex<Shelf> = Mutex::new(Shelf { free: Vec::new(), free_numbers: 0, used: 0, most_used: 0 });

fn shelf() -> std::sync::MutexGuard<'static, Shelf> {
    // A panic elsewhere leaves the shelf whole: it is changed by pushes and removals only.
    SHELF.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Numbers that go back to the shelf when they are dropped. No more is kept there than was ever in use at once.
#[derive(Debug)]
pub(super) struct Buffer(Vec<f32>);

impl Buffer {
    /// `len` numbers of any value.
    pub(super) fn new(len: usize) -> Self {
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

    pub(super) fn values(&self) -> &[f32] {
        &self.0
    }

    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut shelf = shelf();
        let values = std::mem::take(&mut self.0);
        shelf.used = shelf.used.saturating_sub(values.len());
        shelf.free_numbers += values.len();
        shelf.free.push(values);
        while shelf.free_numbers > shelf.most_used {
            let oldest = shelf.free.remove(0);
            shelf.free_numbers -= oldest.len();
        }
    }
}

/// A map in a buffer, which may hold more channels than the map's. Clones share the buffer.
#[derive(Clone, Debug)]
pub(super) struct Value {
    buffer: Arc<Buffer>,
    shape: MapShape,
    first: usize,
    step: usize,
}

impl Value {
    /// A dense map of any values.
    pub(super) fn new(shape: MapShape) -> Self {
        let buffer = Arc::new(Buffer::new(shape.numbers()));
        Self { buffer, shape, first: 0, step: shape.channels }
    }

    pub(super) fn shape(&self) -> MapShape {
        self.shape
    }

    pub(super) fn map(&self) -> Map<'_> {
        Map::part(&self.buffer.values()[self.first..], self.shape, self.step)
    }

    /// The channels from `first` on.
    pub(super) fn channels(&self, first: usize, channels: usize) -> Self {
        assert!(first + channels <= self.shape.channels);
        let shape = self.shape.with_channels(channels);
        Self { buffer: self.buffer.clone(), shape, first: self.first + first, step: self.step }
    }

    /// The map to write, unless somebody else reads the buffer.
    pub(super) fn map_mut(&mut self) -> Option<MapMut<'_>> {
        let buffer = Arc::get_mut(&mut self.buffer)?;
        Some(MapMut::part(&mut buffer.values_mut()[self.first..], self.shape, self.step))
    }

    /// The map to write. A buffer that others read is copied before.
    pub(super) fn make_mut(&mut self) -> MapMut<'_> {
        if Arc::get_mut(&mut self.buffer).is_none() {
            let mut copy = Value::new(self.shape);
            fastai_kernels::layout::copy(self.map(), &mut copy.fresh());
            *self = copy;
        }
        self.fresh()
    }

    /// The map of a buffer that nobody else has seen yet.
    ///
    /// # Panics
    /// If somebody has.
    pub(super) fn fresh(&mut self) -> MapMut<'_> {
        self.map_mut().expect("a buffer of its own")
    }
}
