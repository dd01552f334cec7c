//! Makes the caches smaller, beside the runs that use them.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;

use super::stored::remove;
use super::{ActivationCache, StoredFile, StoredKind};
use crate::data::{Copies, FileError};
use crate::locks::enter_alone;

/// What [`ActivationCache::trim`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Files that are gone.
    pub removed: Vec<StoredFile>,
    /// Scaled copies that would be next but stay: a run reads copies of their size, or that cannot be known.
    pub in_use: Vec<StoredFile>,
}

impl ActivationCache {
    /// Removes what [`surplus`](Self::surplus) names, but no scaled copies of a size that a run reads. A run that has activations
    /// open keeps reading them.
    ///
    /// # Errors
    /// A folder that cannot be listed, or a file that cannot be removed.
    pub fn trim(&self, kinds: &[StoredKind], keep: u64) -> Result<Trimmed, FileError> {
        let mut trimmed = Trimmed::default();
        // Held until everything is gone: no run finds a copy that goes after it.
        let mut locks: HashMap<PathBuf, Option<File>> = HashMap::new();
        for file in self.surplus(kinds, keep)? {
            let folder = Copies::folder_of(&file.path).filter(|_| file.kind == StoredKind::Copy);
            let is_free = folder.is_none_or(|folder| {
                locks.entry(folder.to_path_buf()).or_insert_with(|| enter_alone(folder)).is_some()
            });
            if is_free {
                remove(&file)?;
                trimmed.removed.push(file);
            } else {
                trimmed.in_use.push(file);
            }
        }
        Ok(trimmed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locks::enter;

    const ALL: [StoredKind; 2] = [StoredKind::Activations, StoredKind::Copy];

    #[test]
    fn copies_count_and_go_unless_a_run_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ActivationCache::new(folder.path());
        let sizes = ["64px-v2", "96px-v2"].map(|size| folder.path().join("copies").join(size));
        for (size, bytes) in sizes.iter().zip([100, 200]) {
            std::fs::create_dir_all(size.join("ab")).unwrap();
            std::fs::write(size.join("ab/x.jpg"), vec![0; bytes]).unwrap();
        }
        std::fs::create_dir_all(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/1.features"), [0; 50]).unwrap();
        assert_eq!(cache.trim(&ALL, 350).unwrap(), Trimmed::default());
        let reading = enter(&sizes[1]).unwrap().unwrap();
        let trimmed = cache.trim(&ALL, 0).unwrap();
        let bytes = |files: &[StoredFile]| files.iter().map(|file| file.bytes).sum::<u64>();
        assert_eq!((bytes(&trimmed.removed), bytes(&trimmed.in_use)), (150, 200));
        assert!(!sizes[0].join("ab").exists() && sizes[1].join("ab/x.jpg").is_file());
        drop(reading);
        assert_eq!(bytes(&cache.trim(&ALL, 0).unwrap().removed), 200);
        assert!(!sizes[1].join("ab").exists());
    }
}
