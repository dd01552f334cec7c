//! Lists folders, and finds the image files that paths name.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::FileError;
use crate::findings::{names, number};

/// Suffixes of image files; decoding checks the content later.
const SUFFIXES: [&str; 9] = ["jpg", "jpeg", "png", "gif", "bmp", "webp", "tif", "tiff", "jfif"];

/// Suffixes of images that are not decoded.
const UNREAD: [&str; 25] = [
    "heic", "heif", "avif", "jxl", "jp2", "j2k", "dcm", "nii", "dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf",
    "psd", "tga", "exr", "svg", "ppm", "pgm", "pbm", "pnm", "qoi",
];

/// Names of images that are left out which a note lists.
const NAMED: usize = 3;

/// Largest folder depth; deeper nesting indicates a loop of links.
pub(super) const DEEPEST: usize = 64;

/// Names that systems and programs leave in folders, in any case; names that begin with a dot are left out as well.
const SYSTEM: [&str; 28] = [
    "__macosx",
    "icon\r",
    "network trash folder",
    "temporary items",
    "thevolumesettingsfolder",
    "@eadir",
    "@synoeastream",
    "@recycle",
    "@recently-snapshot",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "recycler",
    "recycled",
    "found.000",
    "system volume information",
    "desktop.ini",
    "thumbs.db",
    "thumbs.db:encryptable",
    "albumthumbs.db",
    "picasa.ini",
    "lost+found",
    "aquota.user",
    "aquota.group",
    "_vti_cnf",
    "_vti_pvt",
    "__pycache__",
    "zbthumbnail.info",
];

/// Folders whose names begin with a dot and which programs, not people, make, in any case; names that begin with `.trash` are such
/// as well.
const DOTTED: [&str; 12] = [
    ".@__thumb",
    ".appledouble",
    ".cache",
    ".dtrash",
    ".git",
    ".ipynb_checkpoints",
    ".picasaoriginals",
    ".snapshot",
    ".snapshots",
    ".svn",
    ".thumb",
    ".thumbnails",
];

/// What a file is meant as, by its suffix or else by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// An image of a kind that is decoded.
    Image,
    /// An image of another kind.
    UnreadImage,
    Other,
}

/// A file or folder in a folder.
#[derive(Debug)]
struct FolderEntry {
    name: OsString,
    is_folder: bool,
}

/// The folders in `folder` whose names begin with a dot, which are left out, although people seem to have put images into them.
pub(super) fn dotted_with_images(folder: &Path) -> Vec<String> {
    let is_known = |name: &OsStr| {
        let lower = name.as_encoded_bytes().to_ascii_lowercase();
        !lower.starts_with(b".") || lower.starts_with(b".trash") || DOTTED.iter().any(|known| lower == known.as_bytes())
    };
    let dotted = entries_but(folder, is_known).unwrap_or_default().into_iter().filter(|entry| entry.is_folder);
    let with_images = dotted.filter(|entry| {
        let path = folder.join(&entry.name);
        let files = entries(&path).unwrap_or_default();
        files.iter().take(20).any(|file| !file.is_folder && is_image(&path.join(&file.name)))
    });
    with_images.map(|entry| entry.name.to_string_lossy().into_owned()).collect()
}

/// Whether systems and programs, not people, put a name into a folder.
fn is_system(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    if bytes.starts_with(b".") {
        return true;
    }
    // Windows keeps thumbnails under several names.
    let lower = bytes.to_ascii_lowercase();
    let thumbs = lower.starts_with(b"ehthumbs") && lower.ends_with(b".db");
    // Office keeps a file of this name beside an open one.
    let open = lower.starts_with(b"~$");
    thumbs || open || SYSTEM.iter().any(|known| lower == known.as_bytes())
}

/// Lists `folder`, sorted by the bytes of the names, without names that start with a dot and without those of systems.
/// Links are what they point to.
fn entries(folder: &Path) -> io::Result<Vec<FolderEntry>> {
    entries_but(folder, is_system)
}

/// Lists `folder` without the names that are `left_out`.
fn entries_but(folder: &Path, left_out: fn(&OsStr) -> bool) -> io::Result<Vec<FolderEntry>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if left_out(&name) {
            continue;
        }
        let kind = entry.file_type()?;
        // Only a link needs another look.
        let is_folder = if kind.is_symlink() { entry.path().is_dir() } else { kind.is_dir() };
        entries.push(FolderEntry { name, is_folder });
    }
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// Whether `path`, that of a folder, is a link to a folder that it lies in itself, so that walking it would not end.
pub(super) fn leads_back(path: &Path) -> bool {
    if !path.is_symlink() {
        return false;
    }
    let Ok(target) = path.canonicalize() else { return false };
    // A folder above may be a link as well, and lead to elsewhere than its name says.
    path.ancestors().skip(1).any(|above| above.canonicalize().is_ok_and(|above| above.starts_with(&target)))
}

/// The names in a folder.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) folders: Vec<String>,
    pub(crate) files: Vec<String>,
}

/// Lists `folder` as [`entries`] does. A name that is not UTF-8 is an error.
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

/// Returns the files that `paths` name: files unchanged, and for each folder all images in it and below it, sorted by name.
///
/// In folders, the suffix or the first bytes determine the images; hidden files and folders are left out, and so are those
/// of systems, and links to folders that they lie in themselves.
///
/// # Errors
/// A folder that cannot be listed, or one without any image.
pub fn image_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, FileError> {
    ImageFiles::new(paths.iter().cloned().map(Ok)).collect()
}

/// The files that paths name, found one after another as [`image_files`] lists them. Only the folders on the way to the
/// current file are in memory.
///
/// It ends after the first error.
#[derive(Debug)]
pub struct ImageFiles<I> {
    paths: I,
    /// The folder that `paths` named last, and the images found in it.
    named: Option<(PathBuf, u64)>,
    /// The open folders, from the outermost.
    open: Vec<(PathBuf, std::vec::IntoIter<FolderEntry>)>,
    /// Images so far of kinds that are not decoded, and the paths of the first.
    unread: (usize, Vec<String>),
    failed: bool,
}

impl<I: Iterator<Item = Result<PathBuf, FileError>>> ImageFiles<I> {
    /// Starts with the first of `paths`; nothing is listed yet. An error in `paths` is passed on.
    pub fn new(paths: I) -> Self {
        ImageFiles { paths, named: None, open: Vec::new(), unread: (0, Vec::new()), failed: false }
    }

    /// Names the images of kinds that are not decoded in the folders so far; `None` if there are none.
    pub fn left_out(&self) -> Option<String> {
        let (count, first) = &self.unread;
        let more = count - first.len();
        (*count > 0).then(|| {
            format!(
                "{} of kinds that are not read, left out: {}{}; convert them to JPEG or PNG",
                number(*count, "image", "images"),
                names(first, NAMED),
                if more > 0 { format!(" and {more} more") } else { String::new() }
            )
        })
    }

    fn enter(&mut self, folder: PathBuf) -> Result<(), FileError> {
        let listed = if self.open.len() > DEEPEST {
            Err(io::Error::other(format!("more than {DEEPEST} folders within each other")))
        } else {
            entries(&folder)
        };
        let listed = listed.map_err(|e| FileError::new("list", folder.as_path(), e))?;
        self.open.push((folder, listed.into_iter()));
        Ok(())
    }

    /// The next file; `None` at the end.
    fn advance(&mut self) -> Result<Option<PathBuf>, FileError> {
        loop {
            if let Some((folder, rest)) = self.open.last_mut() {
                let Some(entry) = rest.next() else {
                    self.open.pop();
                    continue;
                };
                let path = folder.join(entry.name);
                if entry.is_folder {
                    if !leads_back(&path) {
                        self.enter(path)?;
                    }
                    continue;
                }
                match file_kind(&path) {
                    FileKind::Image => {
                        self.named.iter_mut().for_each(|(_, found)| *found += 1);
                        return Ok(Some(path));
                    }
                    FileKind::UnreadImage => {
                        self.unread.0 += 1;
                        if self.unread.1.len() < NAMED {
                            self.unread.1.push(path.display().to_string());
                        }
                    }
                    FileKind::Other => {}
                }
                continue;
            }
            if let Some((folder, 0)) = self.named.take() {
                let none = io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("there is no image in it: no name ends with .{}", SUFFIXES.join(", .")),
                );
                return Err(FileError::new("predict", folder, none));
            }
            let Some(path) = self.paths.next().transpose()? else { return Ok(None) };
            if !path.is_dir() {
                // A missing file is reported with the unreadable ones.
                return Ok(Some(path));
            }
            self.named = Some((path.clone(), 0));
            self.enter(path)?;
        }
    }
}

impl<I: Iterator<Item = Result<PathBuf, FileError>>> Iterator for ImageFiles<I> {
    type Item = Result<PathBuf, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.advance();
        self.failed = next.is_err();
        next.transpose()
    }
}

/// Whether the file at `path` is meant as an image that is decoded.
pub(crate) fn is_image(path: &Path) -> bool {
    file_kind(path) == FileKind::Image
}

/// What the file at `path` is meant as.
pub(crate) fn file_kind(path: &Path) -> FileKind {
    let name = path.to_str().unwrap_or_default();
    if has_image_suffix(name) {
        return FileKind::Image;
    }
    match kind_of_bytes(&first_bytes(path).unwrap_or_default()) {
        FileKind::Other if has_suffix(name, &UNREAD) => FileKind::UnreadImage,
        kind => kind,
    }
}

/// Whether a name ends with the suffix of an image.
pub(crate) fn has_image_suffix(name: &str) -> bool {
    has_suffix(name, &SUFFIXES)
}

fn has_suffix(name: &str, known: &[&str]) -> bool {
    let suffix = Path::new(name).extension().and_then(|s| s.to_str()).unwrap_or_default();
    known.iter().any(|known| suffix.eq_ignore_ascii_case(known))
}

fn first_bytes(path: &Path) -> Option<Vec<u8>> {
    // Opening a pipe would wait for its writer.
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let mut start = Vec::with_capacity(16);
    std::fs::File::open(path).ok()?.take(16).read_to_end(&mut start).ok()?;
    Some(start)
}

/// Whether bytes begin like an image of a format that is decoded; 16 bytes suffice.
pub fn begins_as_image(start: &[u8]) -> bool {
    kind_of_bytes(start) == FileKind::Image
}

fn kind_of_bytes(start: &[u8]) -> FileKind {
    use image::ImageFormat::{Bmp, Gif, Jpeg, Png, Pnm, Tiff, WebP};
    match image::guess_format(start) {
        Ok(Bmp | Gif | Jpeg | Png | Tiff | WebP) => FileKind::Image,
        Ok(Pnm) if !is_netpbm(start) => FileKind::Other,
        Ok(_) => FileKind::UnreadImage,
        Err(_) => FileKind::Other,
    }
}

/// Whether what follows the letter and the digit of a PBM, PGM, PPM or PAM, with which a text may begin, is that of an image.
fn is_netpbm(start: &[u8]) -> bool {
    match start {
        [_, b'7', b'\n', ..] => true,
        [_, _, blank, next, ..] => blank.is_ascii_whitespace() && (*next == b'#' || next.is_ascii_digit()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_walked_in_order_and_files_taken_as_they_are() {
        let base = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = base.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, b"").unwrap();
            path
        };
        let (b, a, c) = (file("x/b.JPG"), file("x/a/z.png"), file("x/c.tiff"));
        file("x/labels.csv");
        file("x/.hidden/a.jpg");
        file("x/.a.jpg");
        let other = file("notes.txt");
        let files = image_files(&[other.clone(), base.path().join("x"), base.path().join("gone.jpg")]).unwrap();
        assert_eq!(files, [other, a, b, c, base.path().join("gone.jpg")]);
        std::fs::create_dir(base.path().join("empty")).unwrap();
        let mut lazy = ImageFiles::new([Ok(base.path().join("x")), Ok(base.path().join("empty"))].into_iter());
        assert!(lazy.by_ref().take(3).all(|file| file.is_ok()), "files come before the error");
        assert!(lazy.next().unwrap().is_err() && lazy.next().is_none(), "it ends after an error");
        let error = image_files(&[base.path().join("empty")]).unwrap_err().to_string();
        assert!(error.contains("empty: there is no image in it"), "{error}");
    }

    #[test]
    fn images_of_kinds_that_are_not_read_are_counted() {
        let base = tempfile::tempdir().unwrap();
        for name in ["a.jpg", "b.HEIC", "c.txt", "d.avif", "e.pgm"] {
            std::fs::write(base.path().join(name), b"").unwrap();
        }
        for (name, start) in [
            ("f", "P6\n2 2\n255\n"),
            ("g.dat", "P5 # a comment"),
            ("h", "P7\nWIDTH 2"),
            ("i", "#?RADIANCE\n"),
            ("j", "qoif"),
            ("k.txt", "P1 is the first"),
            ("l.txt", "P2"),
        ] {
            std::fs::write(base.path().join(name), start).unwrap();
        }
        let mut files = ImageFiles::new(std::iter::once(Ok(base.path().to_path_buf())));
        assert_eq!(files.left_out(), None);
        assert_eq!(files.by_ref().count(), 1);
        let note = files.left_out().unwrap();
        assert!(note.starts_with("8 images of kinds that are not read, left out: "), "{note}");
        assert!(note.contains("b.HEIC") && note.contains("d.avif"), "{note}");
        // What is read by its content is read whatever its suffix says.
        std::fs::write(base.path().join("e.pgm"), b"\x89PNG\r\n\x1a\n").unwrap();
        assert_eq!(file_kind(&base.path().join("e.pgm")), FileKind::Image);
    }

    #[cfg(unix)]
    #[test]
    fn links_to_folders_that_they_lie_in_are_left_out() {
        let base = tempfile::tempdir().unwrap();
        let (outer, other) = (base.path().join("outer"), base.path().join("other"));
        std::fs::create_dir_all(outer.join("inner")).unwrap();
        std::fs::create_dir(&other).unwrap();
        std::fs::write(outer.join("a.jpg"), b"").unwrap();
        std::fs::write(other.join("b.jpg"), b"").unwrap();
        let link = |to: &Path, at: PathBuf| std::os::unix::fs::symlink(to, at).unwrap();
        link(&outer, outer.join("inner/again"));
        link(base.path(), outer.join("inner/above"));
        // Two links that lead to each other's folders.
        link(&other, outer.join("other"));
        link(&outer, other.join("outer"));
        let files = image_files(std::slice::from_ref(&outer)).unwrap();
        assert_eq!(files, [outer.join("a.jpg"), outer.join("other/b.jpg")]);
    }
}
