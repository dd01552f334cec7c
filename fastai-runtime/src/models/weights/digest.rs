//! sha256 of files, as publishers of weights quote it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Published;
use crate::atomic::{FileError, write_own};
use crate::names::visible_name;
use crate::progress::Progress;

/// Bytes from which on hashing a file shows its progress: smaller ones take a moment.
const SHOWN: u64 = 256 << 20;

/// The sha256 of a file's bytes, in 64 hexadecimal digits. A large file shows its progress in MiB.
pub fn sha256(path: &Path, progress: &mut dyn Progress) -> io::Result<String> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let shown = bytes >= SHOWN;
    if shown {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        progress.begin(&format!("digest of {}", visible_name(&name)), bytes >> 20);
    }
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    let mut done = 0u64;
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        hash.update(&chunk[..read]);
        done += read as u64;
        if shown {
            progress.advance(done >> 20, "MiB");
        }
    }
    if shown {
        progress.finish();
    }
    Ok(hex(hash))
}

/// The sha256 of bytes in memory, in 64 hexadecimal digits.
pub fn sha256_of(bytes: &[u8]) -> String {
    hex(Sha256::new_with_prefix(bytes))
}

/// Whether `found` is the sha256 of published weights at `path`: the published one. Where only its first digits are known,
/// which others could hit, also the whole one of the file that came first, which stays beside it.
pub fn is_published(published: &Published, path: &Path, found: &str) -> bool {
    published.is(found) && (published.has_whole_digest() || first(path).is_none_or(|first| first == found))
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

/// Keeps the whole digest of weights at `path` beside them, in the form of `sha256sum`, if only its first digits are known and
/// none is kept yet.
///
/// # Errors
/// A file that cannot be written.
pub(super) fn keep_first(published: &Published, path: &Path, found: &str) -> Result<(), FileError> {
    if published.has_whole_digest() || first(path).is_some() {
        return Ok(());
    }
    write_own(first_path(path), |file| writeln!(file, "{found}  {}", published.file))
}

/// What was hashed so far, in 64 hexadecimal digits.
pub(super) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    /// What a bar showed: its title and total, then each number.
    #[derive(Default)]
    struct Bar(Vec<(String, u64)>);

    impl Progress for Bar {
        fn begin(&mut self, what: &str, total: u64) {
            self.0.push((what.to_owned(), total));
        }
        fn advance(&mut self, done: u64, _: &str) {
            self.0.push((String::new(), done));
        }
    }

    #[test]
    fn a_large_file_shows_how_far_its_digest_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.pth");
        let mut bar = Bar::default();
        File::create(&path).unwrap().set_len(SHOWN - 1).unwrap();
        sha256(&path, &mut bar).unwrap();
        assert!(bar.0.is_empty(), "{:?}", bar.0);
        File::create(&path).unwrap().set_len(SHOWN).unwrap();
        sha256(&path, &mut bar).unwrap();
        assert_eq!(bar.0[0], ("digest of large.pth".to_owned(), 256));
        assert_eq!(bar.0.last().unwrap().1, 256);
        assert!(bar.0.windows(2).skip(1).all(|two| two[0].1 <= two[1].1));
    }

    #[test]
    fn is_that_of_the_standard() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"abc").unwrap();
        let digest = sha256(file.path(), &mut Silent).unwrap();
        assert_eq!(digest, sha256_of(b"abc"));
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        // More than a chunk.
        std::fs::write(file.path(), vec![b'a'; 1_000_000]).unwrap();
        let digest = sha256(file.path(), &mut Silent).unwrap();
        assert_eq!(digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    }
}
