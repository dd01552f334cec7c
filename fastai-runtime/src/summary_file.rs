//! `summary.json`, the file of a run's results: text that begins with the BLAKE3 digest of itself. The reports write it, and
//! predictions read from it what a model belongs to.

use std::ffi::OsStr;
use std::io::{Error, ErrorKind, Read};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::RunError;
use crate::names::visible;

/// The name of the file, in the run folder.
pub(crate) const SUMMARY: &str = "summary.json";
/// The folder within a run folder with the state of the run; it exists exactly while the run is incomplete.
pub(crate) const RESUME: &str = "resume";

/// What goes on with the run in `folder`, if it has kept a state from which it can: `` `fastai run --resume DIR` goes on with
/// it ``.
pub(crate) fn resuming(folder: &Path) -> Option<String> {
    let mut kept = std::fs::read_dir(folder.join(RESUME)).into_iter().flatten().flatten();
    kept.any(|entry| !keeps_nothing(&entry.file_name()))
        .then(|| format!("`fastai run --resume {}` goes on with it", folder.display()))
}

/// Whether a file in [`RESUME`] of this name keeps no state: the lock, or a file in the making.
pub(crate) fn keeps_nothing(name: &OsStr) -> bool {
    name == "lock" || name.to_str().is_some_and(|name| name.ends_with(".tmp"))
}

/// Largest file that is read, bytes.
const MAX_BYTES: u64 = 64 << 20;

/// Digits of a digest.
const DIGITS: usize = 64;

#[derive(Serialize)]
struct Sealed<'a, T> {
    blake3: &'a str,
    #[serde(flatten)]
    content: &'a T,
}

/// The text of the file with this content, which begins with the digest of itself (with zeros in the digest's place).
pub(crate) fn sealed<T: Serialize>(content: &T) -> serde_json::Result<String> {
    let blank = "0".repeat(DIGITS);
    let text = serde_json::to_string_pretty(&Sealed { blake3: &blank, content })? + "\n";
    let text = visible(&text);
    let digest = blake3::hash(text.as_bytes()).to_hex();
    Ok(text.replacen(&blank, &digest, 1))
}

/// Reads the file of the run folder `folder`, or as much of it as `T` has fields.
///
/// # Errors
/// If the file does not exist, is not a summary, or was changed after it was written.
pub(crate) fn read<T: DeserializeOwned>(folder: &Path) -> Result<T, RunError> {
    let path = folder.join(SUMMARY);
    let cannot = |e| RunError::file("read", &path, e);
    let mut bytes = Vec::new();
    std::fs::File::open(&path).and_then(|f| f.take(MAX_BYTES).read_to_end(&mut bytes)).map_err(cannot)?;
    let content = serde_json::from_slice(&bytes).map_err(|e| cannot(e.into()))?;
    if !is_whole(&bytes) {
        let why = "its content does not match its digest: it is damaged or was edited";
        return Err(cannot(Error::new(ErrorKind::InvalidData, why)));
    }
    Ok(content)
}

/// Whether the text has the digest that it begins with.
fn is_whole(text: &[u8]) -> bool {
    let start: &[u8] = b"{\n  \"blake3\": \"";
    let Some(claimed) = text.strip_prefix(start).and_then(|rest| rest.get(..DIGITS)) else { return false };
    let blank = [b'0'; DIGITS];
    let mut hash = blake3::Hasher::new();
    hash.update(start).update(&blank).update(&text[start.len() + DIGITS..]);
    hash.finalize().to_hex().as_bytes() == claimed
}
