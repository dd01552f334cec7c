//! What a loader leaves behind. Alone in its process, so that nothing else is counted.
#![cfg(target_os = "linux")]

use std::sync::Arc;

use fastai_runtime::data::{Item, LoadFn, LoadJob, Loader, Target};

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
            cache: None,
        };
        let taken = if number % 3 == 2 { 1 } else { usize::MAX };
        let failures = Loader::new(job).unwrap().take(taken).filter(Result::is_err).count();
        assert_eq!(failures, usize::from(number % 4 == 1 && taken > 1));
    };
    std::panic::set_hook(Box::new(|_| {}));
    (0..20).for_each(epoch);
    let before = held();
    (20..120).for_each(epoch);
    let after = held();
    // One batch an epoch would be 300 MB.
    assert!(after[0] < before[0] + 30_000, "{before:?} then {after:?} KiB, threads, files");
    assert_eq!(after[1..], before[1..], "threads and open files");
}
