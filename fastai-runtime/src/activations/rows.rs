//! Which images the rows of a file of features are of: a set that consists of such images, as the next fold does, copies the
//! rows instead of computing them.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::features::Features;
use crate::sealed::{read_sealed, write_sealed};

/// The kind of the file beside the features.
const KIND: &str = "fastai rows 1";
/// Largest file, bytes.
const LARGEST: u64 = 1 << 30;
/// Bytes of the key of the features.
const KEY: usize = 32;

/// What identifies an image among those with the same body and preparation.
pub(super) type ImageKey = [u8; 16];

/// The images of a file of features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rows {
    /// The key of the features.
    pub(super) key: [u8; KEY],
    /// In the order of the rows.
    pub(super) images: Vec<ImageKey>,
}

/// The rows of wanted images, in files that are open.
pub(super) struct FoundRows {
    files: Vec<Features>,
    /// For each wanted image the file and the row.
    places: Vec<(usize, usize)>,
}

impl Rows {
    pub(super) fn path(features: &Path) -> PathBuf {
        features.with_extension("rows")
    }

    /// Writes them beside the features. Without them the rows are computed again where others could use them.
    pub(super) fn keep(&self, features: &Path) {
        let bytes: Vec<u8> = self.key.iter().chain(self.images.as_flattened()).copied().collect();
        let _ = write_sealed(&Self::path(features), KIND, &bytes);
    }

    /// Reads what is beside a file of features; `None` if there is nothing, or nothing sound.
    fn of(features: &Path) -> Option<Self> {
        let bytes = read_sealed(&Self::path(features), KIND, LARGEST).ok()?.ok()?;
        let (key, images) = bytes.split_first_chunk::<KEY>()?;
        let (images, rest) = images.as_chunks();
        rest.is_empty().then(|| Rows { key: *key, images: images.to_vec() })
    }
}

impl FoundRows {
    /// Looks for the rows of `wanted` in all files of `folder`; `None` if one is missing.
    pub(super) fn find(folder: &Path, wanted: &[ImageKey], width: usize) -> Option<Self> {
        let mut missing: HashSet<ImageKey> = wanted.iter().copied().collect();
        let mut found: HashMap<ImageKey, (usize, usize)> = HashMap::new();
        let mut files = Vec::new();
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|suffix| suffix == "features"));
        paths.sort();
        for path in paths {
            let Some(rows) = Rows::of(&path).filter(|rows| rows.images.iter().any(|key| missing.contains(key))) else {
                continue;
            };
            let Ok(Ok(features)) = Features::open(&path, &rows.key, rows.images.len(), width) else { continue };
            for (row, image) in rows.images.iter().enumerate() {
                if missing.remove(image) {
                    found.insert(*image, (files.len(), row));
                }
            }
            files.push(features);
            if missing.is_empty() {
                let places = wanted.iter().map(|image| found[image]).collect();
                return Some(FoundRows { files, places });
            }
        }
        None
    }

    /// Passes the rows on, in the order of the wanted images.
    pub(super) fn each(&self, keep: &mut dyn FnMut(&[f32]) -> io::Result<()>) -> io::Result<()> {
        for (file, row) in &self.places {
            let values = self.files[*file].gather(&[*row]).map_err(|error| io::Error::other(error.to_string()))?;
            keep(&values)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activations::features::Writer;

    fn write(path: &Path, key: [u8; KEY], images: &[u8]) {
        let mut file = Vec::new();
        let mut writer = Writer::begin(&mut file, &key, images.len(), 2).unwrap();
        images.iter().for_each(|image| writer.add(&[f32::from(*image), -f32::from(*image)]).unwrap());
        writer.finish().unwrap();
        std::fs::write(path, file).unwrap();
        Rows { key, images: images.iter().map(|image| [*image; 16]).collect() }.keep(path);
    }

    #[test]
    fn rows_are_found_in_several_files_and_damage_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        write(&path("a.features"), [1; KEY], &[1, 2, 3]);
        write(&path("b.features"), [2; KEY], &[4, 2, 5]);
        let find = |wanted: &[u8]| {
            let wanted: Vec<ImageKey> = wanted.iter().map(|image| [*image; 16]).collect();
            let found = FoundRows::find(folder.path(), &wanted, 2)?;
            let mut values = Vec::new();
            found
                .each(&mut |row| {
                    values.extend_from_slice(row);
                    Ok(())
                })
                .unwrap();
            Some(values)
        };
        assert_eq!(find(&[5, 1, 2, 5]).unwrap(), [5.0, -5.0, 1.0, -1.0, 2.0, -2.0, 5.0, -5.0]);
        assert_eq!(find(&[1, 6]), None);
        let mut bytes = std::fs::read(path("b.features")).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path("b.features"), bytes).unwrap();
        assert_eq!(find(&[5, 1]), None);
        assert_eq!(find(&[3, 1]).unwrap(), [3.0, -3.0, 1.0, -1.0]);
        std::fs::write(path("a.rows"), b"x").unwrap();
        assert_eq!(find(&[3, 1]), None);
    }
}
