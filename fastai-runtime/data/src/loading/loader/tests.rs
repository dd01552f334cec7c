//! Order, errors and bounds of the loader.

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
        seen: SeenFiles::default(),
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

/// Fails unless so many images are loaded, and no more.
fn assert_loads(loads: &AtomicUsize, expected: usize) {
    let start = Instant::now();
    while loads.load(Ordering::SeqCst) < expected && start.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(loads.load(Ordering::SeqCst), expected);
}

/// A loader of ten batches whose images take so long each, and the number of images that it has loaded.
fn counting_loader(folder: &TempDir, threads: usize, each: Duration) -> (Loader, Arc<AtomicUsize>) {
    let loads = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&loads);
    let load: Arc<LoadFn> = Arc::new(move |_, _, _| {
        counter.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(each);
    });
    (Loader::new(LoadJob { load, ..job(&items(folder, 40), threads) }).unwrap(), loads)
}

#[test]
fn an_early_drop_stops_the_workers() {
    let folder = TempDir::new().unwrap();
    let (mut loader, loads) = counting_loader(&folder, 3, Duration::from_millis(2));
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
    let (mut loader, loads) = counting_loader(&folder, 4, Duration::ZERO);
    for taken in 1..=3 {
        loader.next().unwrap();
        assert_loads(&loads, (taken + 2) * 4);
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
    assert_loads(&loads, 24);
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
