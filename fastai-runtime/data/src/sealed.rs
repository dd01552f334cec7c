//! Files that carry a digest of themselves, so that a changed byte is noticed when they are read back.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::atomic::{FileError, write_own};

/// Digits of a digest.
const DIGITS: usize = 64;

/// Writes `content` to `path` atomically, after a line with the kind of the file and the BLAKE3 digest of both.
pub fn write_sealed(path: &Path, kind: &str, content: &[u8]) -> Result<(), FileError> {
    write_own(path, |out| {
        writeln!(out, "{kind} {}", digest(kind, content))?;
        out.write_all(content)
    })
}

/// Reads the content of a file of that kind; the inner error says why it is none.
///
/// # Errors
/// If the file cannot be read.
pub fn read_sealed(path: &Path, kind: &str, largest: u64) -> Result<Result<Vec<u8>, String>, FileError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(largest.saturating_add(1)).read_to_end(&mut bytes));
    read.map_err(|e| FileError::new("read", path, e))?;
    if bytes.len() as u64 > largest {
        return Ok(Err(format!("larger than {largest} bytes")));
    }
    let start = kind.len() + 1 + DIGITS + 1;
    let claimed = bytes.get(..start).and_then(|line| line.strip_prefix(kind.as_bytes())?.strip_prefix(b" "));
    let Some(claimed) = claimed.and_then(|line| line.strip_suffix(b"\n")) else {
        return Ok(Err(format!("it does not begin with `{kind}`")));
    };
    if claimed != digest(kind, &bytes[start..]).as_bytes() {
        return Ok(Err("its content does not match its digest".to_string()));
    }
    Ok(Ok(bytes.split_off(start)))
}

/// Bytes of a [`short_digest`].
pub(crate) const SHORT: usize = 16;

/// The first bytes of the BLAKE3 digest of `content`: of an image's file, by which it is recognised, and of its copy.
pub(crate) fn short_digest(content: &[u8]) -> [u8; SHORT] {
    let digest = blake3::hash(content);
    std::array::from_fn(|i| digest.as_bytes()[i])
}

fn digest(kind: &str, content: &[u8]) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(kind.as_bytes());
    hash.update(b"\0");
    hash.update(content);
    hash.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_byte_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_sealed(&path, "thing 1", b"content").unwrap();
        let read = |kind: &str, largest| read_sealed(&path, kind, largest).unwrap();
        assert_eq!(read("thing 1", 1000).unwrap(), b"content");
        assert!(read("thing 2", 1000).is_err() && read("thing 1", 10).unwrap_err().contains("larger"));
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            std::fs::write(&path, &flipped).unwrap();
            assert!(read("thing 1", 1000).is_err(), "byte {at}");
            std::fs::write(&path, &whole[..at]).unwrap();
            assert!(read("thing 1", 1000).is_err(), "the first {at} bytes");
        }
        std::fs::write(&path, [whole, vec![b'x']].concat()).unwrap();
        assert!(read("thing 1", 1000).is_err());
    }
}
