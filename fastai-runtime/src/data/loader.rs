//! Images in batches, decoded ahead by worker threads.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::cache::DecodedCache;
use super::decode::panic_text;
use super::{DataError, Item, Reading};
use crate::transforms::Picture;

/// Turns a decoded image into numbers: which one it is, the pixels, and where the numbers go.
///
/// Called on any worker thread in any order; whatever it draws must depend on the visit alone. The destination is
/// zeroed and holds [`LoadJob::values_per_image`] numbers.
pub type LoadFn = dyn Fn(Visit, &Picture, &mut [f32]) + Send + Sync;

/// An image's turn in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Which item.
    pub index: usize,
    /// How often it came before in the same order.
    pub repeat: u32,
}

/// What a [`Loader`] is to load.
#[derive(Clone)]
pub struct LoadJob {
    /// The images that indices refer to.
    pub items: Arc<[Item]>,
    /// Indices into `items`, in the order of loading; an index may come more than once.
    pub order: Vec<usize>,
    /// Each batch as a range of `order`.
    pub batches: Vec<Range<usize>>,
    /// Numbers an image, `3 * size * size`.
    pub values_per_image: usize,
    /// Makes the numbers.
    pub load: Arc<LoadFn>,
    /// Worker threads; 0 counts as 1.
    pub threads: usize,
    /// Where the files' pixels are read.
    pub reading: Reading,
    /// Where decoded images are kept across epochs.
    pub cache: Option<Arc<DecodedCache>>,
}

/// A batch as the loader gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedBatch {
    /// Which items, in the order of the batch.
    pub indices: Vec<usize>,
    /// Their numbers one after another: `[batch, values_per_image]`, e.g. `[batch, channel, height, width]`.
    pub pixels: Vec<f32>,
}

/// Gives the batches of a [`LoadJob`] in order, the same ones on any number of threads.
///
/// Ahead of the one that was taken one batch waits, and of those after it as many are filled as give each worker an image:
/// with batches of at least as many images as there are workers two batches in all, of smaller ones at most
/// `2 * batch + workers` images. So much is in memory, and one image a worker. The first batch with a
/// broken image is an error that names all of the batch's broken images, and the last that is given. Dropping the
/// loader stops its workers and waits for them.
pub struct Loader {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    job: LoadJob,
    /// Batches that may be begun beyond those that were taken.
    ahead: usize,
    /// For every place of the order how often its item came before; empty where every item comes at most once.
    repeats: Vec<u32>,
    state: Mutex<State>,
    /// A batch is complete.
    complete: Condvar,
    /// There is room for a further batch, or nothing more to do.
    room: Condvar,
}

struct State {
    /// Batches that were taken.
    taken: usize,
    /// The next image to load: its batch, and its place in it.
    next: (usize, usize),
    /// Batches `taken..`, as far as they were begun.
    open: VecDeque<Filling>,
    closed: bool,
}

/// A batch that is being filled.
struct Filling {
    /// Has a lock of its own, so that numbers are copied while others ask for work.
    pixels: Arc<Mutex<Vec<f32>>>,
    /// Images that are not done yet.
    left: usize,
    /// Place in the batch, and what is wrong there.
    broken: Vec<(usize, String)>,
}

/// One image to load.
struct Claim {
    batch: usize,
    place: usize,
    pixels: Arc<Mutex<Vec<f32>>>,
}

impl Loader {
    /// Starts to load.
    ///
    /// # Errors
    /// If the system gives not even one thread.
    ///
    /// # Panics
    /// If a batch is empty or reaches beyond `order`, or an index beyond `items`.
    pub fn new(job: LoadJob) -> Result<Loader, DataError> {
        assert!(job.batches.iter().all(|b| b.start < b.end && b.end <= job.order.len()), "an impossible batch");
        assert!(job.order.iter().all(|index| *index < job.items.len()), "an index beyond the items");
        let images: usize = job.batches.iter().map(ExactSizeIterator::len).sum();
        let threads = job.threads.max(1).min(images);
        let state = State { taken: 0, next: (0, 0), open: VecDeque::new(), closed: false };
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
                // Fewer threads load the same batches.
                Err(_) if number > 0 => break,
                Err(error) => {
                    return Err(DataError::one(format!("cannot start a thread that loads images: {error}")));
                }
            }
        }
        Ok(loader)
    }
}

impl Iterator for Loader {
    type Item = Result<LoadedBatch, DataError>;

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
        state.closed = !batch.broken.is_empty();
        drop(state);
        shared.room.notify_all();
        if batch.broken.is_empty() {
            let pixels = std::mem::take(&mut *lock(&batch.pixels));
            return Some(Ok(LoadedBatch { indices: shared.job.order[range].to_vec(), pixels }));
        }
        // Workers finish in any order; the message is the same every time.
        batch.broken.sort_unstable();
        Some(Err(DataError::from(batch.broken.into_iter().map(|(_, finding)| finding).collect::<Vec<_>>())))
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        lock(&self.shared.state).closed = true;
        self.shared.room.notify_all();
        for worker in self.workers.drain(..) {
            // A worker catches what its images do; nothing is left that could fail.
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// A worker's life: load one image after the other until there is none left.
    fn work(&self) {
        let mut values = vec![0.0; self.job.values_per_image];
        while let Some(claim) = self.claim() {
            let place = self.job.batches[claim.batch].start + claim.place;
            let repeat = self.repeats.get(place).copied().unwrap_or(0);
            let result = self.load(Visit { index: self.job.order[place], repeat }, &mut values);
            if result.is_ok() {
                let start = claim.place * values.len();
                lock(&claim.pixels)[start..start + values.len()].copy_from_slice(&values);
            }
            let mut state = lock(&self.state);
            // The batch is still there: it cannot be taken before this image is done.
            let at = claim.batch - state.taken;
            let batch = &mut state.open[at];
            batch.left -= 1;
            if let Err(finding) = result {
                batch.broken.push((claim.place, finding));
            }
            if batch.left == 0 {
                self.complete.notify_one();
            }
        }
    }

    /// The next image, as soon as its batch may be begun; `None` if there is nothing more to load.
    fn claim(&self) -> Option<Claim> {
        let mut state = lock(&self.state);
        loop {
            let (batch, place) = state.next;
            if state.closed || batch == self.job.batches.len() {
                return None;
            }
            if batch < state.taken + self.ahead {
                let images = self.job.batches[batch].len();
                if place == 0 {
                    let pixels = Arc::new(Mutex::new(vec![0.0; images * self.job.values_per_image]));
                    state.open.push_back(Filling { pixels, left: images, broken: Vec::new() });
                }
                state.next = if place + 1 == images { (batch + 1, 0) } else { (batch, place + 1) };
                let pixels = Arc::clone(&state.open[batch - state.taken].pixels);
                return Some(Claim { batch, place, pixels });
            }
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Fills `values` with an image; what goes wrong names the file.
    fn load(&self, visit: Visit, values: &mut [f32]) -> Result<(), String> {
        let index = visit.index;
        let path = &self.job.items[index].path;
        let image = match &self.job.cache {
            Some(cache) => cache.get_or_read(index, path, &self.job.reading),
            None => self.job.reading.read(path, None).map(Arc::new),
        };
        let image = image.map_err(|reason| format!("{}: {reason}", path.display()))?;
        values.fill(0.0);
        catch_unwind(AssertUnwindSafe(|| (self.job.load)(visit, &image, values)))
            .map_err(|panic| format!("{}: loading it panicked: {}", path.display(), panic_text(&*panic)))
    }
}

/// One batch that waits, and as many that are filled as give each of `threads` workers an image.
fn batches_ahead(threads: usize, batch: usize) -> usize {
    1 + threads.div_ceil(batch.max(1)).max(1)
}

/// For every place of `order` how often its item came before; nothing where none comes twice.
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

/// What the locks guard is consistent at any time, whoever panicked.
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
    use crate::data::Target;

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
                let loader = Loader::new(LoadJob { cache, ..job(&items, threads) }).unwrap();
                let batches: Vec<LoadedBatch> = loader.map(Result::unwrap).collect();
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
    fn a_broken_batch_names_all_its_files_and_is_the_last() {
        let folder = TempDir::new().unwrap();
        let items = items(&folder, 30);
        for i in [3, 20, 21] {
            std::fs::write(&items[i].path, b"").unwrap();
        }
        for threads in [1, 8] {
            let mut loader = Loader::new(job(&items, threads)).unwrap();
            assert!(loader.next().unwrap().is_ok());
            assert!(loader.next().unwrap().is_ok());
            let error = loader.next().unwrap().unwrap_err();
            // Batch 2 holds 21, 20, 19, 18.
            assert_eq!(error.findings.len(), 2);
            assert!(error.findings[0].contains("21.png: the file is empty"), "{error}");
            assert!(error.findings[1].contains("20.png: the file is empty"), "{error}");
            assert!(loader.next().is_none());
        }
    }

    #[test]
    fn a_panic_is_an_error_with_the_file() {
        let folder = TempDir::new().unwrap();
        let items = items(&folder, 12);
        for threads in [1, 4] {
            let load: Arc<LoadFn> = Arc::new(|visit, _, _| assert!(visit.index != 5, "five is right out"));
            let mut loader = Loader::new(LoadJob { load, ..job(&items, threads) }).unwrap();
            assert!(loader.next().unwrap().is_ok());
            let error = loader.next().unwrap().unwrap_err();
            assert!(error.findings[0].contains("5.png: loading it panicked: five is right out"), "{error}");
            assert!(loader.next().is_none());
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
        let mut loader = Loader::new(LoadJob { load, ..job(&items, 3) }).unwrap();
        loader.next().unwrap().unwrap();
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
        let mut loader = Loader::new(LoadJob { load, ..job(&items, 4) }).unwrap();
        for taken in 1..=3 {
            loader.next().unwrap().unwrap();
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
        let mut loader = Loader::new(LoadJob { load, ..job(&items, 16) }).unwrap();
        loader.next().unwrap().unwrap();
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
        let pixels: Vec<f32> = Loader::new(job).unwrap().flat_map(|batch| batch.unwrap().pixels).collect();
        assert_eq!(pixels, [2., 0., 0., 0., 2., 1., 2., 2., 0., 1., 1., 0.]);
    }

    #[test]
    fn nothing_to_load_is_the_end() {
        let mut loader = Loader::new(LoadJob { batches: Vec::new(), ..job(&Arc::from([]), 2) }).unwrap();
        assert!(loader.next().is_none());
    }
}
