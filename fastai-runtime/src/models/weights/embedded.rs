//! The published weights inside the program: the last place of the search.

use std::path::{Path, PathBuf};

use super::Published;
use crate::atomic::write_atomic;
use crate::data::FileError;

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

/// Writes the embedded weights into `cache`, or into the system's temporary folder if that is impossible. Returns the folder;
/// `None` if this program does not contain the weights.
///
/// # Errors
/// If neither folder can be written.
pub(super) fn unpack(published: &Published, cache: Option<&Path>) -> Result<Option<PathBuf>, FileError> {
    let Some(bytes) = bytes_of(published) else { return Ok(None) };
    let temporary = std::env::temp_dir().join("fastai-weights");
    let mut failed = None;
    for folder in cache.into_iter().chain([temporary.as_path()]) {
        let path = folder.join(published.file);
        // Another file of that name in the temporary folder is damaged or somebody else's.
        let written = (path.is_file() && std::fs::read(&path).is_ok_and(|found| found == bytes)) || {
            let created = std::fs::create_dir_all(folder).map_err(|why| FileError::new("create", folder, why));
            match created.and_then(|()| write_atomic(&path, |to| to.write_all(bytes))) {
                Ok(()) => true,
                Err(error) => {
                    failed = Some(error);
                    false
                }
            }
        };
        if written {
            return Ok(Some(folder.to_path_buf()));
        }
    }
    failed.map_or(Ok(None), Err)
}
