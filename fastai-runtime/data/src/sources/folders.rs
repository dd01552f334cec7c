//! Labels from folders: one subfolder per class.

use std::io;
use std::path::{Path, PathBuf};

use super::files::entries;
use crate::findings::{Findings, names};
use crate::row::SourceRow;

/// The entries of a folder, without subfolders' contents: names sorted by bytes, hidden ones left out.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) folders: Vec<String>,
    pub(crate) files: Vec<String>,
}

/// Lists `folder` without hidden names and desktop metadata files.
pub(crate) fn list(folder: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for entry in entries(folder)? {
        let name = entry.name.into_string().map_err(|name| {
            io::Error::new(io::ErrorKind::InvalidData, format!("the name {name:?} in it is not UTF-8: rename it"))
        })?;
        if entry.is_folder { listing.folders.push(name) } else { listing.files.push(name) }
    }
    Ok(listing)
}

/// A labelled folder: its classes and its images, class by class, each sorted by name.
#[derive(Debug, Default)]
pub(crate) struct ClassFolders {
    pub(crate) classes: Vec<String>,
    pub(crate) rows: Vec<SourceRow>,
}

/// Reads `root/folder`, which the recipe's key `key` names. An image's id is its path below `root`, with slashes.
pub(crate) fn read(
    root: &Path,
    folder: &str,
    key: &str,
    findings: &mut Findings,
    notes: &mut Vec<String>,
) -> ClassFolders {
    let path = root.join(folder);
    let listing = match list(&path) {
        Ok(listing) => listing,
        Err(error) => {
            findings.push(format!(
                "cannot list {} ({key}: {folder:?}): {error}; expected one sub-folder a class",
                path.display()
            ));
            return ClassFolders::default();
        }
    };
    if listing.folders.is_empty() {
        findings.push(format!(
            "{} ({key}: {folder:?}) has no sub-folders; expected one a class, with that class's images",
            path.display()
        ));
        return ClassFolders::default();
    }
    if !listing.files.is_empty() {
        notes.push(format!(
            "{} files directly in {} belong to no class and are left out: {}",
            listing.files.len(),
            path.display(),
            names(&listing.files, 3)
        ));
    }
    let mut rows = Vec::new();
    for class in &listing.folders {
        let path = path.join(class);
        match list(&path) {
            Ok(inside) => {
                if !inside.folders.is_empty() {
                    notes.push(format!(
                        "folders below {} are left out, only files count: {}",
                        path.display(),
                        names(&inside.folders, 3)
                    ));
                }
                if inside.files.is_empty() {
                    notes.push(format!("class {class:?} has no images in {}", path.display()));
                }
                rows.extend(inside.files.into_iter().map(|file| SourceRow {
                    id: format!("{}/{class}/{file}", folder.trim_end_matches('/')),
                    path: path.join(file),
                    labels: vec![class.clone()],
                    held_out: None,
                    group: None,
                    absent: false,
                }));
            }
            Err(error) => findings.push(format!("cannot list {}: {error}", path.display())),
        }
    }
    ClassFolders { classes: listing.folders, rows }
}

/// Reads the folder `root/folder` of test images: unlabelled files, or one subfolder per class (then rows have a label).
pub(crate) fn read_test(
    root: &Path,
    folder: &str,
    suffix: &str,
    findings: &mut Findings,
    notes: &mut Vec<String>,
) -> Vec<SourceRow> {
    let path = root.join(folder);
    match list(&path) {
        Err(error) => {
            findings.push(format!("cannot list {} (test: {folder:?}): {error}", path.display()));
            Vec::new()
        }
        Ok(listing) if listing.files.is_empty() && listing.folders.is_empty() => {
            findings.push(format!("{} (test: {folder:?}) is empty", path.display()));
            Vec::new()
        }
        Ok(listing) if listing.files.is_empty() => {
            let rows = read(root, folder, "test", findings, notes).rows;
            if rows.is_empty() {
                findings.push(format!("no images in any sub-folder of {} (test: {folder:?})", path.display()));
            }
            rows
        }
        Ok(listing) => {
            if !listing.folders.is_empty() {
                findings.push(format!(
                    "{} (test: {folder:?}) holds both files and sub-folders ({}): expected files only (no labels), \
                     or one sub-folder a class",
                    path.display(),
                    names(&listing.folders, 3)
                ));
            }
            let id = |file: &str| match file.strip_suffix(suffix) {
                Some(stem) if !suffix.is_empty() && !stem.is_empty() => stem.to_string(),
                _ => Path::new(file).file_stem().map_or(file.to_string(), |s| s.to_string_lossy().into_owned()),
            };
            let row = |file: String| {
                let path: PathBuf = path.join(&file);
                SourceRow { id: id(&file), path, labels: Vec::new(), held_out: None, group: None, absent: false }
            };
            listing.files.into_iter().map(row).collect()
        }
    }
}
