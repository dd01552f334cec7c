//! Looks up the files of a csv file's rows.

use std::path::{Path, PathBuf};

use fastai_dsl::Valid;
use rayon::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::absent::{self, AbsentRow};
use super::cause::CauseSearch;
use super::columns::CsvColumns;
use super::rows::CsvRows;
use super::{CsvSource, is_inside};
use crate::RowFault;

impl CsvSource<'_> {
    /// Finds the rows' files, on all cores.
    pub(super) fn locate(
        &self,
        root: &Path,
        images_exist: bool,
        path: &Path,
        columns: &CsvColumns,
        rows: &mut CsvRows,
    ) {
        let images = root.join(self.images);
        let held_out = match self.valid {
            Valid::Folder(folder) => Some(root.join(folder)),
            _ => None,
        };
        let found: Vec<RowPlace> =
            rows.rows.par_iter().map(|row| self.place(&row.id, &images, held_out.as_deref())).collect();
        let mut kept = Vec::with_capacity(rows.rows.len());
        let (mut missing, mut some_found) = (Vec::new(), false);
        let (mut normalised, mut lines) = (Vec::new(), Vec::with_capacity(rows.lines.len()));
        for ((mut row, line), place) in std::mem::take(&mut rows.rows).into_iter().zip(&rows.lines).zip(found) {
            let at = || format!("{}:{line}", path.display());
            let absent = |file, nor| AbsentRow { id: row.id.clone(), line: *line, file, nor };
            match place {
                RowPlace::Outside => {
                    missing.push(absent(None, None));
                    continue;
                }
                RowPlace::Twice(own, other) => {
                    let twice = || {
                        format!(
                            "{}: {:?} lies both in {} and in {}: it would be trained and measured on",
                            at(),
                            row.id,
                            own.display(),
                            other.display()
                        )
                    };
                    rows.malformed.push(RowFault::TwoFiles, *line, twice, None);
                    some_found = true;
                    (row.path, row.held_out) = (other, Some(true));
                }
                RowPlace::Found { file, held_out, as_written } => {
                    if !as_written {
                        normalised.push(format!("{}: {:?}", at(), row.id));
                    }
                    some_found = true;
                    row.path = file;
                    row.held_out = row.held_out.or(held_out);
                }
                RowPlace::Missing { file, nor, held_out } => {
                    if images_exist {
                        missing.push(absent(Some(file.clone()), nor));
                        row.absent = self.skip;
                    }
                    row.path = file;
                    row.held_out = row.held_out.or(held_out);
                }
            }
            kept.push(row);
            lines.push(*line);
        }
        rows.normalised = normalised;
        rows.absent = missing.len();
        rows.outside = missing.iter().filter(|row| row.file.is_none()).count();
        if !missing.is_empty() {
            let search = CauseSearch::new(self, root, columns, some_found, &rows.samples);
            rows.missing = absent::explain(&missing, &search, path);
        }
        rows.some_found = some_found || missing.is_empty();
        rows.rows = kept;
        rows.lines = lines;
    }

    /// Looks an image up in the folder of images and in that of held-out ones.
    fn place(&self, id: &str, images: &Path, held_out: Option<&Path>) -> RowPlace {
        let relative = |suffix: &String| format!("{id}{suffix}");
        let first = relative(&self.suffixes[0]);
        // A name such as ../../secret must not lead out of the data set.
        if !is_inside(Path::new(&first)) {
            return RowPlace::Outside;
        }
        let here = |folder: &Path| -> Option<(PathBuf, bool)> {
            let names = self.suffixes.iter().map(relative);
            // A Mac stores accented letters in two parts.
            let others = names.clone().filter(|name| !name.is_ascii()).flat_map(|name| other_forms(&name));
            let all = names.map(|name| (name, true)).chain(others.map(|name| (name, false)));
            all.map(|(name, as_written)| (folder.join(name), as_written)).find(|(file, _)| file.is_file())
        };
        let own = here(images);
        let Some(folder) = held_out else {
            return match own {
                Some((file, as_written)) => RowPlace::Found { file, held_out: None, as_written },
                None => RowPlace::Missing { file: images.join(first), nor: None, held_out: None },
            };
        };
        match (own, here(folder)) {
            (Some((file, as_written)), _) if file.starts_with(folder) => {
                RowPlace::Found { file, held_out: Some(true), as_written }
            }
            (Some((own, _)), Some((other, _))) => RowPlace::Twice(own, other),
            (None, Some((file, as_written))) => RowPlace::Found { file, held_out: Some(true), as_written },
            (Some((file, as_written)), None) => RowPlace::Found { file, held_out: Some(false), as_written },
            (None, None) => {
                let nor = (!images.join(&first).starts_with(folder)).then(|| folder.join(&first));
                RowPlace::Missing { file: images.join(first), nor, held_out: Some(false) }
            }
        }
    }
}

/// Where a row's image lies.
enum RowPlace {
    Found {
        file: PathBuf,
        held_out: Option<bool>,
        as_written: bool,
    },
    /// Among the images and among those held out.
    Twice(PathBuf, PathBuf),
    Missing {
        file: PathBuf,
        nor: Option<PathBuf>,
        held_out: Option<bool>,
    },
    /// The name leads out of the folder.
    Outside,
}

/// The same name in the other Unicode normal forms.
fn other_forms(name: &str) -> Vec<String> {
    let forms: [String; 2] = [name.nfc().collect(), name.nfd().collect()];
    forms.into_iter().filter(|form| form != name).collect()
}
