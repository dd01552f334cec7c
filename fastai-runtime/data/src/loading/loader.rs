//! Loads images in batches; worker threads decode ahead.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::cache::DecodedCache;
use super::copies::Reading;
use crate::panics;
use crate::transforms::{Picture, to_byte};
use crate::{DataError, Demand, Finding, Item};

/// Converts a decoded image into values. The arguments are the visit, the pixels, and the destination.
///
/// Worker threads call the function in any order, so its random draws must depend on the visit alone. The destination is
/// zeroed and holds [`LoadJob::values_per_image`] values.
pub type LoadFn = dyn Fn(Visit, &Picture, &mut [f32]) + Send + Sync;

/// How a batch stores the values that a [`LoadFn`] computes.
pub trait StoredValue: Copy + Default + Send + 'static {
    /// Converts a computed value.
    fn of(value: f32) -> Self;
}

impl StoredValue for f32 {
    #[inline(always)]
    fn of(value: f32) -> f32 {
        value
    }
}

/// Values in `[0, 1]` as 0 to 255, rounded to nearest.
impl StoredValue for u8 {
    #[inline(always)]
    fn of(value: f32) -> u8 {
        to_byte(value)
    }
}

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
pub struct LoadJob {
    /// The images that indices refer to.
    pub items: Arc<[Item]>,
    /// Indices into `items`, in loading order; an index may occur more than once.
    pub order: Vec<usize>,
    /// Each batch as a range of `order`.
    pub batches: Vec<Range<usize>>,
    /// Values per image, `3 * size * size`.
    pub values_per_image: usize,
    /// Computes the values of an image.
    pub load: Arc<LoadFn>,
    /// Worker threads; 0 counts as 1.
    pub threads: usize,
    /// Where the pixels come from.
    pub reading: Reading,
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BrokenImage {
    /// Position in the batch.
    pub place: usize,
    /// The reason, without the path.
    pub reason: String,
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
    pub fn take_broken(&mut self) -> Vec<(usize, String)> {
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
    job: LoadJob,
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

impl<V: StoredValue> Loader<V> {
    /// Starts loading.
    ///
    /// # Errors
    /// If the system cannot start a single thread.
    ///
    /// # Panics
    /// If a batch is empty or reaches beyond `order`, or an index beyond `items`.
    pub fn new(job: LoadJob) -> Result<Self, DataError> {
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

impl<V: StoredValue> Iterator for Loader<V> {
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
        batch.broken.sort_unstable();
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

impl<V: StoredValue> Shared<V> {
    /// The loop of a worker: loads images until none are left.
    fn work(&self) {
        let mut values = vec![0.0; self.job.values_per_image];
        while let Some(claim) = self.claim() {
            let place = self.job.batches[claim.batch].start + claim.place;
            let repeat = self.repeats.get(place).copied().unwrap_or(0);
            let result = self.load(Visit { index: self.job.order[place], repeat }, &mut values);
            if result.is_ok() {
                let start = claim.place * values.len();
                let stored = &mut lock(&claim.pixels)[start..start + values.len()];
                stored.iter_mut().zip(&values).for_each(|(stored, value)| *stored = V::of(*value));
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

    /// Fills `values` with an image. The error names the file.
    fn load(&self, visit: Visit, values: &mut [f32]) -> Result<(), String> {
        let index = visit.index;
        let path = &self.job.items[index].path;
        let read = || self.job.reading.read(path, self.job.demand);
        let image = match &self.job.cache {
            Some(cache) => cache.get_or_insert(index, read)?,
            None => Arc::new(read()?),
        };
        values.fill(0.0);
        catch_unwind(AssertUnwindSafe(|| (self.job.load)(visit, &image, values)))
            .map_err(|panic| format!("loading it panicked: {}", panics::text_of(&*panic)))
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
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use image::{Rgb, RgbImage};
    use tempfile::TempDir;

    use super::*;
    use crate::Target;

    /// `count` images of 4 x 4 pixels; number i is grey i.
    fn items(folder: &TempDir, count: usize) -> Arc<[Item]> {
        let item = |i: usize| {
            let path = folder.path().join(format!("{i}.png"));
            RgbImage::from_pixel(4, 4, Rgb([i as u8; 3])).save(&path).unwrap();
            Item { id: i.to_string(), path, target: Target::Unlabelled }
        };
        (0..count).map(item).collect()
    }

    /// Batches of 4 in reverse order; an image becomes its index and its grey.
    fn job(items: &Arc<[Item]>, threads: usize) -> LoadJob {
        let count = items.len();
        LoadJob {
            items: Arc::clone(items),
            order: (0..count).rev().collect(),
            batches: (0..count.div_ceil(4)).map(|b| b * 4..count.min(b * 4 + 4)).collect(),
            values_per_image: 2,
            load: Arc::new(|Visit { index, .. }, image, to| {
                // Early images take longest, so that many threads finish out of order.
                std::thread::sleep(Duration::from_micros((index % 5) as u64 * 300));
                to.copy_from_slice(&[index as f32, f32::from(image.get_pixel(0, 0).0[0])]);
            }),
            threads,
            reading: Reading::Files,
            demand: Demand::FULL,
            cache: None,
        }
    }

    #[test]
    fn batches_come_in_order_and_are_the_same_on_any_number_of_threads() {
        let folder = TempDir::new().unwrap();
        let items = items(&folder, 30);
        let cache = Arc::new(DecodedCache::new(30, 20 * 48));
        for threads in [0, 1, 2, 7, 64] {
            for cache in [None, Some(Arc::clone(&cache))] {
                let loader = Loader::<f32>::new(LoadJob { cache, ..job(&items, threads) }).unwrap();
                let batches: Vec<LoadedBatch> = loader.collect();
                assert_eq!(batches.len(), 8);
                assert_eq!(batches[7].indices, [1, 0]);
                let indices: Vec<usize> = batches.iter().flat_map(|b| b.indices.clone()).collect();
                assert_eq!(indices, (0..30).rev().collect::<Vec<_>>());
                let pixels: Vec<f32> = batches.into_iter().flat_map(|b| b.pixels).collect();
                assert_eq!(pixels, (0..30).rev().flat_map(|i| [i as f32; 2]).collect::<Vec<_>>());
            }
        }
        assert_eq!(cache.bytes(), 20 * 48);
    }

    #[test]
    fn a_broken_batch_names_all_its_files_and_the_next_one_follows() {
        let folder = TempDir::new().unwrap();
        let items = items(&folder, 30);
        for i in [3, 20, 21] {
            std::fs::write(&items[i].path, b"").unwrap();
        }
        for threads in [1, 8] {
            let mut loader = Loader::<f32>::new(job(&items, threads)).unwrap();
            assert!(loader.next().unwrap().broken.is_empty());
            assert!(loader.next().unwrap().broken.is_empty());
            let error = loader.next().unwrap().whole(&items).unwrap_err();
            // Batch 2 holds 21, 20, 19, 18.
            assert_eq!(error.findings.len(), 2);
            assert!(error.findings[0].text.contains("21.png: the file is empty"), "{error}");
            assert!(error.findings[1].text.contains("20.png: the file is empty"), "{error}");
            assert!(loader.next().unwrap().whole(&items).is_ok());
        }
    }

    #[test]
    fn broken_images_are_taken_out_of_their_batch() {
        let folder = TempDir::new().unwrap();
        let items = items(&folder, 4);
        [3, 1].iter().for_each(|i: &usize| std::fs::write(&items[*i].path, b"").unwrap());
        let mut batch = Loader::<f32>::new(job(&items, 2)).unwrap().next().unwrap();
        let broken: Vec<usize> = batch.take_broken().into_iter().map(|(index, _)| index).collect();
        assert_eq!((broken, batch.indices, batch.pixels), (vec![3, 1], vec![2, 0], vec![2.0, 2.0, 0.0, 0.0]));
        assert!(batch.broken.is_empty());
    }

    #[test]
    fn a_panic_is_an_error_with_the_file() {
        let folder = TempDir::new().unwrap();
        let items = items(&folder, 12);
        for threads in [1, 4] {
            let load: Arc<LoadFn> = Arc::new(|visit, _, _| assert!(visit.index != 5, "five is right out"));
            let mut loader = Loader::<f32>::new(LoadJob { load, ..job(&items, threads) }).unwrap();
            assert!(loader.next().unwrap().broken.is_empty());
            let error = loader.next().unwrap().whole(&items).unwrap_err();
            assert!(error.findings[0].text.contains("5.png: loading it panicked: five is right out"), "{error}");
            assert!(loader.next().unwrap().whole(&items).is_ok());
        }
    }

    #[test]
    fn an_early_drop_stops_the_workers() {
        let folder = TempDir::new().unwrap();
        let items = items(&folder, 40);
        let loads = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&loads);
        let load: Arc<LoadFn> = Arc::new(move |_, _, _| {
            counter.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(2));
        });
        let mut loader = Loader::<f32>::new(LoadJob { load, ..job(&items, 3) }).unwrap();
        loader.next().unwrap();
        drop(loader);
        let after = loads.load(Ordering::SeqCst);
        assert!(after <= 12, "{after} images for one batch of 4 and two ahead");
        // The closure is freed with the last worker: all have ended.
        assert_eq!(Arc::strong_count(&loads), 1);
    }

    #[test]
    fn no_more_than_two_batches_are_loaded_ahead() {
        let folder = TempDir::new().unwrap();
        let items = items(&folder, 40);
        let loads = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&loads);
        let load: Arc<LoadFn> = Arc::new(move |_, _, _| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let mut loader = Loader::<f32>::new(LoadJob { load, ..job(&items, 4) }).unwrap();
        for taken in 1..=3 {
            loader.next().unwrap();
            let expected = (taken + 2) * 4;
            let start = Instant::now();
            while loads.load(Ordering::SeqCst) < expected && start.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(30));
            assert_eq!(loads.load(Ordering::SeqCst), expected);
        }
    }

    #[test]
    fn small_batches_keep_every_worker_busy_in_bounded_memory() {
        assert_eq!(
            [(1, 64), (16, 64), (64, 64), (65, 64), (16, 4), (3, 2)].map(|(t, b)| batches_ahead(t, b)),
            [2, 2, 2, 3, 5, 3]
        );
        let folder = TempDir::new().unwrap();
        let items = items(&folder, 60);
        let (inside, loads) = (Arc::new((Mutex::new(0usize), Condvar::new())), Arc::new(AtomicUsize::new(0)));
        let (meet, counter) = (Arc::clone(&inside), Arc::clone(&loads));
        // The first sixteen images wait for each other, which only sixteen workers at once can do.
        let load: Arc<LoadFn> = Arc::new(move |_, _, _| {
            if counter.fetch_add(1, Ordering::SeqCst) >= 16 {
                return;
            }
            let (count, all) = &*meet;
            let mut count = lock(count);
            *count += 1;
            all.notify_all();
            let waited = all.wait_timeout_while(count, Duration::from_secs(10), |count| *count < 16).unwrap();
            assert!(!waited.1.timed_out(), "{} workers at once", waited.0);
        });
        let mut loader = Loader::<f32>::new(LoadJob { load, ..job(&items, 16) }).unwrap();
        loader.next().unwrap();
        // 4 are taken, and five batches of 4 may be begun: 2 * 4 + 16 images at most.
        let start = Instant::now();
        while loads.load(Ordering::SeqCst) < 24 && start.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(loads.load(Ordering::SeqCst), 24);
    }

    #[test]
    fn an_image_that_comes_again_says_how_often_it_came_before() {
        let folder = TempDir::new().unwrap();
        let items = items(&folder, 3);
        let load: Arc<LoadFn> = Arc::new(|visit, _, to| to.copy_from_slice(&[visit.index as f32, visit.repeat as f32]));
        let order = vec![2, 0, 2, 2, 0, 1];
        let job = LoadJob { load, order, batches: vec![0..4, 4..6], ..job(&items, 3) };
        let pixels: Vec<f32> = Loader::<f32>::new(job).unwrap().flat_map(|batch| batch.pixels).collect();
        assert_eq!(pixels, [2., 0., 0., 0., 2., 1., 2., 2., 0., 1., 1., 0.]);
    }

    #[test]
    fn nothing_to_load_is_the_end() {
        let mut loader = Loader::<f32>::new(LoadJob { batches: Vec::new(), ..job(&Arc::from([]), 2) }).unwrap();
        assert!(loader.next().is_none());
    }
}
