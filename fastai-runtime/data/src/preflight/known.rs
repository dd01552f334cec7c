//! The list of files that an earlier run decoded, so that the next run need not decode them.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::looks::Looks;
use crate::atomic::{FileError, write_own};
use crate::decode::Remark;
use crate::locks::enter;

/// The first bytes of a list; the number is incremented whenever the checks become stricter, so that files are checked
/// again.
const BEGIN: &[u8; 16] = b"fastai verified5";
/// Largest number of files in a list.
const MOST: u64 = 100_000_000;
/// Longest path in a list, bytes.
const LONGEST: usize = 64 << 10;
/// Bytes of the digest that ends a list.
const DIGEST: usize = 16;

/// A stamp that detects changes to a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Bytes.
    size: u64,
    /// Modification time, nanoseconds since 1970.
    changed: u64,
    /// Inode and time of the last change of the inode, which another file of the same size and time does not share; 0 where
    /// the system has none.
    inode: u64,
    /// Nanoseconds since 1970.
    inode_changed: i64,
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> Option<Stamp> {
        Stamp::of_file(&std::fs::metadata(path).ok()?)
    }

    pub(crate) fn of_file(metadata: &Metadata) -> Option<Stamp> {
        let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        #[cfg(unix)]
        let (inode, inode_changed) = {
            use std::os::unix::fs::MetadataExt;
            let nanoseconds = metadata.ctime().checked_mul(1_000_000_000)?.checked_add(metadata.ctime_nsec())?;
            (metadata.ino(), nanoseconds)
        };
        #[cfg(not(unix))]
        let (inode, inode_changed) = (0, 0);
        Some(Stamp { size: metadata.len(), changed: changed.as_nanos().try_into().ok()?, inode, inode_changed })
    }
}

/// A file that decodes without an error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sound {
    pub(crate) stamp: Stamp,
    /// The bits that 16-bit images were said to use.
    pub(crate) bits: u32,
    pub(crate) remark: Option<Remark>,
    pub(crate) looks: Arc<Looks>,
}

/// Valid files, by absolute path.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) files: HashMap<Box<str>, Sound>,
}

impl Known {
    /// Loads the list in `file`; empty if there is no usable one.
    pub(crate) fn load(file: &Path) -> Known {
        read(file).unwrap_or_default()
    }

    pub(crate) fn save(&self, file: &Path) -> Result<(), FileError> {
        let _lock = file.parent().map(enter).transpose()?;
        write_own(file, |out| {
            let mut out = Digesting { inner: BufWriter::new(out), digest: blake3::Hasher::new() };
            out.write_all(BEGIN)?;
            out.write_all(&(self.files.len() as u64).to_le_bytes())?;
            // Sorted, so that equal lists are equal files.
            let mut files: Vec<(&Box<str>, &Sound)> = self.files.iter().collect();
            files.sort_unstable_by_key(|(path, _)| *path);
            for (path, sound) in files {
                out.write_all(&(path.len() as u32).to_le_bytes())?;
                out.write_all(path.as_bytes())?;
                out.write_all(&sound.stamp.size.to_le_bytes())?;
                out.write_all(&sound.stamp.changed.to_le_bytes())?;
                out.write_all(&sound.stamp.inode.to_le_bytes())?;
                out.write_all(&sound.stamp.inode_changed.to_le_bytes())?;
                let (kind, value) = match sound.remark {
                    None => (0, 0),
                    Some(Remark::Surplus(bytes)) => (1, bytes),
                    Some(Remark::Bits(bits)) => (2, u64::from(bits)),
                };
                out.write_all(&[sound.bits as u8, kind])?;
                out.write_all(&value.to_le_bytes())?;
                out.write_all(&sound.looks.to_bytes())?;
            }
            let digest = out.digest.finalize();
            out.inner.write_all(&digest.as_bytes()[..DIGEST])?;
            out.inner.flush()
        })
    }
}

fn read(file: &Path) -> io::Result<Known> {
    let broken = || io::Error::from(io::ErrorKind::InvalidData);
    let mut input =
        Digesting { inner: BufReader::with_capacity(1 << 16, File::open(file)?), digest: blake3::Hasher::new() };
    if &input.array::<16>()? != BEGIN {
        return Err(broken());
    }
    let count = u64::from_le_bytes(input.array()?);
    if count > MOST {
        return Err(broken());
    }
    // A broken count must not reserve memory.
    let mut files = HashMap::with_capacity(count.min(1 << 16) as usize);
    for _ in 0..count {
        let length = u32::from_le_bytes(input.array()?) as usize;
        if length > LONGEST {
            return Err(broken());
        }
        let mut path = vec![0; length];
        input.read_exact(&mut path)?;
        let path = String::from_utf8(path).map_err(|_| broken())?;
        let stamp = Stamp {
            size: u64::from_le_bytes(input.array()?),
            changed: u64::from_le_bytes(input.array()?),
            inode: u64::from_le_bytes(input.array()?),
            inode_changed: i64::from_le_bytes(input.array()?),
        };
        let [bits, kind] = input.array()?;
        let value = u64::from_le_bytes(input.array()?);
        let remark = match kind {
            0 => None,
            1 => Some(Remark::Surplus(value)),
            2 => Some(Remark::Bits(value as u32)),
            _ => return Err(broken()),
        };
        let looks = Arc::new(Looks::from_bytes(&input.array()?));
        let sound = Sound { stamp, bits: u32::from(bits), remark, looks };
        files.insert(path.into_boxed_str(), sound);
    }
    let expected = input.digest.finalize();
    let mut found = [0; DIGEST];
    input.inner.read_exact(&mut found)?;
    if found != expected.as_bytes()[..DIGEST] {
        return Err(broken());
    }
    Ok(Known { files })
}

/// Forwards bytes and computes their digest.
struct Digesting<T> {
    inner: T,
    digest: blake3::Hasher,
}

impl<R: Read> Digesting<R> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.digest.update(&buffer[..count]);
        Ok(count)
    }
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.digest.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
