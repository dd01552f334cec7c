//! Reads and writes safetensors files. Input files are untrusted.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorView};

use super::WeightsError;
use super::number_type::NumberType;
use super::tensor_file_error::TensorFileError;
use crate::atomic::{create_folder, write_own};
use crate::data::FileError;

/// Largest header: 16 MiB; the largest networks need less than 1 MiB.
const MAX_HEADER: u64 = 16 << 20;
/// Stands for the digest of a file while the digest is computed.
pub(super) const BLANK: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One tensor, widened to f32.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    /// Sides.
    pub(super) shape: Vec<usize>,
    /// Row-major values.
    pub(super) values: Vec<f32>,
}

/// A tensor of a floating type in a file.
#[derive(Clone, Debug)]
pub(super) struct StoredTensor {
    /// Sides.
    pub(super) shape: Vec<usize>,
    /// Type of its numbers in the file.
    pub(super) element: NumberType,
    /// Where its bytes begin in the file.
    at: u64,
}

/// An open file: the header is read at once, tensors on request.
#[derive(Debug)]
pub(super) struct SafetensorsReader<R> {
    source: R,
    tensors: BTreeMap<String, StoredTensor>,
    metadata: HashMap<String, String>,
}

impl<R: Read + Seek> SafetensorsReader<R> {
    /// Whether a file with this start may be a safetensors file: a plausible length, then JSON. The length may be more than is
    /// read, which [`SafetensorsReader::open`] says better than that the format is unknown.
    pub(super) fn recognizes(start: &[u8]) -> bool {
        let length = start.first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
        length.is_some_and(|n| n < 1 << 40) && start.get(8) == Some(&b'{')
    }

    /// Reads the header; the error does not name the file.
    pub(super) fn open(mut source: R) -> Result<Self, TensorFileError> {
        let length = source.seek(SeekFrom::End(0)).map_err(TensorFileError::io)?;
        source.rewind().map_err(TensorFileError::io)?;
        let mut size = [0; 8];
        let too_short = || TensorFileError::new("not a safetensors file: shorter than its header");
        if length < size.len() as u64 {
            return Err(too_short());
        }
        source.read_exact(&mut size).map_err(TensorFileError::io)?;
        let header = u64::from_le_bytes(size);
        if header > MAX_HEADER {
            return Err(TensorFileError::new(format!(
                "safetensors file with a header of {header} bytes, of which at most {MAX_HEADER} are read: a network needs less"
            )));
        }
        if header > length.saturating_sub(8) {
            return Err(too_short());
        }
        let mut json = vec![0; header as usize];
        source.read_exact(&mut json).map_err(TensorFileError::io)?;
        // This also checks that the tensors follow each other without gaps and have the bytes that their shapes need.
        let parsed: Metadata = serde_json::from_slice(&json)
            .map_err(|e| TensorFileError::new(format!("broken safetensors file: its header: {e}")))?;
        let data = 8 + header;
        let mut end = data;
        let mut tensors = BTreeMap::new();
        for (name, info) in parsed.tensors() {
            end = end.max(data.saturating_add(info.data_offsets.1 as u64));
            let element = match info.dtype {
                Dtype::F64 => NumberType::F64,
                Dtype::F32 => NumberType::F32,
                Dtype::F16 => NumberType::F16,
                Dtype::BF16 => NumberType::Bf16,
                _ => continue,
            };
            let at = data + info.data_offsets.0 as u64;
            tensors.insert(name, StoredTensor { shape: info.shape.clone(), element, at });
        }
        if end != length {
            let why = format!("broken safetensors file: {length} bytes, where its header describes {end}");
            return Err(TensorFileError::new(why));
        }
        Ok(Self { source, tensors, metadata: parsed.metadata().clone().unwrap_or_default() })
    }

    /// The BLAKE3 digest of the whole file with `digits`, its own digest, replaced by [`BLANK`] where the header first
    /// contains them; `None` if it does not.
    pub(super) fn digest_without(&mut self, digits: &str) -> std::io::Result<Option<blake3::Hash>> {
        self.source.rewind()?;
        let mut size = [0; 8];
        self.source.read_exact(&mut size)?;
        let mut header = vec![0; u64::from_le_bytes(size).min(MAX_HEADER) as usize];
        self.source.read_exact(&mut header)?;
        let Some(at) = position(&header, digits) else { return Ok(None) };
        header[at..at + digits.len()].copy_from_slice(BLANK.as_bytes());
        let mut hash = blake3::Hasher::new();
        hash.update(&size).update(&header).update_reader(&mut self.source)?;
        Ok(Some(hash.finalize()))
    }

    /// The tensors of floating types.
    pub(super) fn tensors(&self) -> &BTreeMap<String, StoredTensor> {
        &self.tensors
    }

    /// The metadata beside the tensors.
    pub(super) fn metadata(&self) -> &HashMap<String, String> {
        &self.metadata
    }

    /// Reads the values of a tensor in row-major order; `None` if there is no such tensor.
    pub(super) fn read(&mut self, name: &str) -> Option<Result<Vec<f32>, TensorFileError>> {
        let entry = self.tensors.get(name)?;
        let values = entry.element.read(&mut self.source, entry.at, entry.shape.iter().product());
        Some(values.map_err(|e| TensorFileError::io(e).of_tensor(name)))
    }
}

/// Where the text begins that has as many digits as a digest.
fn position(header: &[u8], digits: &str) -> Option<usize> {
    if digits.len() != BLANK.len() {
        return None;
    }
    header.windows(digits.len()).position(|window| window == digits.as_bytes())
}

/// Writes f32 tensors and metadata, which contains [`BLANK`] where the digest of the file goes, atomically: to a temporary
/// name in the same folder, synced, then renamed. Returns the digest.
pub(super) fn write(
    path: &Path,
    tensors: &BTreeMap<String, Array>,
    metadata: HashMap<String, String>,
) -> Result<String, WeightsError> {
    let failed = |e| FileError::new("write", path, std::io::Error::other(e));
    let bytes: Vec<(&String, &Array, Vec<u8>)> = tensors
        .iter()
        .map(|(name, array)| (name, array, array.values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let mut views = Vec::new();
    for (name, array, data) in &bytes {
        let view = TensorView::new(Dtype::F32, array.shape.clone(), data).map_err(failed)?;
        views.push((name.as_str(), view));
    }
    let mut out = safetensors::serialize(views, Some(metadata)).map_err(failed)?;
    let digest = blake3::hash(&out).to_hex();
    let at = position(&out, BLANK).ok_or_else(|| FileError::new("write", path, std::io::Error::other("no digest")))?;
    out[at..at + BLANK.len()].copy_from_slice(digest.as_bytes());
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_folder(folder)?;
    write_own(path, |file| file.write_all(&out))?;
    Ok(digest.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn a_header_that_is_too_long_is_said() {
        let mut bytes = (MAX_HEADER + 1).to_le_bytes().to_vec();
        bytes.resize(bytes.len() + MAX_HEADER as usize + 1, b' ');
        bytes[8] = b'{';
        assert!(SafetensorsReader::<Cursor<Vec<u8>>>::recognizes(&bytes[..512]));
        let why = SafetensorsReader::open(Cursor::new(bytes)).unwrap_err().to_string();
        assert!(why.starts_with("safetensors file with a header of 16777217 bytes"), "{why}");
    }

    /// The fuzzer's corpus on the stable compiler: every file is read, or it says why not.
    #[test]
    fn the_corpus_is_read_or_refused() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/safetensors");
        let (mut read, mut refused) = (0, 0);
        for entry in std::fs::read_dir(corpus).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            match SafetensorsReader::open(Cursor::new(bytes)) {
                Ok(mut file) => {
                    for (name, stored) in file.tensors().clone() {
                        let values = file.read(&name).unwrap().unwrap();
                        assert_eq!(values.len(), stored.shape.iter().product::<usize>());
                    }
                    file.digest_without(BLANK).unwrap();
                    read += 1;
                }
                Err(error) => {
                    let why = error.to_string();
                    assert!(why.contains("safetensors") || why.contains("cannot read"), "{why}");
                    refused += 1;
                }
            }
        }
        assert!(read >= 5 && refused >= 8, "{read} {refused}");
    }
}
