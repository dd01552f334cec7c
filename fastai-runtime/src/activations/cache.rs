//! Looks features up in the cache, or computes and stores them.

use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use burn::module::Module;

use super::features::{Features, Writer};
use crate::atomic::write_atomic;
use crate::data::Traversal;
use crate::error::Reached;
use crate::progress::Watch;
use crate::train::{Examples, Inputs, Learner};
use crate::{RunError, device};

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
        let mut hash = blake3::Hasher::new_derive_key("fastai activations 1");
        for part in [body_digest, transforms] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        CacheKey { digest: hash.finalize() }
    }

    /// Returns the digest of these files in this order: path, size and modification time of each.
    fn of_files(&self, files: &[&Path]) -> Result<blake3::Hash, RunError> {
        let mut hash = blake3::Hasher::new();
        hash.update(self.digest.as_bytes());
        for path in files {
            let data = std::fs::metadata(path).map_err(|e| RunError::file("read", *path, e))?;
            let changed = data.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
            let name = path.as_os_str().as_encoded_bytes();
            hash.update(&(name.len() as u64).to_le_bytes());
            hash.update(name);
            hash.update(&data.len().to_le_bytes());
            hash.update(&changed.as_nanos().to_le_bytes());
        }
        Ok(hash.finalize())
    }
}

/// Features, and whether the cache contained them.
#[derive(Debug)]
pub struct Opened {
    /// The features, in the order of the files.
    pub features: Features,
    /// True if the features came from the cache.
    pub found: bool,
    /// The file.
    pub path: PathBuf,
}

impl ActivationCache {
    /// Returns the cache in `root`. The first write creates the folder.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        ActivationCache { root: root.into() }
    }

    /// Returns the default folder of caches: `$FASTAI_CACHE`, otherwise `.fastai/activations` in the working directory.
    pub fn default_root() -> PathBuf {
        match std::env::var_os("FASTAI_CACHE") {
            Some(path) if !path.is_empty() => PathBuf::from(path),
            _ => Path::new(".fastai").join("activations"),
        }
    }

    /// The folder that holds all caches.
    pub fn root(&self) -> &std::path::Path {
        &self.root
    }

    /// The folder of everything with this key.
    pub fn folder(&self, key: &CacheKey) -> PathBuf {
        self.root.join(&key.digest.to_hex()[..16])
    }

    /// Returns the features of `examples`, whose images are `files` in this order: from the cache, or computed by the body
    /// of the learner's network and stored.
    ///
    /// A damaged file is computed again, with a note. The new file is written atomically.
    ///
    /// # Errors
    /// An image that cannot be read, a file that cannot be written (named), or [`RunError::Stopped`].
    pub fn open(
        &self,
        key: &CacheKey,
        files: &[&Path],
        examples: &dyn Examples,
        learner: &Learner,
        what: &str,
        watch: Watch<'_>,
    ) -> Result<Opened, RunError> {
        let Watch { progress, stop } = watch;
        let network = learner.network();
        let digest = key.of_files(files)?;
        let folder = self.folder(key);
        let path = folder.join(format!("{}.features", &digest.to_hex()[..32]));
        let (rows, width) = (files.len(), network.head_input());
        match Features::open(&path, digest.as_bytes(), rows, width) {
            Ok(Ok(features)) => return Ok(Opened { features, found: true, path }),
            Ok(Err(why)) => progress.note(&format!("{} is damaged ({why}) and is computed again", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => progress.note(&format!("cannot read {} ({error}): it is computed again", path.display())),
        }
        std::fs::create_dir_all(&folder).map_err(|e| RunError::file("create", &folder, e))?;
        let network = network.valid();
        let device = learner.device().clone().without_autodiff();
        progress.begin(what, rows as u64);
        // Carries a reader's error through the writer, whose error type covers only the disk.
        let mut failure = None;
        let written = write_atomic(&path, |out| {
            let mut writer = Writer::begin(out, digest.as_bytes(), rows, width)?;
            let mut compute = || -> Result<(), Failed> {
                let mut done = 0;
                for batch in examples.batches(&Traversal::Plain, &device)? {
                    let batch = batch?;
                    let features = match batch.inputs {
                        Inputs::Images(images) => network.features(images),
                        Inputs::Features(features) => features,
                    };
                    writer.add(&device::read(features)?).map_err(Failed::Disk)?;
                    done += batch.images.len() as u64;
                    progress.advance(done, "");
                    if stop.requested() {
                        return Err(Failed::Run(RunError::Stopped(Reached::Batch)));
                    }
                }
                Ok(())
            };
            match compute() {
                Ok(()) => writer.finish(),
                Err(Failed::Disk(error)) => Err(error),
                Err(Failed::Run(error)) => {
                    failure = Some(error);
                    Err(io::Error::other("not all features were computed"))
                }
            }
        });
        progress.finish();
        if let Some(error) = failure {
            return Err(error);
        }
        written?;
        match Features::open(&path, digest.as_bytes(), rows, width) {
            Ok(Ok(features)) => Ok(Opened { features, found: false, path }),
            Ok(Err(why)) => Err(RunError::file("read", &path, io::Error::new(io::ErrorKind::InvalidData, why))),
            Err(error) => Err(RunError::file("read", &path, error)),
        }
    }
}

enum Failed {
    Disk(io::Error),
    Run(RunError),
}

impl From<RunError> for Failed {
    fn from(error: RunError) -> Self {
        Failed::Run(error)
    }
}
