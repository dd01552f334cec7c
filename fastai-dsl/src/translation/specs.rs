//! The sections of an imported recipe, as far as they are known.

use crate::draft::commas;
use crate::recipe::TransformSet;

/// Keys with their values as recipe text.
pub(super) type Keys = Vec<(&'static str, String)>;

/// `data`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DataSpec {
    pub(super) source: &'static str,
    pub(super) keys: Keys,
    pub(super) batch: Option<u32>,
    pub(super) transforms: Option<TransformSpec>,
    pub(super) is_regression: bool,
}

/// `transforms`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TransformSpec {
    pub(super) set: TransformSet,
    pub(super) size: Option<u32>,
    pub(super) keys: Keys,
}

/// `model`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ModelSpec {
    pub(super) arch: String,
    pub(super) keys: Keys,
}

impl DataSpec {
    pub(super) fn section(&self) -> String {
        format!("data: {}", block(self.source, &self.keys))
    }

    /// Whether two data sets differ in nothing that a run could not change on its way: size, batch and augmentation.
    pub(super) fn is_same_source(&self, other: &DataSpec) -> bool {
        let rest = |d: &DataSpec| {
            let fixed = |(key, _): &&(&str, String)| !matches!(*key, "batch" | "resize_to" | "workers");
            (d.source, d.keys.iter().filter(fixed).cloned().collect::<Vec<_>>())
        };
        rest(self) == rest(other)
    }

    pub(super) fn set(&mut self, key: &'static str, value: String) {
        match self.keys.iter_mut().find(|(k, _)| *k == key) {
            Some((_, old)) => *old = value,
            None => self.keys.push((key, value)),
        }
    }

    pub(super) fn unset(&mut self, key: &str) {
        self.keys.retain(|(k, _)| *k != key);
    }

    /// The side of the images' copies.
    pub(super) fn copies(&self) -> Option<u32> {
        self.keys.iter().find(|(key, _)| *key == "resize_to")?.1.parse().ok()
    }
}

impl TransformSpec {
    pub(super) fn section(&self) -> String {
        let size = self.size.map_or("224".to_string(), |size| size.to_string());
        let keys: Keys = [("size", size)].into_iter().chain(self.keys.iter().cloned()).collect();
        format!("transforms: {}", block(self.set.word(), &keys))
    }

    pub(super) fn at_size(&self, size: Option<u32>) -> Self {
        TransformSpec { size, ..self.clone() }
    }

    /// Whether images are augmented.
    pub(super) fn augments(&self) -> bool {
        self.set != TransformSet::None || self.keys.iter().any(|(key, _)| matches!(*key, "augment" | "max_zoom"))
    }
}

impl ModelSpec {
    pub(super) fn section(&self) -> String {
        format!("model: {}", if self.keys.is_empty() { self.arch.clone() } else { block(&self.arch, &self.keys) })
    }
}

fn block(word: &str, keys: &Keys) -> String {
    format!("{word} {{ {} }}", commas(keys.iter().map(|(key, value)| format!("{key}: {value}"))))
}
