//! Reads and writes safetensors files; what is read is never trusted.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use half::{bf16, f16};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::WeightsError;
use crate::report::write_atomic;

/// Largest file that is read: 4 GiB.
const MAX_FILE: u64 = 4 << 30;
/// Largest header: 16 MiB, where the largest networks need less than one.
const MAX_HEADER: u64 = 16 << 20;

/// One tensor, widened to f32.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    /// Sides.
    pub(super) shape: Vec<usize>,
    /// Row-major values.
    pub(super) values: Vec<f32>,
}

/// A file's tensors of a floating type and its metadata.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) tensors: BTreeMap<String, Array>,
    pub(super) metadata: HashMap<String, String>,
}

/// Reads a file of f32, f16 or bf16 tensors (others are left out).
pub(super) fn read(path: &Path) -> Result<Contents, WeightsError> {
    let broken = |why: String| WeightsError(format!("{}: {why}", path.display()));
    let cannot = |e: std::io::Error| broken(format!("cannot read: {e}"));
    let mut file = File::open(path).map_err(cannot)?;
    let length = file.metadata().map_err(cannot)?.len();
    if length > MAX_FILE {
        return Err(broken(format!("{length} bytes; the largest weights file that is read has {MAX_FILE}")));
    }
    let mut size = [0; 8];
    let too_short = || broken("not a safetensors file: shorter than its header".into());
    file.read_exact(&mut size).map_err(|_| too_short())?;
    let header = u64::from_le_bytes(size);
    if header > MAX_HEADER {
        return Err(broken(format!(
            "not a safetensors file: it claims a header of {header} bytes. A PyTorch .pth file must be converted first"
        )));
    }
    if header > length.saturating_sub(8) {
        return Err(too_short());
    }
    let mut bytes = Vec::with_capacity(length as usize);
    bytes.extend_from_slice(&size);
    // The file may grow while it is read: never more than was announced.
    file.take(length - 8).read_to_end(&mut bytes).map_err(cannot)?;
    parse(&bytes).map_err(broken)
}

/// Reads the bytes of a file.
pub(super) fn parse(bytes: &[u8]) -> Result<Contents, String> {
    let bad = |e: safetensors::SafeTensorError| format!("broken safetensors file: {e}");
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(bad)?;
    let file = SafeTensors::deserialize(bytes).map_err(bad)?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        if let Some(values) = widen(&view) {
            tensors.insert(name.to_owned(), Array { shape: view.shape().to_vec(), values });
        }
    }
    Ok(Contents { tensors, metadata: header.metadata().clone().unwrap_or_default() })
}

fn widen(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let two = |convert: fn([u8; 2]) -> f32| view.data().as_chunks::<2>().0.iter().map(|b| convert(*b)).collect();
    match view.dtype() {
        Dtype::F32 => Some(view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        Dtype::F16 => Some(two(|b| f16::from_le_bytes(b).to_f32())),
        Dtype::BF16 => Some(two(|b| bf16::from_le_bytes(b).to_f32())),
        _ => None,
    }
}

/// Writes f32 tensors and metadata: to a temporary name in the same folder, synced, then renamed.
pub(super) fn write(
    path: &Path,
    tensors: &BTreeMap<String, Array>,
    metadata: HashMap<String, String>,
) -> Result<(), WeightsError> {
    let failed = |what: &str, e: &dyn std::fmt::Display| WeightsError(format!("{}: {what}: {e}", path.display()));
    let bytes: Vec<(&String, &Array, Vec<u8>)> = tensors
        .iter()
        .map(|(name, array)| (name, array, array.values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let mut views = Vec::new();
    for (name, array, data) in &bytes {
        let view = TensorView::new(Dtype::F32, array.shape.clone(), data).map_err(|e| failed("cannot write", &e))?;
        views.push((name.as_str(), view));
    }
    let out = safetensors::serialize(views, Some(metadata)).map_err(|e| failed("cannot write", &e))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| failed("cannot create its folder", &e))?;
    write_atomic(path, |file| file.write_all(&out)).map_err(|e| WeightsError(e.to_string()))
}
