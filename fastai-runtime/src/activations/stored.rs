//! What the caches on disk hold, and how they are made smaller.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::cache::image_keys;
use super::partial::{PARTIAL, is_partial};
use super::row_file::ImageKey;
use super::rows::Rows;
use super::{ActivationCache, Purpose};
use crate::RunError;
use crate::data::FileError;
use crate::locks::{LOCK, enter_alone};

/// A kind of file in the folder of caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoredKind {
    /// Features of the images of one part of a data set, or of some of them, which a run keeps while it computes the others.
    Activations,
    /// A scaled copy of an image.
    Copy,
    /// Anything else, such as the list of verified images.
    Other,
}

/// A file in the folder of caches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// The file.
    pub path: PathBuf,
    /// Its kind.
    pub kind: StoredKind,
    /// Its size.
    pub bytes: u64,
    /// When a run wrote it, or last found activations in it. A scaled copy keeps the time at which it was made, since its
    /// activations are known by it.
    pub used: SystemTime,
}

impl StoredFile {
    /// Whether these are activations of some of the images only: a run computes the others now, or was interrupted before.
    pub fn is_partial(&self) -> bool {
        is_partial(&self.path)
    }
}

impl ActivationCache {
    /// Lists the files of the caches, the least recently used first. An absent folder has no files.
    ///
    /// # Errors
    /// A folder that cannot be listed.
    pub fn stored(&self) -> Result<Vec<StoredFile>, FileError> {
        let mut files = Vec::new();
        let mut folders = vec![self.root().to_path_buf()];
        while let Some(folder) = folders.pop() {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                // Another process may remove it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(FileError::new("list", folder, error)),
            };
            for entry in entries.flatten() {
                // A link is not followed: what it leads to is no cache.
                let Ok(facts) = entry.path().symlink_metadata() else { continue };
                if facts.is_dir() {
                    folders.push(entry.path());
                } else if facts.is_file() {
                    let used = facts.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    let kind = self.kind(&entry.path());
                    files.push(StoredFile { path: entry.path(), kind, bytes: facts.len(), used });
                }
            }
        }
        files.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
        Ok(files)
    }

    /// The purposes of the features of any of these files, whatever body and preparation they are of: those used last first.
    ///
    /// # Errors
    /// A file that does not exist, or a folder of the cache that cannot be listed.
    pub fn purposes_of(&self, files: &[&Path]) -> Result<Vec<Purpose>, RunError> {
        let wanted: HashSet<ImageKey> = image_keys(files)?.into_iter().collect();
        let has_any = |file: &StoredFile| {
            let rows = (file.kind == StoredKind::Activations).then(|| Rows::of(&file.path)).flatten();
            rows.is_some_and(|rows| rows.images.iter().any(|image| wanted.contains(image)))
        };
        let stored = self.stored()?;
        Ok(stored.iter().rev().filter(|file| has_any(file)).filter_map(|file| Purpose::of(&file.path)).collect())
    }

    fn kind(&self, path: &Path) -> StoredKind {
        let below = path.strip_prefix(self.root()).unwrap_or(path);
        let suffix = below.extension().and_then(|suffix| suffix.to_str());
        match suffix {
            Some("features" | PARTIAL) => StoredKind::Activations,
            Some("jpg") if below.starts_with("copies") => StoredKind::Copy,
            _ => StoredKind::Other,
        }
    }

    /// The files to remove so that at most `keep` bytes of these kinds remain: the least recently used ones.
    ///
    /// # Errors
    /// Those of [`stored`](Self::stored).
    pub fn surplus(&self, kinds: &[StoredKind], keep: u64) -> Result<Vec<StoredFile>, FileError> {
        let files: Vec<StoredFile> = self.stored()?.into_iter().filter(|file| kinds.contains(&file.kind)).collect();
        let mut left: u64 = files.iter().map(|file| file.bytes).sum();
        let surplus = files.into_iter().take_while(|file| {
            let more = left > keep;
            left -= file.bytes;
            more
        });
        Ok(surplus.collect())
    }
}

/// Removes a file of a cache, what is kept about it, and the folder that it leaves empty. A run that has the file open keeps
/// reading it.
///
/// # Errors
/// A file that cannot be removed. One that is gone already is no error.
pub(super) fn remove(file: &StoredFile) -> Result<(), FileError> {
    match std::fs::remove_file(&file.path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(FileError::new("remove", &file.path, error));
        }
        _ => {}
    }
    let Some(folder) = file.path.parent() else { return Ok(()) };
    if file.kind == StoredKind::Activations {
        Purpose::remove(&file.path);
        Rows::remove(&file.path);
        // What remains of a folder of activations is the lock of those who write there.
        let others = std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| entry.file_name() != LOCK);
        let alone = if others { None } else { enter_alone(folder) };
        if alone.is_some() {
            let _ = std::fs::remove_file(folder.join(LOCK));
        }
    }
    // A folder with other files stays.
    let _ = std::fs::remove_dir(folder);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{File, create_dir_all};
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_longest_unused_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ActivationCache::new(folder.path());
        let write = |name: &str, bytes: usize, age: u64| {
            let path = folder.path().join(name);
            create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, vec![0; bytes]).unwrap();
            let used = SystemTime::now() - Duration::from_secs(age);
            File::options().write(true).open(&path).unwrap().set_modified(used).unwrap();
        };
        write("a/1.features", 100, 30);
        write("a/2.features", 50, 10);
        write("b/3.features", 70, 20);
        write("b/4-x.partial", 30, 25);
        write("b/4-x.json", 1, 25);
        write("b/3.json", 1, 20);
        write("b/3.rows", 1, 20);
        write("b/.lock", 0, 20);
        write("copies/64px-v1/ab/x.jpg", 1000, 99);
        write("verified.bin", 5, 100);
        let names = |files: &[StoredFile]| -> Vec<String> {
            files.iter().map(|f| f.path.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        let stored = cache.stored().unwrap();
        assert_eq!(stored.len(), 10);
        assert_eq!(names(&stored.into_iter().filter(StoredFile::is_partial).collect::<Vec<_>>()), ["4-x.partial"]);
        let surplus = |kinds: &[StoredKind], keep| names(&cache.surplus(kinds, keep).unwrap());
        assert_eq!(surplus(&[StoredKind::Activations], 250), [""; 0]);
        assert_eq!(surplus(&[StoredKind::Activations], 249), ["1.features"]);
        assert_eq!(surplus(&[StoredKind::Activations], 149), ["1.features", "4-x.partial"]);
        assert_eq!(surplus(&[StoredKind::Activations], 119), ["1.features", "4-x.partial", "3.features"]);
        assert_eq!(surplus(&[StoredKind::Activations, StoredKind::Copy], 250), ["x.jpg"]);
        for file in cache.surplus(&[StoredKind::Activations], 60).unwrap() {
            remove(&file).unwrap();
            remove(&file).unwrap();
        }
        assert_eq!(names(&cache.stored().unwrap()), ["verified.bin", "x.jpg", "2.features"]);
        assert!(!folder.path().join("b").exists() && folder.path().join("a").exists());
        assert!(ActivationCache::new(folder.path().join("none")).stored().unwrap().is_empty());
    }
}
