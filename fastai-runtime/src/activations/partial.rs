//! Rows of features that are kept while a set is computed, so that a run that ends before the set is complete loses none of them
//! but the last.

use std::fs::{File, TryLockError};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Purpose;
use super::feature_file::RowReader;
use super::row_file::{ImageKey, RowFile};
use crate::RunError;
use crate::atomic::{FileError, if_synced, sync_folder};
use crate::keeping_times::KeepingTimes;
use crate::locks::{enter, locked};

/// The suffix of such files.
pub(super) const PARTIAL: &str = "partial";
/// Shortest time between two syncs: what is computed in between, a loss of power may take.
const EVERY: Duration = Duration::from_secs(10);
const MAGIC: &[u8; 8] = b"fastpar1";
/// Magic, key, width.
const HEADER: usize = 8 + 32 + 8;
/// The number of the rows of a portion.
const COUNT: usize = 8;
const DIGEST: usize = 32;
/// Bytes that are read at a time.
const BUFFER: usize = 1 << 20;

/// A file that takes rows as they are computed, in any order.
///
/// The file: magic, the key of the body and of the preparation (32 bytes) and width (u64); then portions, each with the number
/// of its rows (u64), the keys of their images (16 bytes each), their values (f32), and the blake3 digest of the header and of
/// all this. All numbers are little-endian. A kill tears at most the last portion, which its digest tells.
///
/// The process that writes the file has it locked.
#[derive(Debug)]
pub(super) struct Partial {
    file: File,
    path: PathBuf,
    header: [u8; HEADER],
    width: usize,
    /// Bytes written.
    length: u64,
    rows: Vec<(ImageKey, u64)>,
    times: KeepingTimes,
    /// Says that this process writes in the folder.
    _entered: Option<File>,
}

impl Partial {
    /// Begins a file for rows of the set whose complete features will be at `features`, and keeps `purpose` beside it. `key`
    /// names the body and the preparation.
    pub(super) fn begin(features: &Path, key: &[u8; 32], width: usize, purpose: &Purpose) -> Result<Self, FileError> {
        let folder = features.parent().unwrap_or(Path::new("."));
        let entered = enter(folder)?;
        let header = header_of(key, width);
        let create = |path: &Path| File::options().read(true).write(true).create_new(true).open(path);
        // A name of its own, since another process may compute the same set.
        let (prefix, suffix) = (prefix_of(features), format!(".{PARTIAL}"));
        let made = tempfile::Builder::new().prefix(&prefix).suffix(&suffix).make_in(folder, create);
        let made = made.and_then(|mut made| {
            let _ = made.as_file().try_lock();
            made.as_file_mut().write_all(&header)?;
            made.keep().map_err(|kept| kept.error)
        });
        let (file, path) = made.map_err(|e| FileError::new("create a file in", folder, e))?;
        purpose.keep(&path);
        sync_folder(folder);
        let (length, times) = (HEADER as u64, KeepingTimes::new(EVERY));
        Ok(Partial { file, path, header, width, length, rows: Vec::new(), times, _entered: entered })
    }

    /// Appends the rows of these images as a portion. If that fails, they are not among its rows.
    fn add(&mut self, images: &[ImageKey], values: &[f32]) -> Result<(), FileError> {
        if images.is_empty() {
            return Ok(());
        }
        if self.times.is_due() {
            self.sync()?;
        }
        let mut bytes = Vec::with_capacity(COUNT + size_of_val(images) + size_of_val(values) + DIGEST);
        bytes.extend_from_slice(&(images.len() as u64).to_le_bytes());
        bytes.extend_from_slice(images.as_flattened());
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let digest = blake3::Hasher::new().update(&self.header).update(&bytes).finalize();
        bytes.extend_from_slice(digest.as_bytes());
        self.file.write_all(&bytes).map_err(|e| FileError::new("write", &self.path, e))?;
        self.rows.extend(placed(images, self.length, self.width));
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Keeps what was added through a loss of power.
    fn sync(&mut self) -> Result<(), FileError> {
        let begun = Instant::now();
        let synced = if_synced(self.file.sync_data()).map_err(|e| FileError::new("write", &self.path, e));
        self.times.kept(begun);
        synced
    }

    /// Reads all rows back into memory, in the order in which they were added, and removes the file.
    fn take_back(self) -> Result<Vec<f32>, RunError> {
        let (mut reader, mut values) = (RowReader::new(self.width), Vec::with_capacity(self.rows.len() * self.width));
        for (_, at) in &self.rows {
            reader.read(&self.file, *at, &mut values).map_err(|e| RunError::file("read", &self.path, e))?;
        }
        remove(&self.path);
        Ok(values)
    }

    /// The rows. Whoever completes the set may remove the file from now on.
    fn finish(self) -> RowFile {
        let _ = self.file.unlock();
        RowFile { file: self.file, path: self.path, rows: self.rows }
    }
}

/// Rows in the order in which they are computed: in a file, or in memory once no file takes them.
#[derive(Debug)]
pub(super) struct ComputedRows {
    file: Result<Partial, FileError>,
    memory: Vec<f32>,
}

impl ComputedRows {
    /// None yet. A file that cannot be written costs time and memory only.
    pub(super) fn new(file: Result<Partial, FileError>) -> Self {
        ComputedRows { file, memory: Vec::new() }
    }

    /// Adds the rows of these images.
    ///
    /// # Errors
    /// If the file takes no more and what it has cannot be read back.
    pub(super) fn add(&mut self, images: &[ImageKey], values: &[f32]) -> Result<(), RunError> {
        if let Ok(partial) = &mut self.file {
            let Err(why) = partial.add(images, values) else { return Ok(()) };
            if let Ok(partial) = std::mem::replace(&mut self.file, Err(why)) {
                self.memory = partial.take_back()?;
            }
        }
        self.memory.extend_from_slice(values);
        Ok(())
    }

    /// Keeps the rows through a loss of power, if a file has them; that it cannot be synced costs time only.
    pub(super) fn sync(&mut self) {
        if let Ok(partial) = &mut self.file {
            let _ = partial.sync();
        }
    }

    /// All rows: a file, or why there is none, and the values.
    pub(super) fn finish(self) -> Result<RowFile, (FileError, Vec<f32>)> {
        self.file.map(Partial::finish).map_err(|why| (why, self.memory))
    }
}

/// Whether this is the name of such a file.
pub(super) fn is_partial(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| suffix == PARTIAL)
}

/// The rows of a file with this key and width, up to the first portion that is torn or damaged; `None` if it is something else.
pub(super) fn rows_of(path: &Path, key: &[u8; 32], width: usize) -> Option<RowFile> {
    let file = File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    let mut reader = BufReader::with_capacity(BUFFER, &file);
    let mut header = [0; HEADER];
    reader.read_exact(&mut header).ok()?;
    if header != header_of(key, width) {
        return None;
    }
    let (mut at, mut rows) = (HEADER as u64, Vec::new());
    while let Some(images) = next_portion(&mut reader, size.saturating_sub(at), &header, width) {
        rows.extend(placed(&images, at, width));
        at += (COUNT + images.len() * (size_of::<ImageKey>() + width * 4) + DIGEST) as u64;
    }
    drop(reader);
    Some(RowFile { file, path: path.to_path_buf(), rows })
}

/// The images of the next portion, if it is whole; `left` bytes may be read.
fn next_portion(from: &mut impl Read, left: u64, header: &[u8; HEADER], width: usize) -> Option<Vec<ImageKey>> {
    let room = left.checked_sub((COUNT + DIGEST) as u64)?;
    let mut count = [0; COUNT];
    from.read_exact(&mut count).ok()?;
    let number = u64::from_le_bytes(count);
    let row = (size_of::<ImageKey>() + width * 4) as u64;
    // A number of rows that do not fit is a damaged one, and costs no memory.
    if number == 0 || number.checked_mul(row).is_none_or(|bytes| bytes > room) {
        return None;
    }
    let mut images = vec![ImageKey::default(); number as usize];
    from.read_exact(images.as_flattened_mut()).ok()?;
    let mut hash = blake3::Hasher::new();
    hash.update(header).update(&count).update(images.as_flattened());
    hash.update_reader(from.by_ref().take(number * width as u64 * 4)).ok()?;
    let mut digest = [0; DIGEST];
    from.read_exact(&mut digest).ok()?;
    (digest == *hash.finalize().as_bytes()).then_some(images)
}

/// The images of a portion that begins at byte `at`, each with the byte at which its row begins.
fn placed(images: &[ImageKey], at: u64, width: usize) -> impl Iterator<Item = (ImageKey, u64)> + '_ {
    let first = at + (COUNT + size_of_val(images)) as u64;
    images.iter().zip(0u64..).map(move |(image, number)| (*image, first + number * width as u64 * 4))
}

/// Removes the files of a set whose features are complete, but those that a process still writes.
pub(super) fn remove_of(features: &Path) {
    let Some(folder) = features.parent() else { return };
    let prefix = prefix_of(features);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_of_set = is_partial(&path) && entry.file_name().to_string_lossy().starts_with(&prefix);
        if is_of_set && !is_written(&path).unwrap_or(true) {
            remove(&path);
        }
    }
}

/// Whether a process has the file locked.
fn is_written(path: &Path) -> io::Result<bool> {
    Ok(matches!(locked(&File::open(path)?), Err(TryLockError::WouldBlock)))
}

/// Removes a file after what is kept about it, which nothing would find without the file. What cannot be removed only costs
/// space.
fn remove(path: &Path) {
    Purpose::remove(path);
    let _ = std::fs::remove_file(path);
}

/// The start of the names of a set's files.
fn prefix_of(features: &Path) -> String {
    format!("{}-", features.file_stem().unwrap_or_default().to_string_lossy())
}

fn header_of(key: &[u8; 32], width: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..40].copy_from_slice(key);
    header[40..].copy_from_slice(&(width as u64).to_le_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn image(number: u8) -> ImageKey {
        [number; 16]
    }

    fn begin(folder: &Path) -> Partial {
        Partial::begin(&folder.join("set.features"), &KEY, 2, &Purpose::example()).unwrap()
    }

    fn add(partial: &mut Partial, numbers: &[u8]) {
        let images: Vec<ImageKey> = numbers.iter().map(|number| image(*number)).collect();
        let values: Vec<f32> = numbers.iter().flat_map(|number| [f32::from(*number), -f32::from(*number)]).collect();
        partial.add(&images, &values).unwrap();
    }

    /// The numbers of the images whose rows are found; each row is read, too.
    fn found(path: &Path, key: &[u8; 32], width: usize) -> Option<Vec<u8>> {
        let file = rows_of(path, key, width)?;
        let number = |(image, at): &(ImageKey, u64)| {
            let value = f32::from(image[0]);
            let mut row = Vec::new();
            RowReader::new(width).read(&file.file, *at, &mut row).unwrap();
            assert_eq!(row, [value, -value]);
            image[0]
        };
        Some(file.rows.iter().map(number).collect())
    }

    // Windows lets no one else read what is locked.
    #[cfg(unix)]
    #[test]
    fn rows_are_found_while_others_are_added() {
        let folder = tempfile::tempdir().unwrap();
        let mut partial = begin(folder.path());
        let path = partial.path.clone();
        let now = || found(&path, &KEY, 2).unwrap();
        assert_eq!(now(), [0; 0]);
        add(&mut partial, &[1, 2]);
        add(&mut partial, &[]);
        assert_eq!(now(), [1, 2]);
        add(&mut partial, &[9]);
        partial.sync().unwrap();
        assert_eq!(now(), [1, 2, 9]);
        assert!(found(&path, &[8; 32], 2).is_none() && found(&path, &KEY, 3).is_none());

        // In memory, in order; the file is gone then.
        assert_eq!(partial.take_back().unwrap(), [1.0, -1.0, 2.0, -2.0, 9.0, -9.0]);
        assert!(!path.exists() && !path.with_extension("json").exists());
    }

    #[test]
    fn whatever_is_torn_or_damaged_ends_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut partial = begin(folder.path());
        let (path, mut ends) = (partial.path.clone(), vec![partial.length]);
        for numbers in [&[1, 2][..], &[3], &[4, 5, 6]] {
            add(&mut partial, numbers);
            ends.push(partial.length);
        }
        drop(partial);
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(*ends.last().unwrap(), whole.len() as u64);
        let all = [1, 2, 3, 4, 5, 6];
        let sound = |bytes: u64| &all[..[0, 2, 3, 6][ends.iter().filter(|end| **end <= bytes).count() - 1]];
        for at in 0..whole.len() {
            std::fs::write(&path, &whole[..at]).unwrap();
            let torn = found(&path, &KEY, 2);
            assert_eq!(torn.as_deref(), (at >= HEADER).then(|| sound(at as u64)), "the first {at} bytes");
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            std::fs::write(&path, &flipped).unwrap();
            assert_eq!(found(&path, &KEY, 2).as_deref(), (at >= HEADER).then(|| sound(at as u64)), "byte {at}");
        }
        // What a loss of power may leave of a file that had grown.
        std::fs::write(&path, [&whole[..], &[0; 500]].concat()).unwrap();
        assert_eq!(found(&path, &KEY, 2).unwrap(), all);
    }

    #[test]
    fn files_of_a_complete_set_go_unless_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let (written, left) = (begin(folder.path()), begin(folder.path()));
        let (left, written_path) = (left.finish().path, written.path.clone());
        let other = Partial::begin(&folder.path().join("other.features"), &KEY, 2, &Purpose::example()).unwrap();
        let other = other.finish().path;
        remove_of(&folder.path().join("set.features"));
        assert!(!left.exists() && !left.with_extension("json").exists());
        assert!(written_path.exists() && written_path.with_extension("json").exists() && other.exists());
        drop(written);
        remove_of(&folder.path().join("set.features"));
        assert!(!written_path.exists() && other.exists());
    }

    #[test]
    fn rows_stay_in_memory_where_no_file_takes_them() {
        let folder = tempfile::tempdir().unwrap();
        let mut computed = ComputedRows::new(Ok(begin(folder.path())));
        computed.add(&[image(1)], &[1.0, -1.0]).unwrap();
        // As a disk that fills up: this handle cannot write.
        let Ok(partial) = &mut computed.file else { panic!("a file") };
        partial.file = File::open(&partial.path).unwrap();
        let path = partial.path.clone();
        computed.add(&[image(2)], &[2.0, -2.0]).unwrap();
        computed.add(&[image(3)], &[3.0, -3.0]).unwrap();
        assert!(!path.exists());
        let (why, values) = computed.finish().unwrap_err();
        assert!(why.to_string().contains("set-"), "{why}");
        assert_eq!(values, [1.0, -1.0, 2.0, -2.0, 3.0, -3.0]);
    }
}
