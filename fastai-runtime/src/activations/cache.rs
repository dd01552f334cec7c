//! Looks features up in the cache, or computes and stores them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use burn::module::Module;

use super::Purpose;
use super::feature_file::{Writer, checked};
use super::features::Features;
use super::partial::{self, ComputedRows, Partial};
use super::row_file::ImageKey;
use super::rows::{FoundRows, Rows};
use crate::atomic::{FileError, write_own};
use crate::data::Traversal;
use crate::device::Readings;
use crate::error::Reached;
use crate::locks::enter;
use crate::progress::{Progress, Silent, Watch};
use crate::train::{Examples, Inputs, Learner, features_in_parts};
use crate::{RunError, defaults};

/// Held while a run of this process computes activations.
static MAKING: Mutex<()> = Mutex::new(());

/// A folder of cached activations, shared by all runs.
#[derive(Clone, Debug)]
pub struct ActivationCache {
    root: PathBuf,
}

/// What computes the features: the body's weights, the architecture and how images are prepared.
#[derive(Clone, Debug)]
pub struct CacheKey {
    digest: blake3::Hash,
}

impl CacheKey {
    /// Returns the key of a body and of the way its images are prepared. `body_digest` covers the architecture and every
    /// weight; `transforms` is a text that differs whenever the pixels differ.
    pub fn new(body_digest: &str, transforms: &str) -> Self {
        let mut hash = blake3::Hasher::new_derive_key("fastai activations 2");
        for part in [body_digest, transforms] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        CacheKey { digest: hash.finalize() }
    }

    /// Returns the digest of these files in this order: path, size, times and inode of each.
    fn of_files(&self, files: &[&Path]) -> Result<blake3::Hash, RunError> {
        let mut hash = blake3::Hasher::new();
        hash.update(self.digest.as_bytes());
        for path in files {
            add_file(path, &mut hash)?;
        }
        Ok(hash.finalize())
    }
}

/// What identifies each of these files by itself.
pub(super) fn image_keys(files: &[&Path]) -> Result<Vec<ImageKey>, RunError> {
    let of = |path: &&Path| {
        let mut hash = blake3::Hasher::new();
        add_file(path, &mut hash)?;
        Ok(*hash.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes"))
    };
    files.iter().map(of).collect()
}

/// Adds what identifies a file: path, size, times and inode.
fn add_file(path: &Path, hash: &mut blake3::Hasher) -> Result<(), RunError> {
    let data = std::fs::metadata(path).map_err(|e| RunError::file("read", path, e))?;
    let changed = data.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let name = path.as_os_str().as_encoded_bytes();
    hash.update(&(name.len() as u64).to_le_bytes());
    hash.update(name);
    hash.update(&data.len().to_le_bytes());
    hash.update(&changed.as_nanos().to_le_bytes());
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        // Another file of the same size whose time was set has another inode, or a later change of the inode.
        hash.update(&data.ino().to_le_bytes());
        hash.update(&data.ctime().to_le_bytes());
        hash.update(&data.ctime_nsec().to_le_bytes());
    }
    Ok(())
}

/// Features, and what the cache has of them.
#[derive(Debug)]
pub struct Opened {
    /// The features, in the order of the files.
    pub features: Features,
    /// True if the features came from the cache.
    pub found: bool,
    /// Images whose features are in the memory of this run alone.
    pub missing: usize,
    /// Why the cache has no file of all of them, if it has none: a run that needs them writes it if it can.
    pub failure: Option<FileError>,
}

/// What the cache holds of the features of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheContent {
    /// The file of all of them.
    pub path: PathBuf,
    /// Whether it is there and sound.
    pub complete: bool,
    /// Images whose features are there, in this file or in others.
    pub images: usize,
}

impl ActivationCache {
    /// Returns the cache in `root`. The first write creates the folder.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        ActivationCache { root: root.into() }
    }

    /// Returns the default folder of caches: `$FASTAI_CACHE`, otherwise that of the [defaults](crate::defaults) of this
    /// process, otherwise `.fastai/activations` in the working directory.
    pub fn default_root() -> PathBuf {
        let stated = defaults::folder("FASTAI_CACHE", |defaults| &defaults.cache);
        stated.unwrap_or_else(|| Path::new(".fastai").join("activations"))
    }

    /// The folder that holds all caches.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Refuses a root that is there and no folder. A folder that does not exist yet, or cannot be written, is no error.
    ///
    /// # Errors
    /// How to name another.
    pub fn check(&self) -> Result<(), FileError> {
        let is_other = match std::fs::metadata(&self.root) {
            Ok(facts) => !facts.is_dir(),
            // A file is on the way to it.
            Err(error) => error.kind() == io::ErrorKind::NotADirectory,
        };
        if !is_other {
            return Ok(());
        }
        let why = "it is no folder; name one with `--cache`, $FASTAI_CACHE or `cache` in fastai.toml";
        Err(FileError::new("cache in", &self.root, io::Error::new(io::ErrorKind::NotADirectory, why)))
    }

    /// The folder of everything with this key.
    pub fn folder(&self, key: &CacheKey) -> PathBuf {
        self.root.join(&key.digest.to_hex()[..16])
    }

    /// The file of the features of a set of images with this digest.
    fn path_of(&self, key: &CacheKey, set: &blake3::Hash) -> PathBuf {
        self.folder(key).join(format!("{}.features", &set.to_hex()[..32]))
    }

    /// What is there of the features, `width` of an image, of these files in this order. Nothing is computed or written.
    ///
    /// # Errors
    /// A file that does not exist.
    pub fn held(&self, key: &CacheKey, files: &[&Path], width: usize) -> Result<CacheContent, RunError> {
        let digest = key.of_files(files)?;
        let path = self.path_of(key, &digest);
        let complete = matches!(checked(&path, digest.as_bytes(), files.len(), width, false), Ok(Ok(_)));
        let images = if complete {
            files.len()
        } else {
            let found = FoundRows::find(&self.folder(key), key.digest.as_bytes(), &image_keys(files)?, width);
            files.len() - found.missing().len()
        };
        Ok(CacheContent { path, complete, images })
    }

    /// Returns the features of `examples`, whose images are `files` in this order: from the cache, where they may be in the files
    /// of other sets, or computed by the body of the learner's network and stored.
    ///
    /// A damaged file is computed again, with a note. Rows are kept as they are computed, so that after an end at any instant
    /// only those are computed that are missing. The new file is written atomically, and `purpose` beside it.
    ///
    /// # Errors
    /// An image that cannot be read, or [`RunError::Stopped`]. A cache that cannot be written is [no error](Opened::failure): the
    /// features are then read from the files where their rows are, or stay in memory if no file took them.
    pub fn open(
        &self,
        key: &CacheKey,
        files: &[&Path],
        examples: &dyn Examples,
        learner: &Learner,
        purpose: &Purpose,
        watch: Watch<'_>,
    ) -> Result<Opened, RunError> {
        let Watch { progress, stop } = watch;
        let network = learner.network();
        let digest = key.of_files(files)?;
        let folder = self.folder(key);
        let path = self.path_of(key, &digest);
        let (rows, width) = (files.len(), network.head_input());
        if let Some(features) = whole_file(&path, digest.as_bytes(), rows, width, progress) {
            // A run may have ended before it removed them.
            partial::remove_of(&path);
            return Ok(Opened { features, found: true, missing: 0, failure: None });
        }
        // Runs of one process compute nothing twice: who waited here finds what the other has made.
        let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        let made = path.is_file().then(|| whole_file(&path, digest.as_bytes(), rows, width, &mut Silent)).flatten();
        if let Some(features) = made {
            return Ok(Opened { features, found: true, missing: 0, failure: None });
        }
        let images = Rows { key: *digest.as_bytes(), images: image_keys(files)? };
        // Rows that other sets of images share, as those of folds do, and those that a run computed before it was interrupted.
        let mut known = FoundRows::find(&folder, key.digest.as_bytes(), &images.images, width);
        let missing = known.missing();
        let (found, computes) = (missing.is_empty(), missing.len());
        if !found {
            let partial = Partial::begin(&path, key.digest.as_bytes(), width, purpose);
            let mut computed = ComputedRows::new(partial);
            let watch = Watch { progress: &mut *progress, stop };
            compute(missing, &images.images, &mut computed, examples, learner, purpose, watch)?;
            match computed.finish() {
                Ok(file) => known.add(&images.images, file),
                // A cache saves time only; a run goes on without one.
                Err((error, computed)) => {
                    let features = Features::in_memory(known.and(&computed)?, width);
                    return Ok(Opened { features, found, missing: computes, failure: Some(error) });
                }
            }
        }
        // Before the file that they are about, so that a kill never leaves it without them.
        purpose.keep(&path);
        images.keep(&path);
        let (features, failure) = match write(&folder, &path, digest.as_bytes(), &known) {
            Ok(features) => {
                drop(known);
                partial::remove_of(&path);
                (features, None)
            }
            Err(error) => {
                // Nothing finds them without the file that they are about, unless another process has written it.
                if !path.exists() {
                    Purpose::remove(&path);
                    Rows::remove(&path);
                }
                (Features::in_files(known), Some(error))
            }
        };
        Ok(Opened { features, found, missing: 0, failure })
    }
}

/// The features of a set that are in a file of its own; `None` without one, and of a damaged one, which is noted.
fn whole_file(path: &Path, key: &[u8; 32], rows: usize, width: usize, progress: &mut dyn Progress) -> Option<Features> {
    match Features::open(path, key, rows, width) {
        Ok(Ok(features)) => {
            // The time tells `gc` what was not used for longest; a folder that cannot be written has none.
            let now = SystemTime::now();
            let _ = File::options().write(true).open(path).and_then(|file| file.set_modified(now));
            Some(features)
        }
        Ok(Err(why)) => {
            progress.note(&format!("{} is damaged ({why}) and is computed again", path.display()));
            None
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            progress.note(&format!("cannot read {} ({error}): it is computed again", path.display()));
            None
        }
    }
}

/// Computes the features of some images of a set, and passes them on as they come.
fn compute(
    missing: Vec<usize>,
    images: &[ImageKey],
    computed: &mut ComputedRows,
    examples: &dyn Examples,
    learner: &Learner,
    purpose: &Purpose,
    watch: Watch<'_>,
) -> Result<(), RunError> {
    let Watch { progress, stop } = watch;
    let network = learner.network().valid();
    let device = learner.device().clone().without_autodiff();
    let mut what = format!("images, activations of the {} set", purpose.part.word());
    if missing.len() < images.len() {
        let known = format!("{} of {} known already", images.len() - missing.len(), images.len());
        progress.note(&format!("activations of the {} set: {known}", purpose.part.word()));
        what = format!("{what} ({known})");
    }
    progress.begin(&what, missing.len() as u64);
    let (mut done, mut unread, mut readings) = (0, Vec::new(), Readings::of(&device));
    for batch in examples.batches(&Traversal::Listed(missing), 0, &device)? {
        let batch = batch?;
        let features = match batch.inputs {
            Inputs::Images(images) => features_in_parts(&network, images, learner.parts()),
            Inputs::Features(features) => features,
        };
        unread.extend(batch.images.iter().map(|image| images[*image]));
        let Some(read) = readings.add(features)? else { continue };
        computed.add(&unread, &read)?;
        done += unread.len() as u64;
        unread.clear();
        progress.advance(done, "");
        if stop.requested() {
            computed.sync();
            return Err(RunError::Stopped(Reached::Batch));
        }
    }
    computed.add(&unread, &readings.rest()?)?;
    progress.finish();
    Ok(())
}

/// Writes all rows into a file and opens it; the error says why the file cannot be written or read back.
fn write(folder: &Path, path: &Path, key: &[u8; 32], all: &FoundRows) -> Result<Features, FileError> {
    let _lock = enter(folder)?;
    let (rows, width) = (all.len(), all.width());
    write_own(path, |out| {
        let mut writer = Writer::begin(out, key, rows, width)?;
        all.each(&mut |row| writer.add(row))?;
        writer.finish()
    })?;
    let unreadable = |error| FileError::new("read", path, error);
    match Features::open(path, key, rows, width).map_err(unreadable)? {
        Ok(features) => Ok(features),
        Err(why) => Err(unreadable(io::Error::new(io::ErrorKind::InvalidData, why))),
    }
}
