//! Decoded images in memory, so that a small data set is decoded once.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::decode::decode_reduced;
use crate::transforms::Picture;

/// Decoded images of one list of items, up to a number of bytes; shared by the loaders of many epochs.
///
/// Images that come after the budget is used up are decoded again each time; nothing is ever thrown out, as an epoch
/// visits every image once and any order of eviction would only exchange one for another.
#[derive(Debug)]
pub struct DecodedCache {
    images: Vec<OnceLock<Arc<Picture>>>,
    used: AtomicUsize,
    budget: usize,
    shorter: Option<u32>,
}

impl DecodedCache {
    /// The usual budget: 512 MiB.
    pub const DEFAULT_BUDGET: usize = 512 << 20;

    /// An empty cache for a list of `items` images that keeps at most `budget` bytes of pixels.
    pub fn new(items: usize, budget: usize) -> Self {
        let images = (0..items).map(|_| OnceLock::new()).collect();
        DecodedCache { images, used: AtomicUsize::new(0), budget, shorter: None }
    }

    /// The same, whose images are decoded as [`decode_reduced`](super::decode_reduced) does with `shorter`.
    pub fn reduced(mut self, shorter: Option<u32>) -> Self {
        self.shorter = shorter;
        self
    }

    /// The shorter side that images are reduced to at most; `None` where they are not.
    pub fn shorter(&self) -> Option<u32> {
        self.shorter
    }

    /// Image number `index`, from memory or from the file at `path`.
    ///
    /// # Errors
    /// As [`decode`](super::decode()); failures are not remembered.
    pub fn get_or_decode(&self, index: usize, path: &Path) -> Result<Arc<Picture>, String> {
        let slot = self.images.get(index);
        if let Some(image) = slot.and_then(OnceLock::get) {
            return Ok(Arc::clone(image));
        }
        let image = Arc::new(decode_reduced(path, self.shorter)?);
        let bytes = image.as_raw().len();
        if let Some(slot) = slot
            && self.reserve(bytes)
            && slot.set(Arc::clone(&image)).is_err()
        {
            // Another thread was faster with the same image.
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        Ok(image)
    }

    /// Bytes of pixels that are held.
    pub fn bytes(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn reserve(&self, bytes: usize) -> bool {
        let grown = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.budget);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok()
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
            assert_eq!(cache.get_or_decode(i, path).unwrap().get_pixel(0, 0).0, [i as u8; 3]);
        }
        assert_eq!(cache.bytes(), 600);
        paths.iter().for_each(|path| std::fs::remove_file(path).unwrap());
        assert!(cache.get_or_decode(0, &paths[0]).is_ok() && cache.get_or_decode(1, &paths[1]).is_ok());
        assert!(cache.get_or_decode(2, &paths[2]).is_err());
    }

    #[test]
    fn an_image_that_two_threads_decode_counts_once() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.png");
        RgbImage::new(50, 50).save(&path).unwrap();
        let cache = DecodedCache::new(1, DecodedCache::DEFAULT_BUDGET);
        std::thread::scope(|scope| {
            (0..8).for_each(|_| drop(scope.spawn(|| cache.get_or_decode(0, &path).unwrap())));
        });
        assert_eq!(cache.bytes(), 7500);
    }
}
