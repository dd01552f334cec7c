//! Which images the rows of a file of features are of: a set that has such images, as the next fold does, copies their rows
//! instead of computing them.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::feature_file::{RowReader, checked, place_of};
use super::partial::{self, is_partial};
use super::row_file::{ImageKey, RowFile};
use crate::RunError;
use crate::sealed::{read_sealed, write_sealed};

/// The kind of the file beside the features.
const KIND: &str = "fastai rows 1";
/// Largest file, bytes.
const LARGEST: u64 = 1 << 30;
/// Bytes of the key of the features.
const KEY: usize = 32;

/// The images of a file of features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rows {
    /// The key of the features.
    pub(super) key: [u8; KEY],
    /// In the order of the rows.
    pub(super) images: Vec<ImageKey>,
}

/// The rows of wanted images, in files that are open.
#[derive(Debug)]
pub(super) struct FoundRows {
    files: Vec<(File, PathBuf)>,
    /// For each wanted image the file and the byte at which its row begins; `None` if it is missing.
    places: Vec<Option<(usize, u64)>>,
    width: usize,
}

impl Rows {
    fn path(features: &Path) -> PathBuf {
        features.with_extension("rows")
    }

    /// Writes them beside the features. Without them the rows are computed again where others could use them.
    pub(super) fn keep(&self, features: &Path) {
        let bytes: Vec<u8> = self.key.iter().chain(self.images.as_flattened()).copied().collect();
        let _ = write_sealed(&Self::path(features), KIND, &bytes);
    }

    /// Removes what is beside a file of features.
    pub(super) fn remove(features: &Path) {
        let _ = std::fs::remove_file(Self::path(features));
    }

    /// Reads what is beside a file of features; `None` if there is nothing, or nothing sound.
    pub(super) fn of(features: &Path) -> Option<Self> {
        let bytes = read_sealed(&Self::path(features), KIND, LARGEST).ok()?.ok()?;
        let (key, images) = bytes.split_first_chunk::<KEY>()?;
        let (images, rest) = images.as_chunks();
        rest.is_empty().then(|| Rows { key: *key, images: images.to_vec() })
    }
}

impl FoundRows {
    /// Looks for the rows of `wanted` in all files of `folder`, which is that of the body and the preparation with this key.
    pub(super) fn find(folder: &Path, key: &[u8; KEY], wanted: &[ImageKey], width: usize) -> Self {
        let mut found = FoundRows { files: Vec::new(), places: vec![None; wanted.len()], width };
        let mut missing: HashSet<ImageKey> = wanted.iter().copied().collect();
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| is_partial(path) || path.extension().is_some_and(|suffix| suffix == "features"));
        // A complete file says what it has before it is read.
        paths.sort_by_cached_key(|path| (is_partial(path), path.clone()));
        for path in paths {
            if missing.is_empty() {
                break;
            }
            let file = if is_partial(&path) {
                partial::rows_of(&path, key, width)
            } else {
                rows_of_complete(&path, &missing, width)
            };
            let Some(file) = file else { continue };
            for (image, _) in &file.rows {
                missing.remove(image);
            }
            found.add(wanted, file);
        }
        found
    }

    /// All rows of a file of features, in their order.
    pub(super) fn of_file(file: File, path: &Path, rows: usize, width: usize) -> Self {
        let places = (0..rows).map(|row| Some((0, place_of(row, width)))).collect();
        FoundRows { files: vec![(file, path.to_path_buf())], places, width }
    }

    /// Takes those of a file's rows that are missing.
    pub(super) fn add(&mut self, wanted: &[ImageKey], file: RowFile) {
        let rows: HashMap<ImageKey, u64> = file.rows.into_iter().collect();
        let (number, mut is_used) = (self.files.len(), false);
        for (place, image) in self.places.iter_mut().zip(wanted) {
            if place.is_none()
                && let Some(at) = rows.get(image)
            {
                *place = Some((number, *at));
                is_used = true;
            }
        }
        if is_used {
            self.files.push((file.file, file.path));
        }
    }

    /// Wanted images.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Features an image.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The wanted images whose rows are missing, in their order.
    pub(super) fn missing(&self) -> Vec<usize> {
        (0..self.len()).filter(|image| self.places[*image].is_none()).collect()
    }

    /// Appends the row of a wanted image.
    ///
    /// # Errors
    /// If its file can no longer be read.
    ///
    /// # Panics
    /// If the row is missing.
    pub(super) fn read(&self, image: usize, reader: &mut RowReader, values: &mut Vec<f32>) -> Result<(), RunError> {
        let (file, at) = self.places[image].expect("the row of the image was found");
        let (file, path) = &self.files[file];
        reader.read(file, at, values).map_err(|e| RunError::file("read", path, e))
    }

    /// All rows, concatenated: those that are missing are `computed`, in their order.
    ///
    /// # Errors
    /// If a file can no longer be read.
    pub(super) fn and(&self, computed: &[f32]) -> Result<Vec<f32>, RunError> {
        let mut computed = computed.chunks_exact(self.width);
        let (mut reader, mut values) = (RowReader::new(self.width), Vec::with_capacity(self.len() * self.width));
        for (image, place) in self.places.iter().enumerate() {
            match place {
                Some(_) => self.read(image, &mut reader, &mut values)?,
                None => values.extend_from_slice(computed.next().expect("what is missing was computed")),
            }
        }
        Ok(values)
    }

    /// Passes the rows on, in the order of the wanted images; none is missing.
    pub(super) fn each(&self, keep: &mut dyn FnMut(&[f32]) -> io::Result<()>) -> io::Result<()> {
        let (mut reader, mut row) = (RowReader::new(self.width), Vec::with_capacity(self.width));
        (0..self.len()).try_for_each(|image| {
            row.clear();
            self.read(image, &mut reader, &mut row).map_err(|error| io::Error::other(error.to_string()))?;
            keep(&row)
        })
    }
}

/// The rows of a complete file of features, if it is sound and has a missing one.
fn rows_of_complete(path: &Path, missing: &HashSet<ImageKey>, width: usize) -> Option<RowFile> {
    let rows = Rows::of(path).filter(|rows| rows.images.iter().any(|image| missing.contains(image)))?;
    let (file, _) = checked(path, &rows.key, rows.images.len(), width, false).ok()?.ok()?;
    let rows = rows.images.iter().enumerate().map(|(number, image)| (*image, place_of(number, width))).collect();
    Some(RowFile { file, path: path.to_path_buf(), rows })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activations::feature_file::Writer;
    use crate::activations::partial::{ComputedRows, Partial};
    use crate::activations::{Features, Purpose};

    /// The key of the body and the preparation.
    const BODY: [u8; KEY] = [9; KEY];

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
            let found = FoundRows::find(folder.path(), &BODY, &wanted, 2);
            if !found.missing().is_empty() {
                return None;
            }
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

    #[test]
    fn rows_of_a_set_that_is_not_complete_are_found_and_the_missing_ones_named() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("a.features"), [1; KEY], &[1, 2, 3]);
        let partial = Partial::begin(&folder.path().join("b.features"), &BODY, 2, &Purpose::example());
        let mut computed = ComputedRows::new(partial);
        // The complete file has the second image, too, with other values than these.
        computed.add(&[[4; 16], [2; 16]], &[4.0, -4.0, 0.0, 0.0]).unwrap();
        let wanted = [5, 4, 2, 6, 4, 5].map(|image| [image; 16]);
        let find = |key: &[u8; KEY]| FoundRows::find(folder.path(), key, &wanted, 2);
        assert_eq!(find(&[8; KEY]).missing(), [0, 1, 3, 4, 5], "a file of another body");
        let mut found = find(&BODY);
        assert_eq!((found.len(), found.missing()), (6, vec![0, 3, 5]));
        let all = [5.0, -5.0, 4.0, -4.0, 2.0, -2.0, 6.0, -6.0, 4.0, -4.0, 5.0, -5.0];
        assert_eq!(found.and(&[5.0, -5.0, 6.0, -6.0, 5.0, -5.0]).unwrap(), all);
        computed.add(&[[6; 16], [5; 16]], &[6.0, -6.0, 5.0, -5.0]).unwrap();
        found.add(&wanted, computed.finish().unwrap());
        assert_eq!(found.missing(), [0; 0]);
        assert_eq!(found.and(&[]).unwrap(), all);
        let features = Features::in_files(found);
        assert_eq!((features.rows(), features.width()), (6, 2));
        assert_eq!(features.gather(&[3, 0]).unwrap(), [6.0, -6.0, 5.0, -5.0]);
    }
}
