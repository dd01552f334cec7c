//! The result of preflight: what every image of a data set revealed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::sizes::Sizes;
use crate::decode::Remark;
use crate::findings::{names, number, shorten};

/// The number of image pairs that a note names.
const NAMED: usize = 2;

/// Preflight's observations about a data set that training can use.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Health {
    /// Files examined.
    pub images: usize,
    /// Files decoded; the others were known from an earlier run.
    pub decoded: usize,
    /// Files left out because they cannot be decoded, with the reason.
    pub skipped: Vec<(PathBuf, String)>,
    /// Training images left out because a validation image has identical bytes, with that image.
    pub dropped: Vec<[PathBuf; 2]>,
    /// Training images kept although a validation image has identical bytes, with that image.
    pub kept: Vec<[PathBuf; 2]>,
    /// Pairs within one part, or of training and test, with identical bytes.
    pub identical: Vec<[PathBuf; 2]>,
    /// Pairs with identical bytes and different labels.
    pub contradictory: Vec<[PathBuf; 2]>,
    /// Pairs of a training and a validation image that look nearly alike, which makes the validation image a poor test.
    pub near: Vec<[PathBuf; 2]>,
    /// Which of these lists are truncated.
    pub cut: Truncated,
    /// Classes whose training images were all left out.
    pub untrained: Vec<String>,
    /// Classes without a validation image.
    pub unmeasured: Vec<String>,
    /// Largest image side that the network sees, pixels.
    pub size: u32,
    /// Images whose shorter side is below `size` and which are therefore enlarged.
    pub enlarged: usize,
    /// Image sizes of the training, validation and test parts.
    pub sizes: [Sizes; 3],
    /// Images that were not examined.
    pub unseen: usize,
    /// JPEGs with coded data beyond their last pixel, and how many bytes.
    pub surplus: Vec<(PathBuf, u64)>,
    /// 16-bit images that use so few bits that they are nearly black, and how many bits.
    pub dark: Vec<(PathBuf, u32)>,
    /// Every valid file.
    #[serde(skip)]
    pub(crate) files: HashMap<PathBuf, SoundFile>,
}

/// Which lists of pairs are truncated, at 10,000 pairs or where a search was interrupted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Truncated {
    /// [`Health::contradictory`].
    pub contradictory: bool,
    /// [`Health::identical`].
    pub identical: bool,
    /// [`Health::near`].
    pub near: bool,
}

/// The properties of a file that determine its copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SoundFile {
    /// Width and height, upright, pixels.
    pub(crate) sides: [u32; 2],
    /// Digest of the file's bytes.
    pub(crate) digest: [u8; 16],
}

impl SoundFile {
    pub(crate) fn shorter_side(&self) -> u32 {
        self.sides[0].min(self.sides[1])
    }
}

impl Health {
    /// Returns the first 16 bytes of the BLAKE3 digest of a file's content; `None` for a file that was not examined.
    pub fn content(&self, path: &Path) -> Option<[u8; 16]> {
        self.files.get(path).map(|file| file.digest)
    }

    /// Records what is remarkable about a file.
    pub(crate) fn remark(&mut self, path: &Path, remark: Option<Remark>) {
        match remark {
            Some(Remark::Surplus(bytes)) => self.surplus.push((path.to_path_buf(), bytes)),
            Some(Remark::Bits(bits)) => self.dark.push((path.to_path_buf(), bits)),
            None => {}
        }
    }

    /// Returns all pairs of images that [`notes`](Self::notes) mentions, by kind; paths are relative to `root`.
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

    /// Returns the warnings, one line each; paths are relative to `root`.
    pub fn notes(&self, root: &Path) -> Vec<String> {
        self.lines(root, ": `fastai show` lists them")
    }

    /// Like [`notes`](Self::notes), followed by the lists of [`pairs`](Self::pairs).
    pub fn notes_with_lists(&self, root: &Path) -> Vec<String> {
        self.lines(root, ", listed on the page")
    }

    /// `elsewhere` states where the unnamed pairs are listed.
    fn lines(&self, root: &Path, elsewhere: &str) -> Vec<String> {
        let mut notes = Vec::new();
        let below = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
        let first_pairs = |list: &[[PathBuf; 2]], named: usize| {
            let pair = |[a, b]: &[PathBuf; 2]| match a == b {
                true => format!("{}, listed twice", below(a)),
                false => format!("{} and {}", below(a), below(b)),
            };
            let text: Vec<String> = list.iter().take(named).map(pair).collect();
            let more = list.len() - text.len();
            text.join("; ") + &if more > 0 { format!("; and {more} more{elsewhere}") } else { String::new() }
        };
        let pairs = |list: &[[PathBuf; 2]]| first_pairs(list, NAMED);
        let count = |list: &[[PathBuf; 2]], cut: bool, one: &str, many: &str| match (list.len(), cut) {
            (1, false) => format!("1 {one}"),
            (n, false) => format!("{n} {many}"),
            (n, true) => format!("at least {n} {many}"),
        };
        if self.unseen > 0 {
            notes.push(format!(
                "{} of {} images were examined, as `preflight` says; whether the others can be decoded shows when they are \
                 read",
                self.images,
                self.images + self.unseen
            ));
        }
        if !self.surplus.is_empty() {
            let list: Vec<String> =
                self.surplus.iter().map(|(path, bytes)| format!("{} ({bytes} bytes)", below(path))).collect();
            let images = number(list.len(), "JPEG has", "JPEGs have");
            notes.push(format!(
                "{images} data beyond the last pixel, which are ignored; if the picture looks shifted, the file is damaged: \
                 {}",
                shorten(&list, 3)
            ));
        }
        if let Some(most) = self.dark.iter().map(|(_, bits)| *bits).max() {
            let list: Vec<String> =
                self.dark.iter().map(|(path, bits)| format!("{} ({bits} bits)", below(path))).collect();
            let images = number(list.len(), "16-bit image uses", "16-bit images use");
            // Sensors give 10, 12 or 14 bits.
            let (their, are) = if list.len() == 1 { ("its", "is") } else { ("their", "are") };
            let bits = [8, 10, 12].into_iter().find(|bits| *bits >= most).unwrap_or(12);
            notes.push(format!(
                "{images} at most {most} of {their} bits and {are} nearly black: `bits: {bits}` in `transforms` scales them: {}",
                shorten(&list, 3)
            ));
        }
        if !self.skipped.is_empty() {
            let list: Vec<String> =
                self.skipped.iter().map(|(path, reason)| format!("{}: {reason}", below(path))).collect();
            let images = number(list.len(), "image cannot be decoded and is", "images cannot be decoded and are");
            notes.push(format!("{images} left out: {}", shorten(&list, 5)));
        }
        if !self.dropped.is_empty() {
            let images = number(self.dropped.len(), "training image has", "training images have");
            let are = if self.dropped.len() == 1 { "is" } else { "are" };
            notes.push(format!(
                "{images} the very bytes of a validation image and {are} left out (`duplicates: keep` trains on them): {}",
                pairs(&self.dropped)
            ));
        }
        if !self.kept.is_empty() {
            let images = number(self.kept.len(), "training image has", "training images have");
            let are = if self.kept.len() == 1 { "is" } else { "are" };
            notes.push(format!(
                "{images} the very bytes of a validation image, and {are} trained on as `duplicates: keep` says: {}",
                pairs(&self.kept)
            ));
        }
        if !self.contradictory.is_empty() {
            notes.push(format!(
                "{} the same bytes and different labels: {}",
                count(&self.contradictory, self.cut.contradictory, "pair of images has", "pairs of images have"),
                pairs(&self.contradictory)
            ));
        }
        if !self.identical.is_empty() {
            notes.push(format!(
                "{} the same bytes: {}",
                count(&self.identical, self.cut.identical, "pair of images has", "pairs of images have"),
                pairs(&self.identical)
            ));
        }
        if !self.near.is_empty() {
            let (one, many) =
                ("pair of a training and a validation image shows", "pairs of a training and a validation image show");
            notes.push(format!(
                "{} nearly the same, which flatters what is measured: {}; `valid: blocks(..)`, `grouped(..)` or \
                 `indices(..)` can keep such images on one side",
                count(&self.near, self.cut.near, one, many),
                first_pairs(&self.near, 1)
            ));
        }
        if !self.untrained.is_empty() {
            let classes = number(
                self.untrained.len(),
                "class cannot be learned, as all its",
                "classes cannot be learned, as all their",
            );
            notes.push(format!("{classes} training images are left out: {}", names(&self.untrained, 5)));
        }
        if !self.unmeasured.is_empty() {
            let known = if self.unmeasured.len() == 1 { "it is" } else { "they are" };
            let classes = number(self.unmeasured.len(), "class has", "classes have");
            notes.push(format!(
                "{classes} no validation image, so nothing says how well {known} known: {}",
                names(&self.unmeasured, 5)
            ));
        }
        if self.enlarged > 0 {
            let images = match (self.enlarged, self.images) {
                (1, 1) => "the image has a shorter side".to_string(),
                (1, all) => format!("1 of {all} images has a shorter side"),
                (some, all) if some == all => format!("all {all} images have a shorter side"),
                (some, all) => format!("{some} of {all} images have a shorter side"),
            };
            let are = if self.enlarged == 1 { "is" } else { "are" };
            notes.push(format!("{images} below {} pixels and {are} enlarged", self.size));
        }
        notes
    }
}
