//! Labels from folders: one subfolder per class.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::files::{self, FileKind, Listing, file_kind, is_image, list};
use super::neighbours;
use crate::DataKey;
use crate::finding::FindingKind;
use crate::findings::{Findings, names, number};
use crate::row::{SourceRow, id_prefix};

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
    /// Images of kinds that are not read.
    unread: Vec<String>,
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
            match file_kind(&folder.join(&name)) {
                FileKind::Image => {
                    self.deep += usize::from(depth > 0);
                    self.images.push(path);
                }
                FileKind::UnreadImage => self.unread.push(path),
                FileKind::Other => self.others.push(path),
            }
        }
        for name in listing.folders {
            if files::leads_back(&folder.join(&name)) {
                let link = folder.join(&name);
                let why = format!("{} is a link to a folder that it lies in: remove the link", link.display());
                return Err(io::Error::other(why));
            }
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
    key: DataKey,
    findings: &mut Findings,
    notes: &mut Vec<String>,
) -> ClassFolders {
    // Without the `.` that names the root itself.
    let path: PathBuf = root.join(folder).components().collect();
    notes.extend(dotted(&path));
    let Some(listing) = class_listing(root, folder, key, findings) else { return ClassFolders::default() };
    if !listing.files.is_empty() {
        notes.push(format!(
            "{} directly in {} {} to no class and {} left out: {}",
            number(listing.files.len(), "file", "files"),
            path.display(),
            if listing.files.len() == 1 { "belongs" } else { "belong" },
            if listing.files.len() == 1 { "is" } else { "are" },
            names(&listing.files, 3)
        ));
    }
    let mut rows = Vec::new();
    let (mut unread, mut others, mut deep) = (Vec::new(), Vec::new(), Vec::new());
    for class in &listing.folders {
        let path = path.join(class);
        let mut tree = Tree::default();
        if let Err(error) = tree.collect(&path, "", 0) {
            let text = format!("cannot list {}: {error}", path.display());
            findings.push(FindingKind::Folder { path }, text);
            findings.leave_unread();
            continue;
        }
        unread.extend(tree.unread.iter().map(|file| format!("{class}/{file}")));
        others.extend(tree.others.iter().map(|file| format!("{class}/{file}")));
        if tree.deep > 0 {
            let first = tree.images.iter().find(|file| file.contains('/')).map_or("", String::as_str);
            let below = first.split('/').next().unwrap_or_default();
            deep.push((format!("{class}/{below}"), tree.deep));
        }
        if tree.images.is_empty() {
            notes.push(format!("class {class:?} has no images in {}", path.display()));
        }
        let prefix = id_prefix(folder);
        rows.extend(tree.images.into_iter().map(|file| SourceRow {
            id: format!("{prefix}{class}/{file}"),
            path: path.join(file),
            labels: vec![class.clone()],
            ..SourceRow::default()
        }));
    }
    if !deep.is_empty() {
        let images: usize = deep.iter().map(|(_, n)| n).sum();
        let below: Vec<&str> = deep.iter().map(|(below, _)| below.as_str()).collect();
        notes.push(format!(
            "{images} images in {} lie in folders below those of their classes and are read as theirs: {}",
            path.display(),
            names(&below, 3)
        ));
    }
    notes.extend(strange_files(&path, &unread, &others));
    ClassFolders { classes: listing.folders, rows }
}

/// Lists `root/folder`, which has a sub-folder for each class; `None` if it has not, which is a finding.
fn class_listing(root: &Path, folder: &str, key: DataKey, findings: &mut Findings) -> Option<Listing> {
    let path = root.join(folder);
    let listing = match list(&path) {
        Ok(listing) => listing,
        Err(error) => {
            let text = format!(
                "cannot list {} ({key}: {folder:?}): {error}; expected one sub-folder a class{}",
                path.display(),
                missing(root, folder, key)
            );
            findings.place(key, &path, text);
            return None;
        }
    };
    if listing.folders.is_empty() {
        let text = format!(
            "{} ({key}: {folder:?}) has no sub-folders; expected one a class, with that class's images{}",
            path.display(),
            named_by_class(folder, &listing.files)
        );
        findings.place(key, &path, text);
        return None;
    }
    if let [only] = &listing.folders[..] {
        let inner = path.join(only);
        let classes = class_folders(&inner);
        if classes.len() > 1 {
            let inside = format!("{}/{only}", folder.trim_end_matches('/'));
            let text = format!(
                "{} ({key}: {folder:?}) has one sub-folder, {only:?}, and the classes lie in that ({}): say `{key}: \
                 {inside:?}`",
                path.display(),
                names(&classes, 3)
            );
            findings.place(key, &path, text);
            return None;
        }
    }
    Some(listing)
}

/// The hint about a folder that cannot be listed.
fn missing(root: &Path, folder: &str, key: DataKey) -> String {
    if root.join(folder).is_dir() {
        return String::new();
    }
    if let Some(hint) = neighbours::hint(root, folder, key) {
        return hint;
    }
    match key {
        DataKey::Valid => {
            let test = neighbours::TEST.iter().find(|test| class_folders(&root.join(test)).len() > 1);
            let other = test.map_or(String::new(), |test| format!(", and `valid: {test:?}` measures on {test:?}"));
            format!("; without such a folder, `valid: stratified(0.2)` holds out a fifth of each class{other}")
        }
        DataKey::Train => {
            let classes = class_folders(root);
            if classes.len() > 1 {
                return format!(
                    "; the classes lie directly in {} ({}): say `train: \".\", valid: stratified(0.2)`",
                    root.display(),
                    names(&classes, 3)
                );
            }
            let folders = list(root).map(|listing| listing.folders).unwrap_or_default();
            let with_classes = folders.iter().take(20).find(|folder| class_folders(&root.join(folder)).len() > 1);
            with_classes.map_or(String::new(), |found| {
                format!("; the folders in {found:?} hold images: if they are the classes, say `train: {found:?}`")
            })
        }
        _ => String::new(),
    }
}

/// The folders in `folder` that hold images, of the first hundred.
fn class_folders(folder: &Path) -> Vec<String> {
    let mut folders = list(folder).map(|listing| listing.folders).unwrap_or_default();
    folders.truncate(100);
    folders.retain(|class| {
        let files = list(&folder.join(class)).map(|listing| listing.files).unwrap_or_default();
        files.iter().take(20).any(|file| is_image(&folder.join(class).join(file)))
    });
    folders
}

/// The hint about images that lie in one folder and whose names begin with their class: `cat.0.jpg`.
fn named_by_class(folder: &str, files: &[String]) -> String {
    let class = |file: &String| {
        let end = file.find(|c: char| c.is_ascii_digit() || "._-".contains(c))?;
        (end > 0 && files::has_image_suffix(file)).then(|| file[..end].to_string())
    };
    let classes: Option<BTreeSet<String>> = files.iter().map(class).collect();
    let Some(classes) = classes.filter(|classes| classes.len() > 1 && 2 * classes.len() <= files.len()) else {
        return String::new();
    };
    let classes: Vec<String> = classes.into_iter().collect();
    let folder = folder.trim_end_matches('/');
    let first = &classes[0];
    format!(
        "; the names of its files begin with {}: if those are the classes, move the files into folders (`mkdir \
         {folder}/{first}; mv {folder}/{first}?*.* {folder}/{first}/`, and so on)",
        names(&classes, 3)
    )
}

/// The note about folders with images in `folder` that are no classes, because their names begin with a dot.
fn dotted(folder: &Path) -> Option<String> {
    let found = files::dotted_with_images(folder);
    let (are, classes) = match found.len() {
        0 => return None,
        1 => ("is", "it if it is a class"),
        _ => ("are", "them if they are classes"),
    };
    Some(format!(
        "{} with images in {} {are} left out, since a name that begins with a dot is that of no class: {}; rename {classes}",
        number(found.len(), "folder", "folders"),
        folder.display(),
        names(&found, 3)
    ))
}

/// The notes about files in `folder` that are left out: images of kinds that are not read, and other files.
fn strange_files(folder: &Path, images: &[String], others: &[String]) -> Vec<String> {
    let mut notes = Vec::new();
    if !images.is_empty() {
        notes.push(format!(
            "{} of kinds that are not read in {}, left out: {}; convert them to JPEG or PNG",
            number(images.len(), "image", "images"),
            folder.display(),
            names(images, 3)
        ));
    }
    if !others.is_empty() {
        let are = if others.len() == 1 { "is no image" } else { "are no images" };
        let left = if others.len() == 1 { "is" } else { "are" };
        notes.push(format!(
            "{} in {} {are} (neither by suffix nor by content) and {left} left out: {}",
            number(others.len(), "file", "files"),
            folder.display(),
            names(others, 3)
        ));
    }
    notes
}

/// The note about images of these classes that a split of the images in `root/train` leaves out, since they lie in a folder whose
/// name says that they are held out.
pub(crate) fn left_out(root: &Path, train: &str, test: Option<&str>, classes: &[String]) -> Option<String> {
    // Without the `.` that names the root itself.
    let place = |folder: &str| root.join(folder).components().collect::<PathBuf>();
    let used = [Some(train), test].map(|folder| folder.map(place));
    neighbours::VALID.iter().find_map(|&name| {
        let path = place(name);
        if used.iter().flatten().any(|folder| path.starts_with(folder)) || !path.is_dir() {
            return None;
        }
        let read = read(root, name, DataKey::Valid, &mut Findings::default(), &mut Vec::new());
        let count = read.rows.iter().filter(|row| row.labels.iter().all(|label| classes.contains(label))).count();
        (count > 0).then(|| {
            format!(
                "{} in {} {} in neither part, because the split takes images of {train:?} only: to validate on them, say \
                 `valid: {name:?}`; to split them with the others, move them into {train:?}",
                number(count, "labelled image", "labelled images"),
                path.display(),
                if count == 1 { "is" } else { "are" }
            )
        })
    })
}

/// Reads the folder `root/folder` of test images: unlabelled files, or one subfolder per class (then rows have a label).
/// `known` are the training classes.
pub(crate) fn read_test(
    root: &Path,
    folder: &str,
    suffixes: &[String],
    known: &[String],
    findings: &mut Findings,
    notes: &mut Vec<String>,
) -> Vec<SourceRow> {
    let path = root.join(folder);
    let listing = match list(&path) {
        Err(error) => {
            let hint = missing(root, folder, DataKey::Test);
            let text = format!("cannot list {} (test: {folder:?}): {error}{hint}", path.display());
            findings.place(DataKey::Test, &path, text);
            return Vec::new();
        }
        Ok(listing) if listing.files.is_empty() && listing.folders.is_empty() => {
            findings.place(DataKey::Test, &path, format!("{} (test: {folder:?}) is empty", path.display()));
            return Vec::new();
        }
        Ok(listing) => listing,
    };
    let (mut images, mut unread, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for file in listing.files {
        match file_kind(&path.join(&file)) {
            FileKind::Image => images.push(file),
            FileKind::UnreadImage => unread.push(file),
            FileKind::Other => others.push(file),
        }
    }
    if images.is_empty()
        && let [only] = &listing.folders[..]
        && findings.all_read()
        && !known.contains(only)
        && list(&path.join(only)).is_ok_and(|inner| inner.folders.is_empty())
    {
        let text = format!(
            "{} (test: {folder:?}) has one sub-folder, {only:?}, which is no class: if it holds the test images, say \
             `test: {:?}`",
            path.display(),
            format!("{}/{only}", folder.trim_end_matches('/'))
        );
        findings.place(DataKey::Test, &path, text);
        return Vec::new();
    }
    if images.is_empty() && !listing.folders.is_empty() {
        let rows = read(root, folder, DataKey::Test, findings, notes).rows;
        if rows.is_empty() {
            let text = format!("no images in any sub-folder of {} (test: {folder:?})", path.display());
            findings.place(DataKey::Test, &path, text);
        }
        return rows;
    }
    notes.extend(strange_files(&path, &unread, &others));
    if images.is_empty() {
        findings.place(DataKey::Test, &path, format!("{} (test: {folder:?}) holds no image", path.display()));
    }
    if !listing.folders.is_empty() {
        let text = format!(
            "{} (test: {folder:?}) holds both files and sub-folders ({}): expected files only (no labels), \
             or one sub-folder a class",
            path.display(),
            names(&listing.folders, 3)
        );
        findings.place(DataKey::Test, &path, text);
    }
    let row = |file: String| {
        let path: PathBuf = path.join(&file);
        SourceRow { id: test_id(&file, suffixes), path, ..SourceRow::default() }
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
