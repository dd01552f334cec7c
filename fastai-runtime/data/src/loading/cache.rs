//! Decoded images in memory, so that a small data set is decoded once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::DecodeError;
use crate::transforms::Picture;

/// A memory limit that several caches share.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    limit: usize,
}

impl Budget {
    /// Allows at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Budget { used: AtomicUsize::new(0), limit }
    }

    /// Bytes in use by all caches that share the budget.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn reserve(&self, bytes: usize) -> bool {
        let grown = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok()
    }

    fn release(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Decoded images of one list of items, up to a number of bytes. The loaders of many epochs share it.
///
/// When the budget is exhausted, further images are decoded on every visit. The cache evicts nothing: an epoch visits every
/// image once, so any eviction order would only exchange one image for another.
#[derive(Debug)]
pub struct DecodedCache {
    images: Vec<OnceLock<Arc<Picture>>>,
    used: AtomicUsize,
    budget: Arc<Budget>,
}

impl Drop for DecodedCache {
    fn drop(&mut self) {
        self.budget.release(self.bytes());
    }
}

impl DecodedCache {
    /// The default budget: 256 MiB.
    pub const DEFAULT_BUDGET: usize = 256 << 20;

    /// An empty cache for `items` images with at most `budget` bytes of pixels.
    pub fn new(items: usize, budget: usize) -> Self {
        DecodedCache::sharing(items, Arc::new(Budget::new(budget)))
    }

    /// An empty cache for `items` images that uses what the other caches leave of `budget`.
    pub fn sharing(items: usize, budget: Arc<Budget>) -> Self {
        let images = (0..items).map(|_| OnceLock::new()).collect();
        DecodedCache { images, used: AtomicUsize::new(0), budget }
    }

    /// Returns image number `index` from the cache, or as `read` yields it.
    ///
    /// # Errors
    /// Those of `read`. Failures are not cached.
    pub fn get_or_insert(
        &self,
        index: usize,
        read: impl FnOnce() -> Result<Picture, DecodeError>,
    ) -> Result<Arc<Picture>, DecodeError> {
        let slot = self.images.get(index);
        if let Some(image) = slot.and_then(OnceLock::get) {
            return Ok(Arc::clone(image));
        }
        let image = Arc::new(read()?);
        let bytes = image.as_raw().len();
        if let Some(slot) = slot
            && self.budget.reserve(bytes)
        {
            match slot.set(Arc::clone(&image)) {
                Ok(()) => _ = self.used.fetch_add(bytes, Ordering::Relaxed),
                // Another thread was faster with the same image.
                Err(_) => self.budget.release(bytes),
            }
        }
        Ok(image)
    }

    /// Bytes of pixels in the cache.
    pub fn bytes(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    fn grey(level: u8) -> Result<Picture, DecodeError> {
        Ok(RgbImage::from_pixel(10, 10, Rgb([level; 3])).into())
    }

    fn gone() -> Result<Picture, DecodeError> {
        Err(DecodeError::NoFile)
    }

    #[test]
    fn images_are_kept_until_the_budget_is_used_up() {
        let cache = DecodedCache::new(3, 700);
        for i in 0..3u8 {
            assert_eq!(cache.get_or_insert(i.into(), || grey(i)).unwrap().get_pixel(0, 0).0, [i; 3]);
        }
        assert_eq!(cache.bytes(), 600);
        assert!([0, 1].iter().all(|i| cache.get_or_insert(*i, gone).is_ok()));
        assert!(cache.get_or_insert(2, gone).is_err());
    }

    #[test]
    fn an_image_that_two_threads_decode_counts_once() {
        let cache = DecodedCache::new(1, DecodedCache::DEFAULT_BUDGET);
        std::thread::scope(|scope| {
            (0..8).for_each(|_| drop(scope.spawn(|| cache.get_or_insert(0, || grey(1)).unwrap())));
        });
        assert_eq!(cache.bytes(), 300);
    }

    #[test]
    fn caches_share_a_budget_and_give_it_back() {
        let budget = Arc::new(Budget::new(700));
        let caches = [4, 4].map(|items| DecodedCache::sharing(items, Arc::clone(&budget)));
        let fill = |cache: &DecodedCache| (0..4).for_each(|i| drop(cache.get_or_insert(i, || grey(1)).unwrap()));
        caches.iter().for_each(fill);
        assert_eq!((caches[0].bytes(), caches[1].bytes(), budget.used()), (600, 0, 600));
        let [first, second] = caches;
        drop(first);
        fill(&second);
        assert_eq!((second.bytes(), budget.used()), (600, 600));
        drop(second);
        assert_eq!(budget.used(), 0);
    }
}
