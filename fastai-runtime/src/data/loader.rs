//! Images in batches, decoded ahead by worker threads.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use image::RgbImage;

use super::cache::DecodedCache;
use super::decode::{decode, panic_text};
use super::{DataError, Item};

/// Batches that are being filled or wait to be taken.
const AHEAD: usize = 2;

/// Turns a decoded image into numbers: its index in the list of items, the pixels, and where the numbers go.
///
/// Called on any worker thread in any order; whatever it draws must depend on the index alone. The destination is
/// zeroed and holds [`LoadJob::values_per_image`] numbers.
pub type LoadFn = dyn Fn(usize, &RgbImage, &mut [f32]) + Send + Sync;

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
/// At most two batches ahead of the one that was taken are in memory, and one image a worker. The first batch with a
/// broken image is an error that names all of the batch's broken images, and the last that is given. Dropping the
/// loader stops its workers and waits for them.
pub struct Loader {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    job: LoadJob,
    /// For each image in the order of loading: its batch, and its place in it.
    places: Vec<(usize, usize)>,
    state: Mutex<State>,
    /// A batch is complete.
    complete: Condvar,
    /// There is room for a further batch, or nothing more to do.
    room: Condvar,
}

struct State {
    /// Batches that were taken.
    taken: usize,
    /// The next image to load, an index into `places`.
    next: usize,
    /// Batches `taken..`, as far as they were begun.
    open: VecDeque<Filling>,
    closed: bool,
}

/// A batch that is being filled.
struct Filling {
    pixels: Vec<f32>,
    /// Images that are not there yet.
    left: usize,
    /// Place in the batch, and what is wrong there.
    broken: Vec<(usize, String)>,
}

impl Loader {
    /// Starts to load. Empty batches are left out.
    ///
    /// # Errors
    /// If the system gives not even one thread.
    ///
    /// # Panics
    /// If a batch reaches beyond `order`, or an index beyond `items`.
    pub fn new(mut job: LoadJob) -> Result<Loader, DataError> {
        assert!(job.batches.iter().all(|b| b.end <= job.order.len()), "a batch beyond the order");
        assert!(job.order.iter().all(|index| *index < job.items.len()), "an index beyond the items");
        job.batches.retain(|b| !b.is_empty());
        let places: Vec<(usize, usize)> =
            job.batches.iter().enumerate().flat_map(|(b, range)| (0..range.len()).map(move |k| (b, k))).collect();
        let threads = job.threads.max(1).min(places.len());
        let state = Mutex::new(State { taken: 0, next: 0, open: VecDeque::new(), closed: false });
        let shared = Arc::new(Shared { job, places, state, complete: Condvar::new(), room: Condvar::new() });
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

impl Shared {
    /// A panic elsewhere leaves the state whole: every change of it is a few assignments.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads images until there are no more, or nobody wants them.
    fn work(&self) {
        while let Some((batch, place)) = self.claim() {
            let loaded = self.load(batch, place);
            let mut state = self.lock();
            if state.closed {
                return;
            }
            let at = batch - state.taken;
            let filling = &mut state.open[at];
            match loaded {
                Ok(values) => {
                    let n = self.job.values_per_image;
                    filling.pixels[place * n..(place + 1) * n].copy_from_slice(&values);
                }
                Err(reason) => filling.broken.push((place, reason)),
            }
            filling.left -= 1;
            if filling.left == 0 {
                self.complete.notify_all();
            }
        }
    }

    /// The next image to load, as soon as its batch has room.
    fn claim(&self) -> Option<(usize, usize)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let (batch, place) = *self.places.get(state.next)?;
            if batch < state.taken + AHEAD {
                state.next += 1;
                if place == 0 {
                    let images = self.job.batches[batch].len();
                    let pixels = vec![0.0; images * self.job.values_per_image];
                    state.open.push_back(Filling { pixels, left: images, broken: Vec::new() });
                }
                return Some((batch, place));
            }
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn load(&self, batch: usize, place: usize) -> Result<Vec<f32>, String> {
        let index = self.job.order[self.job.batches[batch].start + place];
        let item = &self.job.items[index];
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            let image = match &self.job.cache {
                Some(cache) => cache.get_or_decode(index, &item.path)?,
                None => Arc::new(decode(&item.path)?),
            };
            let mut values = vec![0.0; self.job.values_per_image];
            (self.job.load)(index, &image, &mut values);
            Ok(values)
        }));
        attempt.unwrap_or_else(|panic| Err(format!("preparing it failed: {}", panic_text(&*panic))))
    }
}

impl Iterator for Loader {
    type Item = Result<LoadedBatch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let shared = &self.shared;
        let mut state = shared.lock();
        if state.closed || state.taken == shared.job.batches.len() {
            return None;
        }
        while state.open.front().is_none_or(|batch| batch.left > 0) {
            state = shared.complete.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let batch = state.open.pop_front()?;
        let range = shared.job.batches[state.taken].clone();
        state.taken += 1;
        let indices = shared.job.order[range].to_vec();
        if batch.broken.is_empty() {
            shared.room.notify_all();
            return Some(Ok(LoadedBatch { indices, pixels: batch.pixels }));
        }
        state.closed = true;
        shared.room.notify_all();
        let mut broken = batch.broken;
        broken.sort();
        let path = |place: usize| shared.job.items[indices[place]].path.display();
        let findings = broken.iter().map(|(place, reason)| format!("{}: {reason}", path(*place))).collect();
        Some(Err(DataError { findings }))
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.room.notify_all();
        for worker in self.workers.drain(..) {
            // A worker catches the panics of what it runs; there is nothing to learn from its own.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use image::Rgb;
    use tempfile::TempDir;

    use super::*;
    use crate::data::Target;

    /// `n` images whose first pixel is their number; number 7 is no image if `broken`.
    fn job(folder: &TempDir, n: usize, threads: usize, broken: bool) -> LoadJob {
        let items: Vec<Item> = (0..n)
            .map(|i| {
                let path = folder.path().join(format!("{i}.png"));
                if broken && i == 7 {
                    std::fs::write(&path, b"no image").unwrap();
                } else {
                    RgbImage::from_pixel(2, 2, Rgb([i as u8, 0, 0])).save(&path).unwrap();
                }
                Item { id: i.to_string(), path, target: Target::Unlabelled }
            })
            .collect();
        LoadJob {
            items: items.into(),
            order: (0..n).rev().collect(),
            batches: (0..n).step_by(4).map(|at| at..n.min(at + 4)).collect(),
            values_per_image: 3,
            load: Arc::new(|index, image: &RgbImage, out: &mut [f32]| {
                // The later an image comes, the sooner it is ready: order must not depend on that.
                std::thread::sleep(Duration::from_micros(50 * (index as u64 % 5)));
                out[0] = f32::from(image.get_pixel(0, 0)[0]);
                out[2] = index as f32;
            }),
            threads,
            cache: None,
        }
    }

    #[test]
    fn batches_come_in_order_on_any_number_of_threads() {
        let folder = TempDir::new().unwrap();
        let all = |threads| -> Vec<LoadedBatch> {
            Loader::new(job(&folder, 30, threads, false)).unwrap().map(Result::unwrap).collect()
        };
        let one = all(1);
        assert_eq!(one.iter().flat_map(|b| b.indices.clone()).collect::<Vec<_>>(), (0..30).rev().collect::<Vec<_>>());
        assert_eq!(one[0].pixels, [29.0, 0.0, 29.0, 28.0, 0.0, 28.0, 27.0, 0.0, 27.0, 26.0, 0.0, 26.0]);
        assert_eq!(one.last().unwrap().indices, [1, 0]);
        assert_eq!(all(2), one);
        assert_eq!(all(16), one);
    }

    #[test]
    fn a_broken_file_is_named_and_ends_the_pass() {
        let folder = TempDir::new().unwrap();
        let mut loader = Loader::new(job(&folder, 12, 3, true)).unwrap();
        assert!(loader.next().unwrap().is_ok());
        let error = loader.next().unwrap().unwrap_err();
        assert_eq!(error.findings.len(), 1);
        assert!(error.findings[0].contains("7.png: "), "{error}");
        assert!(loader.next().is_none());
    }

    #[test]
    fn a_panic_is_an_error_that_names_the_image() {
        let folder = TempDir::new().unwrap();
        let mut job = job(&folder, 4, 2, false);
        job.load = Arc::new(|index, _: &RgbImage, _: &mut [f32]| assert!(index != 2, "two is too much"));
        let error = Loader::new(job).unwrap().next().unwrap().unwrap_err();
        assert!(error.to_string().contains("2.png: ") && error.to_string().contains("two is too much"), "{error}");
    }

    #[test]
    fn it_is_never_more_than_two_batches_ahead_and_stops_when_dropped() {
        let folder = TempDir::new().unwrap();
        let loaded = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&loaded);
        let mut job = job(&folder, 80, 4, false);
        job.load = Arc::new(move |_, _: &RgbImage, _: &mut [f32]| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let mut loader = Loader::new(job).unwrap();
        loader.next().unwrap().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(loaded.load(Ordering::SeqCst), 4 * (1 + AHEAD));
        drop(loader);
        assert_eq!(loaded.load(Ordering::SeqCst), 4 * (1 + AHEAD));
    }

    #[test]
    fn nothing_to_load_is_no_batch() {
        let folder = TempDir::new().unwrap();
        assert!(Loader::new(job(&folder, 0, 4, false)).unwrap().next().is_none());
    }
}
