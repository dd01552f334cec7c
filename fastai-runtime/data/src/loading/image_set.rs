//! Images as a network sees them.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use fastai_dsl::{Stats, Transforms};

use super::{
    Budget, DecodedCache, LoadFn, LoadJob, LoadedBatch, Loader, Reading, Traversal, Visit, batch_ranges, order,
};
use crate::random::Stream;
use crate::transforms::{Picture, Transform};
use crate::{DataError, Item};

/// How images are prepared.
#[derive(Clone, Debug)]
pub struct Preparation {
    /// Size, crop and augmentation.
    pub transforms: Transforms,
    /// Statistics that pixels are normalised with.
    pub stats: Stats,
    /// Images a batch.
    pub batch: usize,
    /// Threads that decode and transform.
    pub workers: usize,
    /// Seed of the order and the augmentation.
    pub seed: u64,
}

impl Preparation {
    /// The same at another image side, pixels.
    pub fn at_size(&self, size: u32) -> Self {
        let mut other = self.clone();
        other.transforms.size = size;
        other
    }

    /// A text that differs wherever the pixels of a plain pass do.
    pub fn signature(&self) -> String {
        self.transform().signature()
    }

    fn transform(&self) -> Transform {
        Transform::new(&self.transforms, self.stats)
    }
}

/// A list of image files. What was decoded is kept, as far as it fits into memory, and shared by clones.
#[derive(Clone)]
pub struct ImageSet {
    items: Arc<[Item]>,
    reading: Reading,
    checked: bool,
    budget: Arc<Budget>,
    decoded: Arc<Mutex<Arc<DecodedCache>>>,
    weights: Option<Arc<[f64]>>,
}

impl ImageSet {
    /// These files, of which 512 MiB are kept decoded.
    pub fn new(items: &[Item]) -> Self {
        ImageSet::within(items, &Arc::new(Budget::new(DecodedCache::DEFAULT_BUDGET)))
    }

    /// These files, of which as much is kept decoded as others leave of `budget`.
    pub fn within(items: &[Item], budget: &Arc<Budget>) -> Self {
        let decoded = Arc::new(DecodedCache::sharing(items.len(), Arc::clone(budget)));
        ImageSet {
            items: items.into(),
            reading: Reading::Files,
            checked: false,
            budget: Arc::clone(budget),
            decoded: Arc::new(Mutex::new(decoded)),
            weights: None,
        }
    }

    /// The same, whose pixels are read so; nothing may have been read before.
    pub fn reading(mut self, reading: Reading) -> Self {
        self.reading = reading;
        self
    }

    /// The same, whose files were all seen to be sound: one that is not any more is an error that says so.
    pub fn checked(mut self) -> Self {
        self.checked = true;
        self
    }

    /// The files that are opened for the images.
    pub fn files(&self) -> Vec<&Path> {
        self.items.iter().map(|item| self.reading.path(&item.path)).collect()
    }

    /// Where images are kept that are decoded to no less than `shorter` pixels a side. Those of another side are forgotten:
    /// what an image becomes must not depend on what was asked for before.
    fn decoded(&self, shorter: Option<u32>) -> Arc<DecodedCache> {
        let mut decoded = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        if decoded.shorter() != shorter {
            *decoded = Arc::new(DecodedCache::sharing(self.items.len(), Arc::clone(&self.budget)).reduced(shorter));
        }
        Arc::clone(&decoded)
    }

    /// The same, of which a shuffled pass shows each file as often as its weight says.
    pub fn weighted(mut self, weights: Option<Vec<f64>>) -> Self {
        self.weights = weights.map(Arc::from);
        self
    }

    /// How often a shuffled pass shows each file, relative to the others; `None` for once.
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// The files.
    pub fn items(&self) -> &[Item] {
        &self.items
    }
}

impl std::fmt::Debug for ImageSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImageSet").field("items", &self.items.len()).finish_non_exhaustive()
    }
}

/// A list of images, decoded and transformed as they are asked for.
#[derive(Clone, Debug)]
pub struct ImageExamples {
    set: ImageSet,
    preparation: Preparation,
}

impl ImageExamples {
    /// These images, prepared so.
    pub fn new(set: ImageSet, preparation: Preparation) -> Self {
        ImageExamples { set, preparation }
    }

    /// What one image becomes in a pass, `[3, size, size]`: the very numbers that the batches of the pass have for it, where
    /// it comes more than once those of its first turn.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    ///
    /// # Panics
    /// If there is no image with this index.
    pub fn pixels(&self, traversal: &Traversal, index: usize) -> Result<Vec<f32>, DataError> {
        let batch = Loader::new(self.job(traversal, vec![index], batch_ranges(1, 1)))?.next();
        batch.map_or(Ok(Vec::new()), |batch| Ok(batch?.pixels))
    }

    /// Images.
    pub fn len(&self) -> usize {
        self.set.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.set.items.is_empty()
    }

    /// Side of an image as the network takes it, pixels.
    pub fn side(&self) -> usize {
        self.preparation.transforms.size as usize
    }

    /// Starts a pass over the images: its batches in order, decoded ahead by worker threads.
    ///
    /// # Errors
    /// If no thread can be started. A batch with unreadable images is an error and the last one.
    pub fn load(
        &self,
        traversal: &Traversal,
    ) -> Result<impl Iterator<Item = Result<LoadedBatch, DataError>> + use<>, DataError> {
        let order = order(self.len(), traversal, self.preparation.seed, self.set.weights());
        let loader = Loader::new(self.job(traversal, order, batch_ranges(self.len(), self.preparation.batch)))?;
        let checked = self.set.checked;
        Ok(loader.map(move |batch| batch.map_err(|error| if checked { broke_since(error) } else { error })))
    }

    fn job(&self, traversal: &Traversal, order: Vec<usize>, batches: Vec<Range<usize>>) -> LoadJob {
        let side = self.preparation.transforms.size as usize;
        LoadJob {
            items: Arc::clone(&self.set.items),
            order,
            batches,
            values_per_image: 3 * side * side,
            load: self.load_fn(traversal),
            threads: self.preparation.workers,
            reading: self.set.reading.clone(),
            cache: Some(self.set.decoded(self.preparation.transform().shorter_side())),
        }
    }

    /// What makes the numbers of one image in this pass: a function of the image and its row alone.
    fn load_fn(&self, traversal: &Traversal) -> Arc<LoadFn> {
        let transform = self.preparation.transform();
        let seed = self.preparation.seed;
        match *traversal {
            Traversal::Plain => Arc::new(move |_, image: &Picture, out: &mut [f32]| transform.valid(image, out)),
            Traversal::Shuffled { stage, epoch } => Arc::new(move |visit: Visit, image: &Picture, out: &mut [f32]| {
                let counters = [stage, epoch, visit.index as u64, u64::from(visit.repeat)];
                // An image's first turn has the same numbers whether or not others come again.
                let counters = if visit.repeat == 0 { &counters[..3] } else { &counters[..] };
                transform.train(image, Stream::new(seed, "transform").address(counters), out);
            }),
            Traversal::Augmented { stage, pass } => Arc::new(move |visit: Visit, image: &Picture, out: &mut [f32]| {
                let address = Stream::new(seed, "tta").address(&[stage, pass, visit.index as u64]);
                transform.train(image, address, out);
            }),
        }
    }
}

/// Adds what is known of files that were sound before the first step.
fn broke_since(mut error: DataError) -> DataError {
    error.findings.push(
        "these images were sound when all were checked before the first step, and have changed since, or their disk fails; \
         `corrupt: skip` only leaves out what is broken then: put them right and go on with `--resume`, or start again"
            .to_string(),
    );
    error
}
