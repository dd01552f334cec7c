//! A set of images with its preparation.

use std::ops::Range;
use std::sync::Arc;

use fastai_dsl::{PixelFormat, Stats};

use super::image_set::ImageSet;
use super::loader::{LoadFn, LoadJob, LoadedBatch, Loader, Visit};
use super::preparation::Preparation;
use super::traversal::{Traversal, batch_ranges, order};
use crate::random::Stream;
use crate::transforms::{InputValue, Picture};
use crate::{DataError, DecodeError, Finding};

/// What to do about files that are sound and not those that were checked.
const CHANGED: &str = "a run trains on the images that were checked before its first step, and the record of its data names \
                       those: put them back and go on with `--resume`, or start again with the images as they are now";

/// What to do about files that were sound before the first step.
const SPOILT: &str = "these images were sound when all were checked before the first step, and have changed since, or their \
                      disk fails; `corrupt: skip` only leaves out what is broken then: put them right and go on with \
                      `--resume`, or start again";

/// Images that are decoded and transformed on demand.
#[derive(Clone, Debug)]
pub struct ImageExamples {
    set: ImageSet,
    preparation: Preparation,
}

impl ImageExamples {
    /// Combines a set with its preparation.
    pub fn new(set: ImageSet, preparation: Preparation) -> Self {
        ImageExamples { set, preparation }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.set.items().len()
    }

    /// Whether the set has no images.
    pub fn is_empty(&self) -> bool {
        self.set.items().is_empty()
    }

    /// Side of the network's input, pixels.
    pub fn side(&self) -> usize {
        self.preparation.transforms.size as usize
    }

    /// The numbers of the network's input.
    pub fn pixel_format(&self) -> PixelFormat {
        self.preparation.transforms.pixels
    }

    /// Mean and standard deviation that normalise the pixels.
    pub fn stats(&self) -> Stats {
        self.preparation.transforms.stats(self.preparation.stats)
    }

    /// Starts a pass: its batches from number `skip` on in order, `[batch, view, 3, side, side]`, loaded ahead by worker
    /// threads. A batch has as many inputs as the preparation says, so with more views it has fewer images.
    ///
    /// # Errors
    /// If no thread can be started. A batch with unreadable images yields an error that names all of them.
    pub fn load(
        &self,
        traversal: &Traversal,
        skip: usize,
    ) -> Result<impl Iterator<Item = Result<LoadedBatch, DataError>> + use<>, DataError> {
        self.load_as::<f32>(traversal, skip)
    }

    /// Starts a pass like [`load`](Self::load), with the inputs rounded to bytes instead of normalised.
    ///
    /// # Errors
    /// Those of [`load`](Self::load).
    pub fn load_bytes(
        &self,
        traversal: &Traversal,
        skip: usize,
    ) -> Result<impl Iterator<Item = Result<LoadedBatch<u8>, DataError>> + use<>, DataError> {
        self.load_as::<u8>(traversal, skip)
    }

    fn load_as<V: InputValue>(
        &self,
        traversal: &Traversal,
        skip: usize,
    ) -> Result<impl Iterator<Item = Result<LoadedBatch<V>, DataError>> + use<V>, DataError> {
        let order = order(self.len(), traversal, self.preparation.seed, self.set.weights());
        let batch = self.preparation.batch / traversal.views();
        let batches = batch_ranges(order.len(), batch).into_iter().skip(skip).collect();
        let loader = Loader::<V>::new(self.job(traversal, order, batches))?;
        let (items, validated) = (Arc::clone(&self.set.items), self.set.validated);
        Ok(loader.map(move |batch| {
            let changed = batch.broken.iter().any(|image| image.reason == DecodeError::Changed);
            batch.whole(&items).map_err(|mut error| {
                let remedy = if changed { Some(CHANGED) } else { validated.then_some(SPOILT) };
                error.findings.extend(remedy.map(Finding::from));
                error
            })
        }))
    }

    /// Returns the inputs of one image in a pass, `[view, 3, side, side]`: the values that the pass's batches have for it, at its
    /// first occurrence.
    ///
    /// # Errors
    /// If the file cannot be read.
    ///
    /// # Panics
    /// If there is no image with this index.
    pub fn pixels(&self, traversal: &Traversal, index: usize) -> Result<Vec<f32>, DataError> {
        let batch = Loader::<f32>::new(self.job(traversal, vec![index], batch_ranges(1, 1)))?.next();
        batch.map_or(Ok(Vec::new()), |batch| Ok(batch.whole(self.set.items())?.pixels))
    }

    fn job<V: InputValue>(&self, traversal: &Traversal, order: Vec<usize>, batches: Vec<Range<usize>>) -> LoadJob<V> {
        let demand = self.preparation.transform().demand();
        LoadJob {
            items: Arc::clone(&self.set.items),
            order,
            batches,
            values_per_image: traversal.views() * 3 * self.side() * self.side(),
            load: self.load_fn(traversal),
            threads: self.preparation.workers,
            reading: self.set.reading.clone(),
            seen: self.set.seen.clone(),
            demand,
            cache: Some(self.set.decoded(demand)),
        }
    }

    /// The function that computes an image's input in this pass; it depends on the image and its visit alone.
    fn load_fn<V: InputValue>(&self, traversal: &Traversal) -> Arc<LoadFn<V>> {
        let (transform, seed) = (self.preparation.transform(), self.preparation.seed);
        match *traversal {
            Traversal::Plain | Traversal::Listed(_) => {
                Arc::new(move |_, image: &Picture, out: &mut [V]| transform.valid(image, out))
            }
            Traversal::Shuffled { stage, epoch } => Arc::new(move |visit: Visit, image: &Picture, out: &mut [V]| {
                let counters = [stage, epoch, visit.index as u64, u64::from(visit.repeat)];
                // The first occurrence of an image has the same values whether or not the image occurs again.
                let counters = if visit.repeat == 0 { &counters[..3] } else { &counters[..] };
                transform.train(image, Stream::new(seed, "transform").address(counters), out);
            }),
            Traversal::Views { first, .. } => Arc::new(move |_, image: &Picture, out: &mut [V]| {
                transform.views(image, seed, u64::from(first), out);
            }),
        }
    }
}
