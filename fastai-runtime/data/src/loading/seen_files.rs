//! What preflight saw of the files of a list.

use std::sync::Arc;

use crate::preflight::SoundFile;
use crate::{Health, Item};

/// What preflight saw of each file of a list, so that one that was replaced since is not read. The default compares nothing.
#[derive(Clone, Debug, Default)]
pub struct SeenFiles(Option<Arc<[Option<SoundFile>]>>);

impl SeenFiles {
    /// What `health` has of these images.
    pub(super) fn new(items: &[Item], health: &Health) -> Self {
        SeenFiles(Some(items.iter().map(|item| health.files.get(&item.path).copied()).collect()))
    }

    /// What preflight saw of image number `index`, if it examined that.
    pub(super) fn get(&self, index: usize) -> Option<&SoundFile> {
        self.0.as_ref()?.get(index)?.as_ref()
    }
}
