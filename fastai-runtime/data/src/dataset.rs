//! The data set of a recipe: its images, their labels and the held-out part.

use std::path::PathBuf;

use fastai_dsl::{Facts, Sampler, TaskKind, Valid};

/// One image with its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The csv's image name; for labelled folders the path below the root, with slashes; for unlabelled test images the
    /// file name without its suffix.
    pub id: String,
    /// The file, absolute.
    pub path: PathBuf,
    /// The label.
    pub target: Target,
}

/// An image's label, as indices into [`Dataset::classes`].
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Exactly this class.
    Class(u32),
    /// These tags, ascending, without repetitions; possibly none.
    Tags(Vec<u32>),
    /// This number, finite.
    Value(f32),
    /// No label.
    Unlabelled,
}

impl Target {
    /// Returns the class or the tags; none of a number, and without a label.
    pub fn classes(&self) -> &[u32] {
        match self {
            Target::Class(class) => std::slice::from_ref(class),
            Target::Tags(tags) => tags,
            Target::Value(_) | Target::Unlabelled => &[],
        }
    }

    /// Returns the number, if the label is one.
    pub fn value(&self) -> Option<f32> {
        match *self {
            Target::Value(value) => Some(value),
            _ => None,
        }
    }
}

/// An opened data set. Its files exist; [`Preflight`](super::Preflight) decodes them.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The root folder of all files, absolute.
    pub root: PathBuf,
    /// Names of the classes or tags, sorted by bytes; for a regression, the single name of the measured quantity.
    pub classes: Vec<String>,
    /// What a label is.
    pub task: TaskKind,
    /// Training images, in the order of the csv file or the sorted listing.
    pub train: Vec<Item>,
    /// Validation images, in the order of the csv file or the sorted listing.
    pub valid: Vec<Item>,
    /// Test images, sorted by name.
    pub test: Vec<Item>,
    /// The split into training and validation images.
    pub split: Valid,
    /// Warnings that do not stop the run.
    pub notes: Vec<String>,
}

impl Dataset {
    /// Returns the numbers of images and classes for the plan.
    pub fn facts(&self) -> Facts {
        Facts {
            train: Some(self.train.len() as u64),
            valid: Some(self.valid.len() as u64),
            test: Some(self.test.len() as u64),
            classes: Some(self.classes.len() as u64),
        }
    }

    /// Returns the number of training images of each class or tag, by index.
    pub fn class_counts(&self) -> Vec<u64> {
        self.counts_of(&self.train)
    }

    /// Returns the number of images among `items` of each class or tag, by index. Indices beyond the classes do not count.
    pub fn counts_of(&self, items: &[Item]) -> Vec<u64> {
        let mut counts = vec![0; self.classes.len()];
        for class in items.iter().flat_map(|item| item.target.classes()) {
            if let Some(count) = counts.get_mut(*class as usize) {
                *count += 1;
            }
        }
        counts
    }

    /// Returns the sampling weight of each training image relative to the others; `None` for the shuffle, which visits each
    /// image once.
    ///
    /// The weight of an image is the reciprocal of the number of training images of its class or, with several tags, of its
    /// rarest tag. Images without a tag form a class of their own.
    ///
    /// # Panics
    /// If a label is an index beyond the classes.
    pub fn sampling_weights(&self, sampler: Sampler) -> Option<Vec<f64>> {
        if sampler == Sampler::Shuffle {
            return None;
        }
        let counts = self.class_counts();
        let untagged = self.train.iter().filter(|item| matches!(&item.target, Target::Tags(t) if t.is_empty())).count();
        let weight = |item: &Item| match &item.target {
            Target::Class(class) => 1.0 / counts[*class as usize] as f64,
            Target::Tags(tags) => {
                tags.iter().map(|tag| counts[*tag as usize]).min().map_or(1.0 / untagged as f64, |n| 1.0 / n as f64)
            }
            Target::Value(_) | Target::Unlabelled => 1.0,
        };
        Some(self.train.iter().map(weight).collect())
    }
}
