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
    open: VecDeque<Arc<Mutex<Filling>>>,
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
    /// Starts to load.
    ///
    /// # Errors
    /// If the system gives not even one thread.
    ///
    /// # Panics
    /// If a batch reaches beyond `order`, or an index beyond `items`.
    pub fn new(job: LoadJob) -> Result<Loader, DataError> {
        assert!(job.batches.iter().all(|b| b.start <= b.end && b.end <= job.order.len()), "a batch beyond the order");
        assert!(job.order.iter().all(|index| *index < job.items.len()), "an index beyond the items");
        let images: usize = job.batches.iter().map(ExactSizeIterator::len).sum();
        let threads = job.threads.max(1).min(images);
        let state = State { taken: 0, next: (0, 0), open: VecDeque::new(), closed: false };
        let (state, complete, room) = (Mutex::new(state), Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { job, state, complete, room });
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
        let range = shared.job.batches[state.taken].clone();
        let mut batch = Filling { pixels: Vec::new(), left: 0, broken: Vec::new() };
        // Workers skip empty batches unless they are to fill something; they are complete by nature.
        if !range.is_empty() {
            batch = loop {
                let front = state.open.front().cloned();
                if let Some(front) = front {
                    let mut front = lock(&front);
                    if front.left == 0 {
                        let (pixels, broken) = (std::mem::take(&mut front.pixels), std::mem::take(&mut front.broken));
                        break Filling { pixels, left: 0, broken };
                    }
                }
                state = shared.complete.wait(state).unwrap_or_else(PoisonError::into_inner);
            };
        }
        todo!()
    }
}
