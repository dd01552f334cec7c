//! The file of the features of a set: magic, the key that names what was computed (32 bytes), rows and width (u64), the values
//! (f32), and the blake3 digest of everything before it; all numbers are little-endian.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

const MAGIC: &[u8; 8] = b"fastact1";
/// Magic, key, rows, width.
pub(super) const HEADER: usize = 8 + 32 + 8 + 8;
const DIGEST: usize = 32;
/// Bytes that are checked at a time.
const CHUNK: usize = 1 << 20;

/// Opens a file with exactly this key and these dimensions, whose digest is right, and returns its values too, if they are to be
/// kept. The inner error describes how another file differs.
pub(super) fn checked(
    path: &Path,
    key: &[u8; 32],
    rows: usize,
    width: usize,
    keep: bool,
) -> io::Result<Result<(File, Vec<f32>), String>> {
    let mut file = File::open(path)?;
    // The expected size is known, so a foreign file costs no memory.
    let values = rows as u64 * width as u64 * 4;
    let size = HEADER as u64 + values + DIGEST as u64;
    let found = file.metadata()?.len();
    if found != size {
        return Ok(Err(format!("it has {found} bytes, not {size}")));
    }
    let mut header = [0; HEADER];
    file.read_exact(&mut header)?;
    if header != header_of(key, rows, width) {
        return Ok(Err("its header is of something else".into()));
    }
    let mut digest = blake3::Hasher::new();
    digest.update(&header);
    let mut all = Vec::with_capacity(if keep { rows * width } else { 0 });
    let mut chunk = vec![0; CHUNK];
    let mut left = values;
    while left > 0 {
        let part = &mut chunk[..left.min(CHUNK as u64) as usize];
        file.read_exact(part)?;
        digest.update(part);
        if keep {
            all.extend(floats(part));
        }
        left -= part.len() as u64;
    }
    let mut expected = [0; DIGEST];
    file.read_exact(&mut expected)?;
    if expected != *digest.finalize().as_bytes() {
        return Ok(Err("its content does not match its digest".into()));
    }
    Ok(Ok((file, all)))
}

/// Where the row of an image begins in a file of features.
pub(super) fn place_of(image: usize, width: usize) -> u64 {
    HEADER as u64 + image as u64 * width as u64 * 4
}

/// Writes features to a file while they are computed.
pub(super) struct Writer<'a> {
    out: &'a mut dyn Write,
    digest: blake3::Hasher,
    bytes: Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(super) fn begin(out: &'a mut dyn Write, key: &[u8; 32], rows: usize, width: usize) -> io::Result<Self> {
        let mut writer = Writer { out, digest: blake3::Hasher::new(), bytes: Vec::new() };
        writer.put(&header_of(key, rows, width))?;
        Ok(writer)
    }

    pub(super) fn add(&mut self, values: &[f32]) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        let result = self.put(&bytes);
        self.bytes = bytes;
        result
    }

    pub(super) fn finish(self) -> io::Result<()> {
        self.out.write_all(self.digest.finalize().as_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.out.write_all(bytes)
    }
}

fn header_of(key: &[u8; 32], rows: usize, width: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..40].copy_from_slice(key);
    header[40..48].copy_from_slice(&(rows as u64).to_le_bytes());
    header[48..].copy_from_slice(&(width as u64).to_le_bytes());
    header
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))
}

/// Reads rows of features from files, and keeps its memory from one to the next.
pub(super) struct RowReader {
    bytes: Vec<u8>,
}

impl RowReader {
    /// For rows of `width` features.
    pub(super) fn new(width: usize) -> Self {
        RowReader { bytes: vec![0; width * 4] }
    }

    /// Appends the row that begins at a byte of a file.
    pub(super) fn read(&mut self, file: &File, at: u64, values: &mut Vec<f32>) -> io::Result<()> {
        read_at(file, &mut self.bytes, at)?;
        values.extend(floats(&self.bytes));
        Ok(())
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                bytes = &mut bytes[n..];
                at += n as u64;
            }
        }
    }
    Ok(())
}
