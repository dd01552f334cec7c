//! Decoded images in memory, so that a small data set is decoded once.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::copies::Reading;
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
    shorter: Option<u32>,
}

impl Drop for DecodedCache {
    fn drop(&mut self) {
        self.budget.release(self.bytes());
    }
}

impl DecodedCache {
    /// The default budget: 512 MiB.
    pub const DEFAULT_BUDGET: usize = 512 << 20;

    /// An empty cache for `items` images with at most `budget` bytes of pixels.
    pub fn new(items: usize, budget: usize) -> Self {
        DecodedCache::sharing(items, Arc::new(Budget::new(budget)))
    }

    /// An empty cache for `items` images that uses what the other caches leave of `budget`.
    pub fn sharing(items: usize, budget: Arc<Budget>) -> Self {
        let images = (0..items).map(|_| OnceLock::new()).collect();
        DecodedCache { images, used: AtomicUsize::new(0), budget, shorter: None }
    }

    /// The same, whose images are decoded as [`decode_reduced`](crate::decode_reduced) does with `shorter`.
    pub fn reduced(mut self, shorter: Option<u32>) -> Self {
        self.shorter = shorter;
        self
    }

    /// The shorter side that reduced decoding preserves at least, pixels; `None` for full decoding.
    pub fn shorter(&self) -> Option<u32> {
        self.shorter
    }

    /// Returns image number `index` from memory, or as `reading` yields it for the file at `path`.
    ///
    /// # Errors
    /// Those of [`Reading::read`]. Failures are not cached.
    pub fn get_or_read(&self, index: usize, path: &Path, reading: &Reading) -> Result<Arc<Picture>, String> {
        let slot = self.images.get(index);
        if let Some(image) = slot.and_then(OnceLock::get) {
            return Ok(Arc::clone(image));
        }
        let image = Arc::new(reading.read(path, self.shorter)?);
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
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn images_are_kept_until_the_budget_is_used_up() {
        let folder = TempDir::new().unwrap();
        let paths: Vec<_> = (0..3u8).map(|i| folder.path().join(format!("{i}.png"))).collect();
        for (i, path) in paths.iter().enumerate() {
            RgbImage::from_pixel(10, 10, Rgb([i as u8; 3])).save(path).unwrap();
        }
        let cache = DecodedCache::new(3, 700);
        for (i, path) in paths.iter().enumerate() {
            assert_eq!(cache.get_or_read(i, path, &Reading::Files).unwrap().get_pixel(0, 0).0, [i as u8; 3]);
        }
        assert_eq!(cache.bytes(), 600);
        paths.iter().for_each(|path| std::fs::remove_file(path).unwrap());
        let read = |i: usize| cache.get_or_read(i, &paths[i], &Reading::Files);
        assert!(read(0).is_ok() && read(1).is_ok());
        assert!(read(2).is_err());
    }

    #[test]
    fn an_image_that_two_threads_decode_counts_once() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.png");
        RgbImage::new(50, 50).save(&path).unwrap();
        let cache = DecodedCache::new(1, DecodedCache::DEFAULT_BUDGET);
        std::thread::scope(|scope| {
            (0..8).for_each(|_| drop(scope.spawn(|| cache.get_or_read(0, &path, &Reading::Files).unwrap())));
        });
        assert_eq!(cache.bytes(), 7500);
    }

    #[test]
    fn caches_share_a_budget_and_give_it_back() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.png");
        RgbImage::new(10, 10).save(&path).unwrap();
        let budget = Arc::new(Budget::new(700));
        let caches = [4, 4].map(|items| DecodedCache::sharing(items, Arc::clone(&budget)));
        let fill =
            |cache: &DecodedCache| (0..4).for_each(|i| drop(cache.get_or_read(i, &path, &Reading::Files).unwrap()));
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
