//! A list of image files with the decoded images that fit into memory.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::cache::{Budget, DecodedCache};
use super::copies::Reading;
use super::seen_files::SeenFiles;
use crate::{Demand, Health, Item};

/// A list of image files with the decoded images that fit into memory. Clones share the decoded images.
#[derive(Clone)]
pub struct ImageSet {
    pub(super) items: Arc<[Item]>,
    pub(super) reading: Reading,
    pub(super) validated: bool,
    pub(super) seen: SeenFiles,
    budget: Arc<Budget>,
    decoded: Arc<Mutex<DecodedSet>>,
    weights: Option<Arc<[f64]>>,
}

/// Images decoded as demanded.
struct DecodedSet {
    demand: Demand,
    cache: Arc<DecodedCache>,
}

impl DecodedSet {
    fn new(items: usize, budget: &Arc<Budget>, demand: Demand) -> Self {
        DecodedSet { demand, cache: Arc::new(DecodedCache::sharing(items, Arc::clone(budget))) }
    }
}

impl ImageSet {
    /// Creates a set that keeps up to 256 MiB of decoded images.
    pub fn new(items: &[Item]) -> Self {
        ImageSet::within(items, &Arc::new(Budget::new(DecodedCache::DEFAULT_BUDGET)))
    }

    /// Creates a set that uses what the other sets leave of `budget` for decoded images.
    pub fn within(items: &[Item], budget: &Arc<Budget>) -> Self {
        ImageSet {
            items: items.into(),
            reading: Reading::Files,
            validated: false,
            seen: SeenFiles::default(),
            budget: Arc::clone(budget),
            decoded: Arc::new(Mutex::new(DecodedSet::new(items.len(), budget, Demand::FULL))),
            weights: None,
        }
    }

    /// Sets where the pixels come from. No image may have been read before.
    pub fn reading(mut self, reading: Reading) -> Self {
        self.reading = reading;
        self
    }

    /// Marks the files as validated; a later read failure reports that the file has changed.
    pub fn validated(mut self) -> Self {
        self.validated = true;
        self
    }

    /// Compares each file that is read with what preflight saw of it: other content is an error. Copies and decoded images in
    /// memory are not compared, nor are files that preflight did not examine.
    pub fn unchanged_since(mut self, health: &Health) -> Self {
        self.seen = SeenFiles::new(&self.items, health);
        self
    }

    /// Sets the sampling weight of each file in shuffled passes, relative to the others; `None` to visit each file once.
    pub fn weighted(mut self, weights: Option<Vec<f64>>) -> Self {
        self.weights = weights.map(Arc::from);
        self
    }

    /// The sampling weight of each file in a shuffled pass, relative to the others; `None` to visit each file once.
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// The images.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Returns the files to open for the images.
    pub fn files(&self) -> Vec<&Path> {
        self.items.iter().map(|item| self.reading.path(&item.path)).collect()
    }

    /// Returns the cache of images decoded as demanded. Images decoded in another way are dropped, since pixels must not
    /// depend on earlier requests.
    pub(super) fn decoded(&self, demand: Demand) -> Arc<DecodedCache> {
        let mut decoded = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        if decoded.demand != demand {
            *decoded = DecodedSet::new(self.items.len(), &self.budget, demand);
        }
        Arc::clone(&decoded.cache)
    }
}

impl std::fmt::Debug for ImageSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImageSet").field("items", &self.items.len()).finish_non_exhaustive()
    }
}
