//! Peak memory of an epoch of loading against the number of images: `tools/epoch_memory.sh`.
//!
//! Makes 10,000 JPEG files of 320 x 240 pixels, then, each in a process of its own, loads an epoch of 1,000, 3,000 and
//! 10,000 of them through the training pipeline at 224 pixels in batches of 64 on two threads: once decoding every image,
//! once with the memory for decoded images that training has (256 MiB, of which 10,000 of these images need 2.3 GB).

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use fastai_dsl::{Stats, TransformSet, Transforms};
use fastai_runtime::data::{DecodedCache, Item, LoadFn, LoadJob, Loader, Reading, SeenFiles, Target};
use fastai_runtime::random::{Stream, permutation};
use fastai_runtime::transforms::Transform;
use image::{Rgb, RgbImage};

const SIZE: usize = 224;
/// By so much the peak may grow between numbers of images, MiB.
const MOST_GROWTH: u64 = 24;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [folder, count, cached] => measure(Path::new(folder), count.parse().expect("a count"), cached == "cached"),
        _ => compare(),
    }
}

/// Runs itself once for each number of images.
fn compare() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for i in 0..10_000u32 {
        let shade = |v: u32| (v.wrapping_mul(i % 7 + 1) / 2) as u8;
        let image = RgbImage::from_fn(320, 240, |x, y| Rgb([shade(x), shade(y), (i % 256) as u8]));
        image.save(folder.path().join(format!("{i:05}.jpg"))).expect("room for the images");
    }
    println!("images  decoded images kept  peak memory");
    let peaks = [("plain", "none"), ("cached", "up to 256 MiB")].map(|(cached, kept)| {
        ["1000", "3000", "10000"].map(|count| {
            let program = std::env::current_exe().expect("the path of this program");
            let output = Command::new(program).arg(folder.path()).args([count, cached]).output().expect("a process");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let peak: u64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number");
            println!("{count:>6}  {kept:19}  {} MiB", peak >> 10);
            peak
        })
    });
    let [plain, cached] = peaks;
    // Ten times the images may take the room of their names and order, and 3,000 of them fill what is kept.
    let grown = [plain[2].saturating_sub(plain[0]), cached[2].saturating_sub(cached[1])].map(|kib| kib >> 10);
    assert!(grown.iter().all(|mib| *mib <= MOST_GROWTH), "memory grows with the number of images: by {grown:?} MiB");
    let over = (cached[2] >> 10).saturating_sub(plain[2] >> 10);
    assert!(over <= 512 + MOST_GROWTH, "{over} MiB are kept, not 512");
    println!("flat: {} and {} MiB more for the last step up", grown[0], grown[1]);
}

fn measure(folder: &Path, count: usize, cached: bool) {
    let item =
        |i: usize| Item { id: i.to_string(), path: folder.join(format!("{i:05}.jpg")), target: Target::Unlabelled };
    let items: Arc<[Item]> = (0..count).map(item).collect();
    let transforms = Transforms { max_zoom: [1.0, 1.1], ..Transforms::new(TransformSet::SideOn, SIZE as u32) };
    let transform = Transform::new(&transforms, Stats::IMAGENET);
    let load: Arc<LoadFn> = Arc::new(move |visit, image, out| {
        transform.train(image, Stream::new(1, "transform").address(&[visit.index as u64]), out);
    });
    let job = LoadJob {
        items,
        order: permutation(&mut Stream::new(1, "order").at(&[]), count),
        batches: (0..count.div_ceil(64)).map(|b| 64 * b..count.min(64 * b + 64)).collect(),
        values_per_image: 3 * SIZE * SIZE,
        load,
        threads: 2,
        reading: Reading::Files,
        seen: SeenFiles::default(),
        demand: fastai_runtime::data::Demand::FULL,
        cache: cached.then(|| Arc::new(DecodedCache::new(count, DecodedCache::DEFAULT_BUDGET))),
    };
    let images: usize = Loader::<f32>::new(job).expect("threads").map(|batch| batch.indices.len()).sum();
    assert_eq!(images, count);
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    println!("{}", peak.trim().strip_suffix(" kB").expect("in kB"));
}
