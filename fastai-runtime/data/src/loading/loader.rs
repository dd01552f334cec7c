//! Loads images in batches; worker threads decode ahead.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::cache::DecodedCache;
use super::copies::Reading;
use super::seen_files::SeenFiles;
use crate::panics;
use crate::transforms::{InputValue, Picture};
use crate::{DataError, DecodeError, Demand, Finding, Item};

/// Converts a decoded image into values. The arguments are the visit, the pixels, and the destination.
///
/// Worker threads call the function in any order, so its random draws must depend on the visit alone. The destination is
/// zeroed and holds [`LoadJob::values_per_image`] values.
pub type LoadFn<V = f32> = dyn Fn(Visit, &Picture, &mut [V]) + Send + Sync;

/// An image's turn in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Index of the item.
    pub index: usize,
    /// How often the item occurs earlier in the order.
    pub repeat: u32,
}

/// The work of a [`Loader`].
#[derive(Clone)]
pub struct LoadJob<V = f32> {
    /// The images that indices refer to.
    pub items: Arc<[Item]>,
    /// Indices into `items`, in loading order; an index may occur more than once.
    pub order: Vec<usize>,
    /// Each batch as a range of `order`.
    pub batches: Vec<Range<usize>>,
    /// Values per image, `3 * size * size`.
    pub values_per_image: usize,
    /// Computes the values of an image.
    pub load: Arc<LoadFn<V>>,
    /// Worker threads; 0 counts as 1.
    pub threads: usize,
    /// Where the pixels come from.
    pub reading: Reading,
    /// What the files must still contain.
    pub seen: SeenFiles,
    /// How the images are decoded.
    pub demand: Demand,
    /// The cache of decoded images across epochs.
    pub cache: Option<Arc<DecodedCache>>,
}

/// A batch from the loader.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedBatch<V = f32> {
    /// Indices of the items, in batch order.
    pub indices: Vec<usize>,
    /// Their values, concatenated: `[batch, values_per_image]`, e.g. `[batch, channel, height, width]`.
    pub pixels: Vec<V>,
    /// The images that could not be loaded, in batch order. Their values are zeros.
    pub broken: Vec<BrokenImage>,
}

/// An image that could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenImage {
    /// Position in the batch.
    pub place: usize,
    /// Why it could not.
    pub reason: DecodeError,
}

impl<V> LoadedBatch<V> {
    /// The batch, if every image was loaded.
    ///
    /// # Errors
    /// All broken images of the batch, with their paths in `items`.
    pub fn whole(self, items: &[Item]) -> Result<Self, DataError> {
        if self.broken.is_empty() {
            return Ok(self);
        }
        let finding =
            |image: &BrokenImage| Finding::broken_image(&items[self.indices[image.place]].path, &image.reason);
        Err(DataError::from(self.broken.iter().map(finding).collect::<Vec<_>>()))
    }

    /// Removes the broken images from the batch and returns the index and the reason of each.
    pub fn take_broken(&mut self) -> Vec<(usize, DecodeError)> {
        let values_per_image = self.pixels.len() / self.indices.len().max(1);
        let broken = std::mem::take(&mut self.broken);
        let remove = |image: BrokenImage| {
            let start = image.place * values_per_image;
            self.pixels.drain(start..start + values_per_image);
            (self.indices.remove(image.place), image.reason)
        };
        // From the end, so that the places of the others stay valid.
        let mut removed: Vec<_> = broken.into_iter().rev().map(remove).collect();
        removed.reverse();
        removed
    }
}

/// Yields the batches of a [`LoadJob`] in order. The batches do not depend on the number of threads.
///
/// One complete batch waits ahead of the consumer, and as many further batches are being filled as give each worker an
/// image: two batches in all if a batch has at least as many images as there are workers, otherwise at most
/// `2 * batch + workers` images. That, and one image per worker, is in memory. Dropping the loader stops its workers and
/// waits for them.
pub struct Loader<V = f32> {
    shared: Arc<Shared<V>>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared<V> {
    job: LoadJob<V>,
    /// Batches that workers may start beyond those taken.
    ahead: usize,
    /// For each position of the order, how often its item occurs earlier; empty if every item occurs at most once.
    repeats: Vec<u32>,
    state: Mutex<Queue<V>>,
    /// Signals a complete batch.
    complete: Condvar,
    /// Signals room for a further batch, or the end of the work.
    room: Condvar,
}

struct Queue<V> {
    /// Batches taken by the consumer.
    taken: usize,
    /// The next image to load: its batch and its position in that batch.
    next: (usize, usize),
    /// The started batches from `taken` on.
    open: VecDeque<Filling<V>>,
    closed: bool,
}

/// A batch that is being filled.
struct Filling<V> {
    /// Has its own lock, so that one worker can copy values while others claim work.
    pixels: Arc<Mutex<Vec<V>>>,
    /// Images not yet loaded.
    left: usize,
    /// Position in the batch and the error.
    broken: Vec<BrokenImage>,
}

/// One image to load.
struct Claim<V> {
    batch: usize,
    place: usize,
    pixels: Arc<Mutex<Vec<V>>>,
}

impl<V: InputValue> Loader<V> {
    /// Starts loading.
    ///
    /// # Errors
    /// If the system cannot start a single thread.
    ///
    /// # Panics
    /// If a batch is empty or reaches beyond `order`, or an index beyond `items`.
    pub fn new(job: LoadJob<V>) -> Result<Self, DataError> {
        assert!(job.batches.iter().all(|b| b.start < b.end && b.end <= job.order.len()), "an impossible batch");
        assert!(job.order.iter().all(|index| *index < job.items.len()), "an index beyond the items");
        let images: usize = job.batches.iter().map(ExactSizeIterator::len).sum();
        let threads = job.threads.max(1).min(images);
        let state = Queue { taken: 0, next: (0, 0), open: VecDeque::new(), closed: false };
        let (state, complete, room) = (Mutex::new(state), Condvar::new(), Condvar::new());
        let repeats = repeats(&job.order, job.items.len());
        let ahead = batches_ahead(threads, job.batches.first().map_or(1, ExactSizeIterator::len));
        let shared = Arc::new(Shared { job, ahead, repeats, state, complete, room });
        let mut loader = Loader { shared, workers: Vec::with_capacity(threads) };
        for number in 0..threads {
            let shared = Arc::clone(&loader.shared);
            let thread = std::thread::Builder::new().name(format!("loader {number}"));
            match thread.spawn(move || shared.work()) {
                Ok(worker) => loader.workers.push(worker),
                // Fewer threads load identical batches.
                Err(_) if number > 0 => break,
                Err(error) => {
                    return Err(DataError::one(format!("cannot start a thread that loads images: {error}")));
                }
            }
        }
        Ok(loader)
    }
}

impl<V: InputValue> Iterator for Loader<V> {
    type Item = LoadedBatch<V>;

    fn next(&mut self) -> Option<Self::Item> {
        let shared = &self.shared;
        let mut state = lock(&shared.state);
        if state.closed || state.taken == shared.job.batches.len() {
            return None;
        }
        while state.open.front().is_none_or(|batch| batch.left > 0) {
            state = shared.complete.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut batch = state.open.pop_front()?;
        let range = shared.job.batches[state.taken].clone();
        state.taken += 1;
        drop(state);
        shared.room.notify_all();
        // Workers finish in any order; the reports are the same every time.
        batch.broken.sort_unstable_by_key(|image| image.place);
        let pixels = std::mem::take(&mut *lock(&batch.pixels));
        Some(LoadedBatch { indices: shared.job.order[range].to_vec(), pixels, broken: batch.broken })
    }
}

impl<V> Drop for Loader<V> {
    fn drop(&mut self) {
        lock(&self.shared.state).closed = true;
        self.shared.room.notify_all();
        for worker in self.workers.drain(..) {
            // Workers catch panics of their images, so joining cannot fail.
            let _ = worker.join();
        }
    }
}

impl<V: InputValue> Shared<V> {
    /// The loop of a worker: loads images until none are left.
    fn work(&self) {
        let mut values = vec![V::default(); self.job.values_per_image];
        while let Some(claim) = self.claim() {
            let place = self.job.batches[claim.batch].start + claim.place;
            let repeat = self.repeats.get(place).copied().unwrap_or(0);
            let result = self.load(Visit { index: self.job.order[place], repeat }, &mut values);
            if result.is_ok() {
                let start = claim.place * values.len();
                lock(&claim.pixels)[start..start + values.len()].copy_from_slice(&values);
            }
            let mut state = lock(&self.state);
            // The batch still exists: it cannot be taken before this image is loaded.
            let at = claim.batch - state.taken;
            let batch = &mut state.open[at];
            batch.left -= 1;
            if let Err(reason) = result {
                batch.broken.push(BrokenImage { place: claim.place, reason });
            }
            if batch.left == 0 {
                self.complete.notify_one();
            }
        }
    }

    /// Claims the next image, waiting until its batch may start; `None` if nothing is left to load.
    fn claim(&self) -> Option<Claim<V>> {
        let mut state = lock(&self.state);
        loop {
            let (batch, place) = state.next;
            if state.closed || batch == self.job.batches.len() {
                return None;
            }
            if batch < state.taken + self.ahead {
                let images = self.job.batches[batch].len();
                if place == 0 {
                    let pixels = Arc::new(Mutex::new(vec![V::default(); images * self.job.values_per_image]));
                    state.open.push_back(Filling { pixels, left: images, broken: Vec::new() });
                }
                state.next = if place + 1 == images { (batch + 1, 0) } else { (batch, place + 1) };
                let pixels = Arc::clone(&state.open[batch - state.taken].pixels);
                return Some(Claim { batch, place, pixels });
            }
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Fills `values` with an image.
    fn load(&self, visit: Visit, values: &mut [V]) -> Result<(), DecodeError> {
        let index = visit.index;
        let path = &self.job.items[index].path;
        let read = || self.job.reading.read_checked(path, self.job.seen.get(index), self.job.demand);
        let image = match &self.job.cache {
            Some(cache) => cache.get_or_insert(index, read)?,
            None => Arc::new(read()?),
        };
        values.fill(V::default());
        catch_unwind(AssertUnwindSafe(|| (self.job.load)(visit, &image, values)))
            .map_err(|panic| DecodeError::LoadPanicked { message: panics::text_of(&*panic).to_string() })
    }
}

/// One waiting batch, and as many batches being filled as give each of `threads` workers an image.
fn batches_ahead(threads: usize, batch: usize) -> usize {
    1 + threads.div_ceil(batch.max(1)).max(1)
}

/// For each position of `order`, how often its item occurs earlier; empty if no item occurs twice.
fn repeats(order: &[usize], items: usize) -> Vec<u32> {
    let mut seen = vec![0u32; items];
    let repeats: Vec<u32> = order
        .iter()
        .map(|index| {
            seen[*index] += 1;
            seen[*index] - 1
        })
        .collect();
    if repeats.iter().any(|n| *n > 0) { repeats } else { Vec::new() }
}

/// Locks even after a panic: the guarded data is consistent at all times.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
