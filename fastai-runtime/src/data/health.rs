//! What is known of a data set once every image was looked at.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::findings::{names, shorten};

/// Pairs of images that a note names.
const NAMED: usize = 2;

/// What preflight found although training may begin.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Health {
    /// Files that were looked at.
    pub images: usize,
    /// Of these, how many had to be decoded; the others were known from an earlier run.
    pub decoded: usize,
    /// Files that were left out because they cannot be decoded, with the reason.
    pub skipped: Vec<(PathBuf, String)>,
    /// Training images that were left out because a validation image has the same bytes, with that one.
    pub dropped: Vec<[PathBuf; 2]>,
    /// Training images with the bytes of a validation image that are trained on all the same, with that one.
    pub kept: Vec<[PathBuf; 2]>,
    /// Pairs of one set, or of training and test, with the same bytes.
    pub identical: Vec<[PathBuf; 2]>,
    /// Pairs with the same bytes and different labels.
    pub contradictory: Vec<[PathBuf; 2]>,
    /// A training image and a validation image that show nearly the same: the validation image is no fair question.
    pub near: Vec<[PathBuf; 2]>,
    /// Which of these lists are not complete.
    pub cut: Cut,
    /// Classes whose training images were all left out.
    pub untrained: Vec<String>,
    /// Classes without a validation image.
    pub unmeasured: Vec<String>,
    /// Shorter side that the network is shown at most, pixels.
    pub size: u32,
    /// Images whose shorter side has less pixels than `size`, and which are therefore enlarged.
    pub enlarged: usize,
    /// Images with each width and height, `[width, height, count]`, ascending.
    pub sizes: Vec<[u32; 3]>,
    /// Every sound file.
    #[serde(skip)]
    pub(super) files: HashMap<PathBuf, SoundFile>,
}

/// Which lists of pairs hold the first ones only, 10,000 or as many as were found in bounded time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cut {
    /// [`Health::contradictory`].
    pub contradictory: bool,
    /// [`Health::identical`].
    pub identical: bool,
    /// [`Health::near`].
    pub near: bool,
}

/// What copies of a file depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SoundFile {
    /// Width and height, upright, pixels.
    pub(super) sides: [u32; 2],
    /// Of the file's bytes.
    pub(super) digest: [u8; 16],
}

impl SoundFile {
    pub(super) fn shorter_side(&self) -> u32 {
        self.sides[0].min(self.sides[1])
    }
}

impl Health {
    /// Widths of all images, for a [`Histogram`].
    pub fn widths(&self) -> Vec<u32> {
        self.sides(0)
    }

    /// Heights of all images, for a [`Histogram`].
    pub fn heights(&self) -> Vec<u32> {
        self.sides(1)
    }

    fn sides(&self, which: usize) -> Vec<u32> {
        self.sizes.iter().flat_map(|size| std::iter::repeat_n(size[which], size[2] as usize)).collect()
    }

    /// All pairs of images that [`notes`](Self::notes) speaks of, under what they are; paths below `root` without it.
    pub fn pairs(&self, root: &Path) -> Vec<(&'static str, Vec<[String; 2]>)> {
        let below = |path: &PathBuf| path.strip_prefix(root).unwrap_or(path).display().to_string();
        let of = |cut: bool, all: &'static str, first: &'static str| if cut { first } else { all };
        let contradictory = of(
            self.cut.contradictory,
            "The same bytes, different labels",
            "The same bytes, different labels, the first",
        );
        let identical = of(self.cut.identical, "The same bytes", "The same bytes, the first");
        let near = of(
            self.cut.near,
            "A training and a validation image that show nearly the same",
            "A training and a validation image that show nearly the same, the first",
        );
        let kinds = [
            ("Training images with the bytes of a validation image, left out", &self.dropped),
            ("Training images with the bytes of a validation image, trained on", &self.kept),
            (contradictory, &self.contradictory),
            (identical, &self.identical),
            (near, &self.near),
        ];
        let listed = kinds.into_iter().filter(|(_, list)| !list.is_empty());
        listed.map(|(what, list)| (what, list.iter().map(|pair| pair.each_ref().map(below)).collect())).collect()
    }

    /// What somebody should know, one line a matter; paths below `root` without it.
    pub fn notes(&self, root: &Path) -> Vec<String> {
        let mut notes = Vec::new();
        let below = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
        let pairs = |list: &[[PathBuf; 2]]| {
            let pair = |[a, b]: &[PathBuf; 2]| match a == b {
                true => format!("{}, listed twice", below(a)),
                false => format!("{} and {}", below(a), below(b)),
            };
            let text: Vec<String> = list.iter().take(NAMED).map(pair).collect();
            let more = list.len() - text.len();
            text.join("; ")
                + &if more > 0 { format!("; and {more} more: `fastai show` lists them") } else { String::new() }
        };
        let count = |list: &[[PathBuf; 2]], cut: bool| match cut {
            true => format!("at least {}", list.len()),
            false => list.len().to_string(),
        };
        if !self.skipped.is_empty() {
            let list: Vec<String> =
                self.skipped.iter().map(|(path, reason)| format!("{}: {reason}", below(path))).collect();
            notes.push(format!("{} images cannot be decoded and are left out: {}", list.len(), shorten(&list, 5)));
        }
        if !self.dropped.is_empty() {
            notes.push(format!(
                "{} training images have the very bytes of a validation image and are left out (`duplicates: keep` \
                 trains on them): {}",
                self.dropped.len(),
                pairs(&self.dropped)
            ));
        }
        if !self.kept.is_empty() {
            notes.push(format!(
                "{} training images have the very bytes of a validation image, and are trained on as `duplicates: keep` \
                 says: {}",
                self.kept.len(),
                pairs(&self.kept)
            ));
        }
        if !self.contradictory.is_empty() {
            notes.push(format!(
                "{} pairs of images have the same bytes and different labels: {}",
                count(&self.contradictory, self.cut.contradictory),
                pairs(&self.contradictory)
            ));
        }
        if !self.identical.is_empty() {
            notes.push(format!(
                "{} pairs of images have the same bytes: {}",
                count(&self.identical, self.cut.identical),
                pairs(&self.identical)
            ));
        }
        if !self.near.is_empty() {
            notes.push(format!(
                "{} pairs of a training and a validation image show nearly the same, which flatters what is measured; \
                 `valid: blocks(..)`, `grouped(..)` or `indices(..)` can keep such images on one side: {}",
                count(&self.near, self.cut.near),
                pairs(&self.near)
            ));
        }
        if !self.untrained.is_empty() {
            notes.push(format!(
                "{} classes cannot be learned, as all their training images are left out: {}",
                self.untrained.len(),
                names(&self.untrained, 5)
            ));
        }
        if !self.unmeasured.is_empty() {
            notes.push(format!(
                "{} classes have no validation image, so nothing says how well they are known: {}",
                self.unmeasured.len(),
                names(&self.unmeasured, 5)
            ));
        }
        if self.enlarged > 0 {
            notes.push(format!(
                "{} of {} images have a shorter side below {} pixels and are enlarged",
                self.enlarged, self.images, self.size
            ));
        }
        notes
    }
}

/// Counts of values in bins of equal width, as `numpy.histogram` makes them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Histogram {
    /// Ends of the bins, ascending; one more than bins.
    pub edges: Vec<f64>,
    /// Values in each bin; the last one includes its upper end.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// `bins` bins from the smallest value to the largest; a single value lies in the middle of a range of 1.
    ///
    /// # Panics
    /// If `bins` is 0.
    pub fn new(values: &[u32], bins: usize) -> Histogram {
        assert!(bins > 0, "a histogram needs a bin");
        let low = values.iter().copied().min().map_or(0.0, f64::from);
        let high = values.iter().copied().max().map_or(1.0, f64::from);
        let (low, high) = if low < high || values.is_empty() { (low, high) } else { (low - 0.5, high + 0.5) };
        let width = (high - low) / bins as f64;
        let edges: Vec<f64> = (0..=bins).map(|i| if i == bins { high } else { low + width * i as f64 }).collect();
        let mut counts = vec![0; bins];
        for value in values.iter().copied().map(f64::from) {
            let guess = (((value - low) / (high - low)) * bins as f64) as usize;
            let mut bin = guess.min(bins - 1);
            // The edges decide, not the rounding of the division.
            if value < edges[bin] {
                bin -= 1;
            } else if value >= edges[bin + 1] && bin + 1 < bins {
                bin += 1;
            }
            counts[bin] += 1;
        }
        Histogram { edges, counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_as_numpy_does() {
        // numpy.histogram([1, 2, 2, 5, 9, 10, 11], 10)
        let histogram = Histogram::new(&[1, 2, 2, 5, 9, 10, 11], 10);
        assert_eq!(histogram.edges, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
        assert_eq!(histogram.counts, [1, 2, 0, 0, 1, 0, 0, 0, 1, 2]);
        // numpy.histogram([7, 7], 4)
        let histogram = Histogram::new(&[7, 7], 4);
        assert_eq!((histogram.edges[0], histogram.edges[4]), (6.5, 7.5));
        assert_eq!(histogram.counts, [0, 0, 2, 0]);
        assert_eq!(Histogram::new(&[], 3).counts, [0, 0, 0]);
    }

    /// The dog breeds' widths and heights under 1,000 pixels: smallest, largest, and counts in ten bins.
    const BREEDS: [(u32, u32, [u64; 10]); 2] = [
        (97, 982, [135, 592, 1347, 1164, 4599, 128, 76, 62, 14, 11]),
        (102, 982, [235, 733, 2205, 2979, 1807, 98, 27, 33, 7, 10]),
    ];

    #[test]
    fn sides_fall_into_the_bins_of_the_dog_breeds() {
        for (low, high, counts) in BREEDS {
            // As many sides as were counted in each bin, all of them at its ends, where a wrong edge shows first.
            let edge = |i: u64| (u64::from(low) * 10 + i * u64::from(high - low)).div_ceil(10) as u32;
            let sides: Vec<u32> = (0..10u64)
                .flat_map(|bin| {
                    let last = if bin == 9 { high } else { edge(bin + 1) - 1 };
                    let count = counts[bin as usize];
                    (0..count).map(move |i| if i % 2 == 0 { edge(bin) } else { last })
                })
                .collect();
            let histogram = Histogram::new(&sides, 10);
            assert_eq!(histogram.counts, counts);
            assert_eq!((histogram.edges[0], histogram.edges[10]), (f64::from(low), f64::from(high)));
        }
    }

    #[test]
    fn sizes_unfold_into_sides() {
        let health = Health { sizes: vec![[3, 4, 2], [5, 1, 1]], ..Health::default() };
        assert_eq!((health.widths(), health.heights()), (vec![3, 3, 5], vec![4, 4, 1]));
    }
}
