//! The published weights inside the program: the last place of the search.

use std::path::{Path, PathBuf};

use super::{PUBLISHED, Published};
use crate::models::WeightsError;
use crate::models::tensor_file::TensorFile;

/// The file's bytes if this program contains them.
fn bytes_of(published: &Published) -> Option<&'static [u8]> {
    #[cfg(feature = "embedded-weights")]
    if published.name == "squeezenet1_1" {
        let bytes = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/weights/squeezenet1_1.safetensors"));
        return Some(bytes);
    }
    let _ = published;
    None
}

/// A file of the repository that this program contains, by its path there.
pub fn bundled(path: &str) -> Option<&'static [u8]> {
    let squeezenet = Published::find("squeezenet1_1")?;
    (path == "examples/data/squeezenet1_1.safetensors").then(|| bytes_of(squeezenet)).flatten()
}

/// The folder in the paths of weights inside this program.
const INSIDE: &str = "this program";

/// The path by which [`open`] knows published weights inside this program; `None` if it does not contain them.
pub(super) fn path_of(published: &Published) -> Option<PathBuf> {
    bytes_of(published).map(|_| Path::new(INSIDE).join(published.file))
}

/// Opens a file of weights, or weights inside this program.
pub(super) fn open(path: &Path) -> Result<TensorFile, WeightsError> {
    // A file in a real folder of that name would have the published digest, and so the same bytes.
    match PUBLISHED.iter().find(|known| path_of(known).is_some_and(|inside| inside == path)).and_then(bytes_of) {
        Some(bytes) => TensorFile::in_memory(bytes.into(), path),
        None => TensorFile::open(path),
    }
}
