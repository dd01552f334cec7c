//! Finds images that no row of a csv file names.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use fastai_dsl::Valid;

use super::CsvSource;
use super::rows::CsvRows;
use crate::findings::{names, number};
use crate::sources::files;

impl CsvSource<'_> {
    /// Notes image files that no row names: forgotten rows, or images of another set. The search goes as deep as the rows'
    /// own images lie.
    pub(super) fn note_strangers(&self, root: &Path, rows: &CsvRows, path: &Path, notes: &mut Vec<String>) {
        let named: HashSet<&Path> = rows.rows.iter().map(|row| row.path.as_path()).collect();
        let parts_of = |id: &str| Path::new(id).components().filter(|c| matches!(c, Component::Normal(_))).count();
        let depth = rows.rows.iter().map(|row| parts_of(&row.id).saturating_sub(1)).max().unwrap_or(0);
        let images = root.join(self.images);
        let held_out = match self.valid {
            Valid::Folder(folder) => Some(root.join(folder)).filter(|folder| !folder.starts_with(&images)),
            _ => None,
        };
        let test = self.test.map(|test| root.join(test));
        for folder in [Some(images), held_out].into_iter().flatten() {
            let mut strangers = Vec::new();
            let mut inside = vec![(PathBuf::new(), depth)];
            while let Some((below, depth)) = inside.pop() {
                let here = folder.join(&below);
                if test.as_ref() == Some(&here) {
                    continue;
                }
                let Ok(listing) = files::list(&here) else { continue };
                for name in listing.files {
                    let fits = self.suffixes.iter().any(|suffix| name.ends_with(suffix.as_str()));
                    let file = here.join(&name);
                    if fits && file != path && !named.contains(file.as_path()) && files::is_image(&file) {
                        strangers.push(below.join(name).to_string_lossy().into_owned());
                    }
                }
                if depth > 0 {
                    // Reversed, as the last one is looked into next.
                    inside.extend(listing.folders.into_iter().rev().map(|name| (below.join(name), depth - 1)));
                }
            }
            if !strangers.is_empty() {
                let (has, is) = if strangers.len() == 1 { ("has", "is") } else { ("have", "are") };
                notes.push(format!(
                    "{} in {} {has} no row in {} and {is} left out: {}",
                    number(strangers.len(), "file", "files"),
                    folder.display(),
                    path.display(),
                    names(&strangers, 3)
                ));
            }
        }
    }
}
