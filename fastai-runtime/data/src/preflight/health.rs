//! The result of preflight: what every image of a data set revealed.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use fastai_dsl::Valid;
use serde::Serialize;

use super::known::Stamp;
use super::labels::FarLabels;
use super::looks::Looks;
use super::sizes::Sizes;
use crate::DecodeError;
use crate::decode::Remark;
use crate::sealed::short_digest;

/// Preflight's observations about a data set that training can use.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Health {
    /// Files examined.
    pub images: usize,
    /// Files decoded; the others were known from an earlier run.
    pub decoded: usize,
    /// Files left out because they cannot be decoded, with the reason.
    pub skipped: Vec<(PathBuf, DecodeError)>,
    /// Training images left out because a validation image has identical bytes, with that image.
    pub dropped: Vec<[PathBuf; 2]>,
    /// Training images kept although a validation image has identical bytes, with that image.
    pub kept: Vec<[PathBuf; 2]>,
    /// Pairs within one part, or of training and test, with identical bytes, whose labels do not differ.
    pub identical: Vec<[PathBuf; 2]>,
    /// Pairs with identical bytes and different labels.
    pub contradictory: Vec<[PathBuf; 2]>,
    /// Pairs of a training and a validation image that show nearly the same, which makes the validation image a poor test.
    /// Images with hardly any pattern, such as blank tiles, are in none. Of a split that holds out each fold in turn, the pairs
    /// that some fold parts, each once.
    pub near: Vec<[PathBuf; 2]>,
    /// At most five images without which there would be no such pair; empty if there is none, or if more would have to go.
    pub removable: Vec<PathBuf>,
    /// A split of the same images that parts hardly any such pair; `None` if there are none or a few images make them, or if no
    /// split that was tried does.
    pub together: Option<Together>,
    /// Which of these lists are truncated.
    pub cut: Truncated,
    /// Classes whose training images were all left out.
    pub untrained: Vec<String>,
    /// Classes without a validation image, in any fold of a split that holds out each in turn.
    pub unmeasured: Vec<String>,
    /// Classes of which some folds hold out no image and others do, of a split that holds out each fold in turn.
    pub lacking: Vec<FoldsWithout>,
    /// Where the labels of a regression lie, if a network can hardly learn them as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub far_labels: Option<FarLabels>,
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

/// What preflight saw of a file: what determines its copy, and what tells whether it is still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SoundFile {
    /// Width and height, upright, pixels.
    pub(crate) sides: [u32; 2],
    /// Digest of the file's bytes.
    pub(crate) digest: [u8; 16],
    /// `None` where the system does not tell it.
    stamp: Option<Stamp>,
}

impl SoundFile {
    pub(crate) fn shorter_side(&self) -> u32 {
        self.sides[0].min(self.sides[1])
    }

    /// Whether a file that was read now, with these properties and bytes, has the content that preflight saw. The bytes tell it
    /// only where the stamp differs, as after a `touch`.
    pub(crate) fn is_still(&self, metadata: &Metadata, bytes: &[u8]) -> bool {
        self.stamp.is_none_or(|stamp| Stamp::of_file(metadata) == Some(stamp)) || short_digest(bytes) == self.digest
    }
}

impl Health {
    /// Returns the first 16 bytes of the BLAKE3 digest of a file's content; `None` for a file that was not examined.
    pub fn content(&self, path: &Path) -> Option<[u8; 16]> {
        self.files.get(path).map(|file| file.digest)
    }

    /// Records a file that decodes without an error.
    pub(super) fn sound(&mut self, path: &Path, looks: &Looks, stamp: Option<Stamp>) {
        let file = SoundFile { sides: [looks.width, looks.height], digest: looks.digest, stamp };
        self.files.insert(path.to_path_buf(), file);
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
    pub fn pairs(&self, root: &Path) -> Vec<(String, Vec<[String; 2]>)> {
        let below = |path: &PathBuf| path.strip_prefix(root).unwrap_or(path).display().to_string();
        let Truncated { contradictory, identical, near } = self.cut;
        let kinds = [
            ("Training images with the bytes of a validation image, left out", &self.dropped, false),
            ("Training images with the bytes of a validation image, trained on", &self.kept, false),
            ("The same bytes, different labels", &self.contradictory, contradictory),
            ("The same bytes", &self.identical, identical),
            ("A training and a validation image that show nearly the same", &self.near, near),
        ];
        let title = |what: &str, cut: bool| if cut { format!("{what}, the first") } else { what.to_string() };
        let listed = kinds.into_iter().filter(|(_, list, _)| !list.is_empty());
        let named = |list: &Vec<[PathBuf; 2]>| list.iter().map(|pair| pair.each_ref().map(below)).collect();
        listed.map(|(what, list, cut)| (title(what, cut), named(list))).collect()
    }
}

/// Folds that hold out no image of these classes, of a split that holds out each in turn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoldsWithout {
    /// The numbers of the folds, from 1, ascending.
    pub folds: Vec<usize>,
    /// The classes, in the order of their numbers.
    pub classes: Vec<String>,
}

/// A split of the same images that parts hardly any pair that shows nearly the same: at most a tenth as many.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Together {
    /// The split. It leaves some images of each class for training, and holds some out where the recipe's split does. The number
    /// that it holds out of each class, and of all images, lies between the share asked for and the number that the recipe's
    /// split holds out, give or take a third of that share or one image.
    pub split: Valid,
    /// The pairs of which it holds out one image alone, in some fold if it holds out each in turn.
    pub parted: usize,
}
