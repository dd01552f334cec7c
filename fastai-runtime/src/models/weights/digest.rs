//! sha256 of files, as publishers of weights quote it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Published;
use crate::atomic::{FileError, write_atomic};

/// The sha256 of a file's bytes, in 64 hexadecimal digits.
pub fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 1 << 18];
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            n => hash.update(&chunk[..n]),
        }
    }
    Ok(hex(hash))
}

/// Whether `found` is the sha256 of published weights at `path`: the published one. Where the publisher states only its first
/// digits, which others could hit, also the whole one of the file that came first, which stays beside it.
pub fn is_published(published: &Published, path: &Path, found: &str) -> bool {
    published.is(found) && first(path).is_none_or(|first| first == found)
}

/// Where the whole digest of the file at `path` is kept.
fn first_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sha256");
    name.into()
}

fn first(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(first_path(path)).ok()?;
    Some(text.split_whitespace().next()?.to_string())
}

/// Keeps the whole digest of weights that came to `path`, in the form of `sha256sum`, if the publisher states only its first
/// digits.
///
/// # Errors
/// A file that cannot be written.
pub(super) fn keep_first(published: &Published, path: &Path, found: &str) -> Result<(), FileError> {
    if published.sha256.len() == found.len() {
        return Ok(());
    }
    write_atomic(first_path(path), |file| writeln!(file, "{found}  {}", published.file))
}

/// What was hashed so far, in 64 hexadecimal digits.
pub(super) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_that_of_the_standard() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"abc").unwrap();
        let digest = sha256(file.path()).unwrap();
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        // More than a chunk.
        std::fs::write(file.path(), vec![b'a'; 1_000_000]).unwrap();
        let digest = sha256(file.path()).unwrap();
        assert_eq!(digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    }
}
