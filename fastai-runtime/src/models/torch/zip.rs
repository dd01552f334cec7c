//! The directory of a zip archive: which entries there are and where their bytes lie.
//!
//! Only the directory is read, so that tensors can be read in place from entries that are not compressed. Nothing is
//! unpacked here. Archives with something in front of them, and those of several disks, are refused.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};

use super::{TensorFileError, shown};

/// Largest directory that is read, bytes.
const MAX_DIRECTORY: u64 = 32 << 20;
/// Most entries.
const MAX_ENTRIES: u64 = 1 << 17;

/// Length of the record that ends an archive, without its comment.
const END: usize = 22;
/// Length of the record that says where the 64-bit end record is.
const LOCATOR: u64 = 20;
/// Length of the 64-bit end record.
const END64: usize = 56;
/// Length of a directory record without its texts.
const RECORD: usize = 46;
/// Length of the header in front of an entry's bytes, without its texts.
const HEADER: u64 = 30;

/// How an entry's bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// As they are.
    Stored,
    /// By the deflate method.
    Deflated,
    /// By another method, or encrypted.
    Other,
}

/// Where an entry's bytes are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryPlace {
    /// First byte in the file.
    pub(crate) start: u64,
    /// How many bytes, as they are packed.
    pub(crate) size: u64,
    /// How they are packed.
    pub(crate) packing: Packing,
}

#[derive(Clone, Copy, Debug)]
struct DirectoryRecord {
    packing: Packing,
    size: u64,
    header: u64,
}

/// An archive's directory.
#[derive(Debug)]
pub(crate) struct ZipDirectory {
    records: HashMap<String, DirectoryRecord>,
    /// Bytes of the file.
    length: u64,
}

impl ZipDirectory {
    /// Reads the directory of an archive.
    pub(crate) fn read<R: Read + Seek>(reader: &mut R) -> Result<Self, TensorFileError> {
        let length = reader.seek(SeekFrom::End(0)).map_err(TensorFileError::io)?;
        let Bounds { count, size, start } = bounds(reader, length)?;
        if count > MAX_ENTRIES || size > MAX_DIRECTORY {
            return Err(TensorFileError::new(format!(
                "refused: an archive of {count} entries, whose directory has {size} bytes"
            )));
        }
        if start.checked_add(size).is_none_or(|end| end > length) {
            return Err(damaged("its directory ends beyond the file"));
        }
        let bytes = read_at(reader, start, size as usize)?;
        let mut records = HashMap::new();
        let mut rest = bytes.as_slice();
        for _ in 0..count {
            let (name, record, next) = record(rest).ok_or_else(|| damaged("its directory is not one"))?;
            if records.insert(name.clone(), record).is_some() {
                return Err(TensorFileError::new(format!(
                    "damaged: two entries of the archive are called `{}`",
                    shown(&name)
                )));
            }
            rest = next;
        }
        Ok(Self { records, length })
    }

    /// Names of the entries, in any order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.records.keys().map(String::as_str)
    }

    /// Where an entry's bytes are; the error if it is not there, or not whole.
    pub(crate) fn place<R: Read + Seek>(&self, reader: &mut R, name: &str) -> Result<EntryPlace, TensorFileError> {
        let record = self.records.get(name).ok_or_else(|| {
            TensorFileError::new(format!("damaged: entry `{}` is missing from the archive", shown(name)))
        })?;
        let beyond = || {
            TensorFileError::new(format!("entry `{}` ends beyond the file: it is truncated or damaged", shown(name)))
        };
        if record.header.checked_add(HEADER).is_none_or(|end| end > self.length) {
            return Err(beyond());
        }
        let header = read_at(reader, record.header, HEADER as usize)?;
        if !header.starts_with(b"PK\x03\x04") {
            return Err(TensorFileError::new(format!(
                "damaged: entry `{}` is not where the directory says",
                shown(name)
            )));
        }
        let start = record.header + HEADER + u64::from(word(&header, 26)) + u64::from(word(&header, 28));
        if start.checked_add(record.size).is_none_or(|end| end > self.length) {
            return Err(beyond());
        }
        Ok(EntryPlace { start, size: record.size, packing: record.packing })
    }
}

struct Bounds {
    count: u64,
    size: u64,
    start: u64,
}

/// What the end of the archive says of its directory.
fn bounds<R: Read + Seek>(reader: &mut R, length: u64) -> Result<Bounds, TensorFileError> {
    // Only a comment of at most 64 kB follows the end record.
    let tail_length = length.min(END as u64 + u64::from(u16::MAX));
    let tail = read_at(reader, length - tail_length, tail_length as usize)?;
    let at = (0..=tail.len().saturating_sub(END))
        .rev()
        .find(|&at| tail[at..].starts_with(b"PK\x05\x06") && tail.len() - at >= END + usize::from(word(&tail, at + 20)))
        .filter(|at| at + END <= tail.len())
        .ok_or_else(|| TensorFileError::new("a zip archive without its end: it is truncated or damaged"))?;
    let end = &tail[at..];
    let place = length - tail_length + at as u64;
    if let Some(locator) = place.checked_sub(LOCATOR) {
        let locator = read_at(reader, locator, LOCATOR as usize)?;
        if locator.starts_with(b"PK\x06\x07") {
            let start = long(&locator, 8);
            if start.checked_add(END64 as u64).is_none_or(|end| end > length) {
                return Err(damaged("its 64-bit end is beyond the file"));
            }
            let end = read_at(reader, start, END64)?;
            if !end.starts_with(b"PK\x06\x06") {
                return Err(damaged("its 64-bit end is not where it should be"));
            }
            return Ok(Bounds { count: long(&end, 32), size: long(&end, 40), start: long(&end, 48) });
        }
    }
    let (count, size, start) = (word(end, 10), double(end, 12), double(end, 16));
    Ok(Bounds { count: u64::from(count), size: u64::from(size), start: u64::from(start) })
}

/// The record that `bytes` begin with, its name, and what comes after it.
fn record(bytes: &[u8]) -> Option<(String, DirectoryRecord, &[u8])> {
    let (fixed, rest) = bytes.split_at_checked(RECORD)?;
    if !fixed.starts_with(b"PK\x01\x02") {
        return None;
    }
    let (name, rest) = rest.split_at_checked(usize::from(word(fixed, 28)))?;
    let (extra, rest) = rest.split_at_checked(usize::from(word(fixed, 30)))?;
    let (_comment, rest) = rest.split_at_checked(usize::from(word(fixed, 32)))?;
    let encrypted = word(fixed, 8) & 1 == 1;
    let packing = match word(fixed, 10) {
        0 if !encrypted => Packing::Stored,
        8 if !encrypted => Packing::Deflated,
        _ => Packing::Other,
    };
    // Numbers that need 64 bits are in an extra field, in this order, and only those.
    let mut long_ones = extra_field(extra, 1).unwrap_or_default().chunks_exact(8).map(|bytes| long(bytes, 0));
    let mut number = |at: usize| match double(fixed, at) {
        u32::MAX => long_ones.next(),
        n => Some(u64::from(n)),
    };
    let (unpacked, size, header) = (number(24)?, number(20)?, number(42)?);
    if packing == Packing::Stored && unpacked != size {
        return None;
    }
    Some((String::from_utf8_lossy(name).into_owned(), DirectoryRecord { packing, size, header }, rest))
}

fn extra_field(mut extra: &[u8], wanted: u16) -> Option<&[u8]> {
    while extra.len() >= 4 {
        let (head, rest) = extra.split_at(4);
        let (content, next) = rest.split_at_checked(usize::from(word(head, 2)))?;
        if word(head, 0) == wanted {
            return Some(content);
        }
        extra = next;
    }
    None
}

fn read_at<R: Read + Seek>(reader: &mut R, start: u64, length: usize) -> Result<Vec<u8>, TensorFileError> {
    let mut bytes = vec![0; length];
    reader.seek(SeekFrom::Start(start)).and_then(|_| reader.read_exact(&mut bytes)).map_err(TensorFileError::io)?;
    Ok(bytes)
}

/// Little-endian numbers; callers have checked that they are there.
fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn double(bytes: &[u8], at: usize) -> u32 {
    u32::from(word(bytes, at)) | u32::from(word(bytes, at + 2)) << 16
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(double(bytes, at)) | u64::from(double(bytes, at + 4)) << 32
}

fn damaged(why: &str) -> TensorFileError {
    TensorFileError::new(format!("a zip archive that cannot be read: {why}"))
}
