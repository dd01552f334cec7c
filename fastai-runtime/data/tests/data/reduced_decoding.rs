//! `decode: reduced`: how far it is from decoding in full, on photos.

use std::path::{Path, PathBuf};

use fastai_data::random::Stream;
use fastai_data::transforms::{Pixels, Transform};
use fastai_data::{decode, decode_as};
use fastai_dsl::{Crop, Decode, Stats, TransformSet, Transforms};

/// Most that the mean of one validation image's differences may be, grey levels.
const MEAN: f32 = 4.0;
/// Most that the mean over all images may be.
const MEAN_OF_ALL: f32 = 1.5;
/// Most that one channel of one pixel may differ.
const MOST: f32 = 48.0;

fn photos() -> Option<Vec<PathBuf>> {
    let data = std::env::var_os("FASTAI_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let mut files = Vec::new();
    for class in ["cats", "dogs"] {
        let entries = std::fs::read_dir(data.join("dogscats/train").join(class)).ok()?;
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    files.sort();
    Some(files.into_iter().step_by(12).collect())
}

fn transform(size: u32, decode: Decode) -> Transform {
    let config = Transforms { max_zoom: [1.0, 1.1], decode, ..Transforms::new(TransformSet::SideOn, size) };
    Transform::new(&config, Stats::NONE)
}

/// Mean and largest difference of two images, grey levels.
fn difference(a: &[f32], b: &[f32]) -> (f32, f32) {
    let apart = a.iter().zip(b).map(|(a, b)| 255.0 * (a - b).abs());
    (apart.clone().sum::<f32>() / a.len() as f32, apart.fold(0.0, f32::max))
}

/// The differences of the plain images of all `files` at a size, and how many were reduced.
fn differences(files: &[PathBuf], size: u32) -> (Vec<(f32, f32)>, usize) {
    let (full, reduced) = (transform(size, Decode::Full), transform(size, Decode::Reduced));
    let mut pair = [vec![0.0; 3 * (size * size) as usize], vec![0.0; 3 * (size * size) as usize]];
    let mut smaller = 0;
    let apart = files.iter().map(|file| {
        let (whole, part) = (decode(file).unwrap(), decode_as(file, reduced.demand()).unwrap());
        smaller += usize::from(part.size() != whole.size());
        full.valid(&whole, &mut pair[0]);
        reduced.valid(&part, &mut pair[1]);
        difference(&pair[0], &pair[1])
    });
    (apart.collect(), smaller)
}

#[test]
#[ignore = "needs the data sets at $FASTAI_TEST_DATA or ../shared/data"]
fn photos_differ_by_less_than_is_seen() {
    let files = photos().expect("the photos");
    let mut failed = Vec::new();
    for size in [16, 32, 48, 64, 80] {
        let (apart, smaller) = differences(&files, size);
        let mean = apart.iter().map(|(mean, _)| mean).sum::<f32>() / apart.len() as f32;
        let worst = apart.iter().fold((0f32, 0f32), |worst, one| (worst.0.max(one.0), worst.1.max(one.1)));
        println!(
            "{size} pixels: {smaller} of {} reduced; mean {mean:.2}, worst image's mean {:.2}, largest {:.1} grey levels",
            files.len(),
            worst.0,
            worst.1
        );
        if smaller <= files.len() / 2 {
            failed.push(format!("{size}: only {smaller} were reduced"));
        }
        if mean >= MEAN_OF_ALL || worst.0 >= MEAN || worst.1 >= MOST {
            failed.push(format!("{size}: {mean} {worst:?}"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
#[ignore = "needs the data sets at $FASTAI_TEST_DATA or ../shared/data"]
fn augmented_photos_differ_as_little() {
    let files = photos().expect("the photos");
    let (full, reduced) = (transform(64, Decode::Full), transform(64, Decode::Reduced));
    let mut pair = [vec![0.0; 3 * 64 * 64], vec![0.0; 3 * 64 * 64]];
    let mut sum = 0.0;
    for (row, file) in files.iter().enumerate() {
        let address = Stream::new(1, "transform").address(&[row as u64]);
        full.train(&decode(file).unwrap(), address, &mut pair[0]);
        reduced.train(&decode_as(file, reduced.demand()).unwrap(), address, &mut pair[1]);
        let (mean, _) = difference(&pair[0], &pair[1]);
        assert!(mean < MEAN, "{}: {mean}", file.display());
        sum += mean;
    }
    assert!(sum / (files.len() as f32) < MEAN_OF_ALL, "{}", sum / files.len() as f32);
}

#[test]
fn small_images_are_decoded_in_full() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/globe/train-jpg");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.truncate(40);
    // Chips of 64 pixels: at 32 none could be reduced and keep what the zoom needs, at 16 each loses half of its sides.
    let (apart, smaller) = differences(&files, 32);
    assert_eq!(smaller, 0);
    assert!(apart.iter().all(|one| *one == (0.0, 0.0)));
    let (apart, smaller) = differences(&files, 14);
    assert_eq!(smaller, files.len());
    let worst = apart.iter().fold((0f32, 0f32), |worst, one| (worst.0.max(one.0), worst.1.max(one.1)));
    println!("chips at 14 pixels: {worst:?}");
    assert!(worst.0 < MEAN && worst.1 < MOST, "{worst:?}");
}

#[test]
fn the_largest_zoom_counts() {
    let config = |max_zoom, decode, crop| {
        let config = Transforms { max_zoom, decode, crop, ..Transforms::new(TransformSet::SideOn, 64) };
        Transform::new(&config, Stats::NONE)
    };
    let full = config([1.0, 1.5], Decode::Full, Crop::Random);
    let reduced = config([1.0, 1.5], Decode::Reduced, Crop::Random);
    assert_eq!((full.demand().shorter, reduced.demand().shorter), (None, Some(192)));
    let plain = config([1.0, 1.0], Decode::Reduced, Crop::Random);
    assert_eq!(plain.demand().shorter, Some(128));
    let googlenet = config([1.0, 1.0], Decode::Reduced, Crop::Googlenet);
    assert_eq!(googlenet.demand().shorter, None, "its crop may show a small part of the image");
}
