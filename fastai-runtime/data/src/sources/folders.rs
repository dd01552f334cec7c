//! Labels from folders: one subfolder per class.

use std::io;
use std::path::{Path, PathBuf};

use super::files::{self, entries};
use super::neighbours;
use crate::findings::{Findings, names};
use crate::row::SourceRow;

pub(crate) use super::files::is_image;

/// The entries of a folder, without subfolders' contents: names sorted by bytes, hidden ones left out.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) folders: Vec<String>,
    pub(crate) files: Vec<String>,
}

/// Lists `folder` without hidden names and files of the system.
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

/// The files of a folder and of those within it, by what they are.
#[derive(Default)]
struct Tree {
    /// Images, as paths below the folder.
    images: Vec<String>,
    /// Other files.
    others: Vec<String>,
    /// Images that lie in folders within it.
    deep: usize,
}

impl Tree {
    /// Collects the files of `folder`, whose path below the first one is `below`.
    fn collect(&mut self, folder: &Path, below: &str, depth: usize) -> io::Result<()> {
        if depth > files::DEEPEST {
            return Err(io::Error::other(format!("more than {} folders within each other", files::DEEPEST)));
        }
        let listing = list(folder)?;
        for name in listing.files {
            let path = format!("{below}{name}");
            if is_image(&folder.join(&name)) {
                self.deep += usize::from(depth > 0);
                self.images.push(path);
            } else {
                self.others.push(path);
            }
        }
        for name in listing.folders {
            self.collect(&folder.join(&name), &format!("{below}{name}/"), depth + 1)?;
        }
        Ok(())
    }
}

/// Reads `root/folder`, which the recipe's key `key` names. An image's id is its path below `root`, with slashes. Images in
/// folders below a class's folder belong to the class; files that are no images are left out and noted.
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
                "cannot list {} ({key}: {folder:?}): {error}; expected one sub-folder a class{}",
                path.display(),
                missing(root, folder, key)
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
    let (mut others, mut deep) = (Vec::new(), Vec::new());
    for class in &listing.folders {
        let path = path.join(class);
        let mut tree = Tree::default();
        if let Err(error) = tree.collect(&path, "", 0) {
            findings.push(format!("cannot list {}: {error}", path.display()));
            continue;
        }
        others.extend(tree.others.iter().map(|file| format!("{class}/{file}")));
        if tree.deep > 0 {
            deep.push((class.as_str(), tree.deep));
        }
        if tree.images.is_empty() {
            notes.push(format!("class {class:?} has no images in {}", path.display()));
        }
        let prefix = folder.trim_end_matches('/');
        rows.extend(tree.images.into_iter().map(|file| SourceRow {
            id: format!("{prefix}/{class}/{file}"),
            path: path.join(file),
            labels: vec![class.clone()],
            held_out: None,
            group: None,
            absent: false,
        }));
    }
    if !deep.is_empty() {
        let images: usize = deep.iter().map(|(_, n)| n).sum();
        let classes: Vec<&str> = deep.iter().map(|(class, _)| *class).collect();
        notes.push(format!(
            "{images} images in {} lie in folders below those of their classes and are read as theirs: {}",
            path.display(),
            names(&classes, 3)
        ));
    }
    if !others.is_empty() {
        notes.push(format!(
            "{} files in {} are no images (neither by suffix nor by content) and are left out: {}",
            others.len(),
            path.display(),
            names(&others, 3)
        ));
    }
    ClassFolders { classes: listing.folders, rows }
}

/// The hint about a folder that cannot be listed.
fn missing(root: &Path, folder: &str, key: &str) -> String {
    if root.join(folder).is_dir() {
        return String::new();
    }
    let synonyms = match key {
        "train" => neighbours::TRAIN,
        "valid" => neighbours::VALID,
        _ => neighbours::TEST,
    };
    let hint = neighbours::hint(root, folder, key, synonyms);
    if !hint.is_empty() {
        return hint;
    }
    match key {
        "valid" => "; without such a folder, `valid: stratified(0.2)` holds out a fifth of each class".to_string(),
        "train" => {
            let folders = list(root).map(|listing| listing.folders).unwrap_or_default();
            let holds = |class: &&String| {
                let files = list(&root.join(class)).map(|listing| listing.files).unwrap_or_default();
                files.iter().take(20).any(|file| is_image(&root.join(class).join(file)))
            };
            let classes: Vec<&String> = folders.iter().take(100).filter(holds).collect();
            match classes.len() {
                0 | 1 => String::new(),
                _ => format!(
                    "; the classes lie directly in {} ({}): say `train: \".\", valid: stratified(0.2)`",
                    root.display(),
                    names(&classes, 3)
                ),
            }
        }
        _ => String::new(),
    }
}

/// Reads the folder `root/folder` of test images: unlabelled files, or one subfolder per class (then rows have a label).
pub(crate) fn read_test(
    root: &Path,
    folder: &str,
    suffixes: &[String],
    findings: &mut Findings,
    notes: &mut Vec<String>,
) -> Vec<SourceRow> {
    let path = root.join(folder);
    let mut listing = match list(&path) {
        Err(error) => {
            findings.push(format!(
                "cannot list {} (test: {folder:?}): {error}{}",
                path.display(),
                missing(root, folder, "test")
            ));
            return Vec::new();
        }
        Ok(listing) if listing.files.is_empty() && listing.folders.is_empty() => {
            findings.push(format!("{} (test: {folder:?}) is empty", path.display()));
            return Vec::new();
        }
        Ok(listing) => listing,
    };
    let (images, others): (Vec<String>, Vec<String>) =
        std::mem::take(&mut listing.files).into_iter().partition(|file| is_image(&path.join(file)));
    if images.is_empty() && !listing.folders.is_empty() {
        let rows = read(root, folder, "test", findings, notes).rows;
        if rows.is_empty() {
            findings.push(format!("no images in any sub-folder of {} (test: {folder:?})", path.display()));
        }
        return rows;
    }
    if !others.is_empty() {
        notes.push(format!(
            "{} files in {} are no images (neither by suffix nor by content) and are left out: {}",
            others.len(),
            path.display(),
            names(&others, 3)
        ));
    }
    if images.is_empty() {
        findings.push(format!("{} (test: {folder:?}) holds no image", path.display()));
    }
    if !listing.folders.is_empty() {
        findings.push(format!(
            "{} (test: {folder:?}) holds both files and sub-folders ({}): expected files only (no labels), \
             or one sub-folder a class",
            path.display(),
            names(&listing.folders, 3)
        ));
    }
    let row = |file: String| {
        let path: PathBuf = path.join(&file);
        SourceRow { id: test_id(&file, suffixes), path, labels: Vec::new(), held_out: None, group: None, absent: false }
    };
    images.into_iter().map(row).collect()
}

/// The id of a test image: its name without the recipe's suffix, else without its own.
pub fn test_id(file: &str, suffixes: &[String]) -> String {
    let stem =
        suffixes.iter().filter(|suffix| !suffix.is_empty()).find_map(|suffix| file.strip_suffix(suffix.as_str()));
    match stem.filter(|stem| !stem.is_empty()) {
        Some(stem) => stem.to_string(),
        None => Path::new(file).file_stem().map_or(file.to_string(), |s| s.to_string_lossy().into_owned()),
    }
}
