//! Finds training images that resemble validation images, in nearly linear time.
//!
//! Comparing each image with each would take days for a million. Instead, the training images are sorted several times by
//! a hash under which similar images are likely to be neighbours, and each validation image is compared with those around
//! its place. A hash consists of signs of random projections of the thumbnail's pattern: two patterns with a correlation of
//! 0.97 differ in one of 13 signs on average, and in one of 22 with 0.99, so their hashes begin alike.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rayon::prelude::*;

use super::looks::Sight;
use crate::progress::StopSignal;
use crate::random::{Stream, below};

/// Orders that one transform of a thumbnail yields: 256 projections, 32 for each hash.
const ORDERS: usize = 8;
/// Transforms, each with random signs of its own.
const ROUNDS: usize = 2;
/// Images in a row that do not resemble an image, at which the search along an order ends.
const MISSES: usize = 32;
/// Validation images compared at a time.
const CHUNK: usize = 256;
/// Numbers that are transformed: a thumbnail and zeros.
const LANES: usize = 256;

/// A hash for each order.
type Hashes = [u32; ORDERS];

/// Returns the pairs of a training image and a validation image that resemble each other without being equal, in the order
/// of the validation images, and whether the list was ended at `most` pairs. Pairs that only just count as similar may be
/// missed.
///
/// The result does not depend on the number of threads. Time grows with the number of images times its logarithm; memory is
/// some 200 bytes an image and [`CHUNK`] times `most` numbers.
pub(super) fn near(
    train: &[Sight<'_>],
    valid: &[Sight<'_>],
    most: usize,
    stop: &StopSignal,
) -> (Vec<[PathBuf; 2]>, bool) {
    let mut found: BTreeSet<(u32, u32)> = BTreeSet::new();
    let mut cut = false;
    let mean = mean(train);
    'rounds: for round in 0..ROUNDS {
        let turn = Turn::new(round, &mean);
        let hashes: Vec<Hashes> = train.par_iter().map(|sight| turn.hashes(sight)).collect();
        let wanted: Vec<Hashes> = valid.par_iter().map(|sight| turn.hashes(sight)).collect();
        for number in 0..ORDERS {
            let mut order: Vec<(u32, u32)> =
                hashes.iter().enumerate().map(|(place, hashes)| (hashes[number], place as u32)).collect();
            order.par_sort_unstable();
            for (chunk, first) in valid.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
                if stop.requested() {
                    cut = true;
                    break 'rounds;
                }
                let of_one = |(place, sight): (usize, &Sight<'_>)| {
                    around(&order, wanted[first + place][number], train, sight, most + 1)
                };
                let results: Vec<Vec<u32>> = chunk.par_iter().enumerate().map(of_one).collect();
                for (place, like) in results.into_iter().enumerate() {
                    found.extend(like.into_iter().map(|other| ((first + place) as u32, other)));
                }
                if found.len() > most {
                    cut = true;
                    break 'rounds;
                }
            }
        }
    }
    let pair = |(valid_place, train_place): (u32, u32)| {
        [train[train_place as usize].path.to_path_buf(), valid[valid_place as usize].path.to_path_buf()]
    };
    (found.into_iter().take(most).map(pair).collect(), cut)
}

/// The training images around the place of `hash` that resemble `sight`, at most `room`.
fn around(order: &[(u32, u32)], hash: u32, train: &[Sight<'_>], sight: &Sight<'_>, room: usize) -> Vec<u32> {
    let middle = order.partition_point(|(known, _)| *known < hash);
    let mut like = Vec::new();
    let mut look = |places: &mut dyn Iterator<Item = &(u32, u32)>| {
        let mut misses = 0;
        for (_, place) in places {
            if misses == MISSES || like.len() == room {
                break;
            }
            if train[*place as usize].is_near(sight) {
                like.push(*place);
                misses = 0;
            } else {
                misses += 1;
            }
        }
    };
    look(&mut order[middle..].iter());
    look(&mut order[..middle].iter().rev());
    like
}

/// The mean pattern; zeros where there is none.
fn mean(sights: &[Sight<'_>]) -> [f32; LANES] {
    let mut sums = [0.0f64; LANES];
    for sight in sights {
        let means = sight.means();
        for (place, level) in sight.levels().iter().enumerate() {
            sums[place] += f64::from(f32::from(*level) - means[place % 3]);
        }
    }
    sums.map(|sum| (sum / sights.len().max(1) as f64) as f32)
}

/// One set of random projections.
struct Turn {
    signs: [f32; LANES],
    /// What is taken off each pattern. In the second round it is the mean of all, which spreads the hashes where all images
    /// have the same layout, such as X-rays.
    centre: [f32; LANES],
}

impl Turn {
    fn new(round: usize, mean: &[f32; LANES]) -> Turn {
        let draws = Stream::new(0, "near-duplicates");
        let mut rng = draws.at(&[round as u64]);
        let signs = std::array::from_fn(|_| if below(&mut rng, 2) == 0 { 1.0 } else { -1.0 });
        Turn { signs, centre: if round % 2 == 1 { *mean } else { [0.0; LANES] } }
    }

    fn hashes(&self, sight: &Sight<'_>) -> Hashes {
        let means = sight.means();
        let mut values = [0.0; LANES];
        for (place, level) in sight.levels().iter().enumerate() {
            values[place] = (f32::from(*level) - means[place % 3] - self.centre[place]) * self.signs[place];
        }
        hadamard(&mut values);
        let mut hashes = [0; ORDERS];
        for (hash, projections) in hashes.iter_mut().zip(values.chunks_exact(LANES / ORDERS)) {
            *hash = projections.iter().fold(0, |bits, value| bits << 1 | u32::from(*value > 0.0));
        }
        hashes
    }
}

/// The Hadamard transform: sums of all numbers with the signs of the rows of a Hadamard matrix.
fn hadamard(values: &mut [f32; LANES]) {
    let mut half = 1;
    while half < LANES {
        for pair in values.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use image::{Rgb, RgbImage};

    use super::*;
    use crate::preflight::looks::Looks;
    use crate::sealed::short_digest;

    const MOST: usize = 10_000;

    fn looks(path: String, image: &RgbImage) -> (PathBuf, Looks) {
        let digest = short_digest(path.as_bytes());
        (PathBuf::from(path), Looks::new(image, digest))
    }

    fn all(looks: &[(PathBuf, Looks)]) -> Vec<Sight<'_>> {
        looks.iter().filter_map(|(path, looks)| looks.sight(path)).collect()
    }

    /// A picture of waves; `change` moves it a little, and changes its light.
    fn picture(seed: u64, change: f64) -> RgbImage {
        let draws = Stream::new(seed, "picture");
        let mut rng = draws.at(&[0]);
        let mut draw = || below(&mut rng, 10_000) as f64 / 10_000.0;
        let waves: Vec<[f64; 6]> = (0..5)
            .map(|k| [6.0 * draw() - 3.0, 6.0 * draw() - 3.0, 6.3 * draw(), draw(), draw(), draw() / f64::from(k + 1)])
            .collect();
        RgbImage::from_fn(36, 32, |x, y| {
            let (x, y) = (f64::from(x) / 36.0 + 0.03 * change, f64::from(y) / 32.0 - 0.02 * change);
            let channel = |c: usize| {
                let sum: f64 = waves
                    .iter()
                    .map(|wave| {
                        (0.4 + wave[2 + (c + 1) % 3]) * wave[5] * (4.0 * (wave[0] * x + wave[1] * y) + wave[2]).sin()
                    })
                    .sum();
                (128.0 + 70.0 * sum + 5.0 * change).clamp(0.0, 255.0) as u8
            };
            Rgb([channel(0), channel(1), channel(2)])
        })
    }

    /// The pairs that comparing each with each finds.
    fn exhaustive(train: &[Sight<'_>], valid: &[Sight<'_>]) -> HashSet<[PathBuf; 2]> {
        let of_one = |seen: &Sight<'_>| {
            let like = train.iter().filter(|other| other.is_near(seen));
            like.map(|other| [other.path.to_path_buf(), seen.path.to_path_buf()]).collect::<Vec<_>>()
        };
        valid.par_iter().flat_map_iter(of_one).collect()
    }

    #[test]
    fn neighbours_in_sixteen_orders_are_nearly_all_similar_images() {
        let train: Vec<_> = (0..3000).map(|i| looks(format!("train/{i}"), &picture(i, 0.0))).collect();
        // A third of the validation images resembles a training image, from hardly changed to just similar.
        let image =
            |i: u64| if i.is_multiple_of(3) { picture(i, (i % 10) as f64 / 10.0) } else { picture(9_000 + i, 0.0) };
        let valid: Vec<_> = (0..900).map(|i| looks(format!("valid/{i}"), &image(i))).collect();
        let (train, valid) = (all(&train), all(&valid));
        let wanted = exhaustive(&train, &valid);
        let (found, cut) = near(&train, &valid, MOST, &StopSignal::default());
        let found: HashSet<[PathBuf; 2]> = found.into_iter().collect();
        assert!(!cut && wanted.len() > 200, "{}", wanted.len());
        assert!(found.is_subset(&wanted));
        assert!(found.len() * 1000 >= wanted.len() * 998, "{} of {}", found.len(), wanted.len());
    }

    /// Tiles of one pattern, hardly different from each other: each resembles each.
    fn tiles(count: usize, side: &str) -> Vec<(PathBuf, Looks)> {
        let tile = |i: usize| {
            let image = RgbImage::from_fn(9, 8, |x, y| Rgb([20 * x as u8, 30 * y as u8, 200 + (i % 2) as u8]));
            looks(format!("{side}/{i}"), &image)
        };
        (0..count).map(tile).collect()
    }

    #[test]
    fn tiles_by_the_thousand_are_cut_off() {
        let (train, valid) = (tiles(20_000, "train"), tiles(5_000, "valid"));
        let (train, valid) = (all(&train), all(&valid));
        let stop = StopSignal::default();
        // All of them are 100,000,000 pairs.
        let (pairs, cut) = near(&train, &valid, 1_000, &stop);
        assert_eq!((pairs.len(), cut), (1_000, true));
        assert_eq!(pairs[0], [PathBuf::from("train/0"), PathBuf::from("valid/0")]);
        // What is not cut is whole, and a list that is just full is too.
        let whole = near(&train[..30], &valid[..300], MOST, &stop);
        assert_eq!((whole.0.len(), whole.1), (9_000, false));
        let full = near(&train[..30], &valid[..300], 9_000, &stop);
        assert_eq!(full, whole);
        let (pairs, cut) = near(&train[..30], &valid[..300], 8_999, &stop);
        assert_eq!((pairs.len(), cut), (8_999, true));
        stop.request();
        assert!(near(&train, &valid, 1_000, &stop).1, "an interrupted search may be incomplete");
    }

    #[test]
    #[ignore = "needs photos: FASTAI_TEST_DATA=FOLDER"]
    fn photos_that_resemble_each_other_are_found_as_by_comparing_all() {
        let folder = std::env::var_os("FASTAI_TEST_DATA").expect("FASTAI_TEST_DATA names a folder of images");
        let files = crate::image_files(&[PathBuf::from(folder)]).unwrap();
        let looks: Vec<(PathBuf, Looks)> =
            files.par_iter().filter_map(|file| Some((file.clone(), Looks::of(file, 16).ok()?.0))).collect();
        let sights = all(&looks);
        let (valid, train): (Vec<_>, Vec<_>) = sights.into_iter().enumerate().partition(|(i, _)| i.is_multiple_of(5));
        let [train, valid] = [train, valid].map(|part| part.into_iter().map(|(_, sight)| sight).collect::<Vec<_>>());
        let wanted = exhaustive(&train, &valid);
        let found: HashSet<[PathBuf; 2]> = near(&train, &valid, MOST, &StopSignal::default()).0.into_iter().collect();
        println!("{} and {} images: {} of {} pairs", train.len(), valid.len(), found.len(), wanted.len());
        assert!(found.is_subset(&wanted));
        assert!(found.len() * 100 >= wanted.len() * 99, "{} of {}", found.len(), wanted.len());
    }
}
