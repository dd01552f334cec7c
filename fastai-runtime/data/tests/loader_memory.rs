//! What a loader leaves behind. Alone in its process, so that nothing else is counted.
#![cfg(target_os = "linux")]

use std::sync::Arc;

use fastai_data::{Budget, Item, LoadFn, LoadJob, Loader, Reading, SeenFiles, Target};
use fastai_data::{ImageExamples, ImageSet, Preparation, Traversal};
use fastai_dsl::{Augmentation, Decode, Stats, TransformSet, Transforms};

/// What the system counts for this process: resident memory in KiB, threads, open files.
fn held() -> [usize; 3] {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let number = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    [number("VmRSS:"), number("Threads:"), std::fs::read_dir("/proc/self/fd").unwrap().count()]
}

#[test]
fn a_hundred_epochs_hold_no_more_than_a_few() {
    of_a_loader();
    of_examples();
}

/// Fails if a hundred epochs leave that much behind.
fn leaves_nothing(kib: usize, epoch: impl Fn(usize)) {
    (0..20).for_each(&epoch);
    let before = held();
    (20..120).for_each(&epoch);
    let after = held();
    assert!(after[0] < before[0] + kib, "{before:?} then {after:?} KiB, threads, files");
    assert_eq!(after[1..], before[1..], "threads and open files");
}

/// Batches of a trivial closure: whole, broken off and failing epochs.
fn of_a_loader() {
    let folder = tempfile::tempdir().unwrap();
    let item = |i: usize| {
        let path = folder.path().join(format!("{i}.png"));
        image::RgbImage::from_pixel(64, 48, image::Rgb([i as u8; 3])).save(&path).unwrap();
        Item { id: i.to_string(), path, target: Target::Unlabelled }
    };
    let items: Arc<[Item]> = (0..12).map(item).collect();
    let epoch = |number: usize| {
        // 3 MB a batch: what a batch leaves behind would show. Every third epoch is broken off, every fourth fails.
        let load: Arc<LoadFn> = Arc::new(move |visit, _, to| {
            assert!(number % 4 != 1 || visit.index != 5, "number 5 fails");
            to.fill(1.0);
        });
        let job = LoadJob {
            items: Arc::clone(&items),
            order: (0..12).collect(),
            batches: (0..3).map(|b| 4 * b..4 * b + 4).collect(),
            values_per_image: 200_000,
            load,
            threads: 3,
            reading: Reading::Files,
            seen: SeenFiles::default(),
            demand: fastai_data::Demand::FULL,
            cache: None,
        };
        let taken = if number % 3 == 2 { 1 } else { usize::MAX };
        let failures = Loader::<f32>::new(job).unwrap().take(taken).filter(|batch| !batch.broken.is_empty()).count();
        assert_eq!(failures, usize::from(number % 4 == 1 && taken > 1));
    };
    std::panic::set_hook(Box::new(|_| {}));
    // One batch an epoch would be 300 MB.
    leaves_nothing(30_000, epoch);
}

/// Training epochs of photos, decoded, augmented and half of them kept; every second one at another size, for which what is
/// kept is thrown away, and some broken off.
fn of_examples() {
    let folder = tempfile::tempdir().unwrap();
    let item = |i: u32| {
        let path = folder.path().join(format!("{i}.jpg"));
        let shade = |v: u32| (v * (i + 3) / 2) as u8;
        image::RgbImage::from_fn(400, 300, |x, y| image::Rgb([shade(x), shade(y), shade(x ^ y)])).save(&path).unwrap();
        Item { id: i.to_string(), path, target: Target::Unlabelled }
    };
    let items: Vec<Item> = (0..12).map(item).collect();
    let budget = Arc::new(Budget::new(6 * 400 * 300 * 3));
    let set = ImageSet::within(&items, &budget);
    let transforms = Transforms {
        max_zoom: [1.0, 1.1],
        decode: Decode::Reduced,
        augment: vec![Augmentation::TrivialAugment],
        ..Transforms::new(TransformSet::SideOn, 96)
    };
    let preparation = Preparation { transforms, stats: Stats::IMAGENET, batch: 4, workers: 3, seed: 42 };
    leaves_nothing(12_000, |epoch| {
        let examples = ImageExamples::new(set.clone(), preparation.at_size([96, 200][epoch % 2]));
        let pass = Traversal::Shuffled { stage: 0, epoch: epoch as u64 };
        let taken = if epoch % 5 == 4 { 1 } else { 3 };
        let batches = examples.load(&pass, 0).unwrap().take(taken);
        assert_eq!(batches.map(Result::unwrap).map(|batch| batch.indices.len()).sum::<usize>(), 4 * taken);
        assert!(budget.used() <= 6 * 400 * 300 * 3 && budget.used() > 0, "{}", budget.used());
    });
    drop(set);
    assert_eq!(budget.used(), 0);
}
