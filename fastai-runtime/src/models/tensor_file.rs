//! Reads files of tensors in any supported format. The bytes, not the name, determine the format.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::WeightsError;
use super::safetensors_file::SafetensorsReader;
use super::tensor_file_error::TensorFileError;
use super::torch::Checkpoint;
use crate::data::FileError;

/// The most tensors of a file; more would take long to compare with every known network.
const MAX_TENSORS: usize = 1 << 14;

/// An open file: names and shapes are read at once, values on request, so that one tensor at a time is in memory.
#[derive(Debug)]
pub(super) struct TensorFile {
    path: PathBuf,
    source: Format,
    shapes: BTreeMap<String, Vec<usize>>,
}

#[derive(Debug)]
enum Format {
    Safetensors(SafetensorsReader<Box<dyn ByteSource>>),
    Torch(Checkpoint<Box<dyn ByteSource>>),
}

/// A file, or bytes in memory.
trait ByteSource: Read + Seek + Send + Debug {}

impl<T: Read + Seek + Send + Debug> ByteSource for T {}

impl TensorFile {
    /// Opens a safetensors file or one that `torch.save` wrote (a zip archive or the pickle before it).
    ///
    /// Contains the tensors of type f64, f32, f16 and bf16; integers are left out.
    pub(super) fn open(path: &Path) -> Result<Self, WeightsError> {
        let file = File::open(path).map_err(|e| FileError::new("read", path, e))?;
        Self::of(Box::new(file), path)
    }

    /// Opens the bytes of such a file; errors call it `name`.
    pub(super) fn in_memory(bytes: Cow<'static, [u8]>, name: &Path) -> Result<Self, WeightsError> {
        Self::of(Box::new(Cursor::new(bytes)), name)
    }

    fn of(mut file: Box<dyn ByteSource>, path: &Path) -> Result<Self, WeightsError> {
        let broken = |why: String| WeightsError::unfit(path, why);
        let unread = |error| WeightsError::unread(path, error);
        let cannot = |e| FileError::new("read", path, e);
        let mut start = Vec::new();
        (&mut file).take(512).read_to_end(&mut start).map_err(cannot)?;
        file.seek(SeekFrom::Start(0)).map_err(cannot)?;
        let source = if Checkpoint::<Box<dyn ByteSource>>::recognizes(&start) {
            Format::Torch(Checkpoint::open(file).map_err(unread)?)
        } else if SafetensorsReader::<Box<dyn ByteSource>>::recognizes(&start) {
            Format::Safetensors(SafetensorsReader::open(file).map_err(unread)?)
        } else {
            return Err(broken(format!(
                "{}; weights are read from safetensors files and from files that `torch.save` wrote",
                what_it_is(&start)
            )));
        };
        let shapes: BTreeMap<String, Vec<usize>> = match &source {
            Format::Safetensors(file) => file.tensors().iter().map(|(n, e)| (n.clone(), e.shape.clone())).collect(),
            Format::Torch(file) => file.tensors().iter().map(|(n, e)| (n.clone(), e.shape.clone())).collect(),
        };
        if shapes.len() > MAX_TENSORS {
            return Err(broken(format!(
                "{} tensors, where the largest network has fewer than 2,000: these are not its weights",
                shapes.len()
            )));
        }
        Ok(Self { path: path.to_owned(), source, shapes })
    }

    /// Names and shapes of the tensors.
    pub(super) fn shapes(&self) -> &BTreeMap<String, Vec<usize>> {
        &self.shapes
    }

    /// The metadata beside the tensors; torch files have none.
    pub(super) fn metadata(&self) -> Option<&HashMap<String, String>> {
        match &self.source {
            Format::Safetensors(file) => Some(file.metadata()),
            Format::Torch(_) => None,
        }
    }

    /// Checks that the file carries its own digest as these digits; torch files carry none.
    pub(super) fn check_seal(&mut self, digest: &str) -> Result<(), WeightsError> {
        let found = match &mut self.source {
            Format::Safetensors(file) => {
                file.digest_without(digest).map_err(|e| FileError::new("read", &self.path, e))?
            }
            Format::Torch(_) => None,
        };
        match found {
            Some(found) if found.to_hex().as_str() == digest => Ok(()),
            _ => Err(WeightsError::unfit(
                &self.path,
                "its content does not match its digest: the file is damaged or was changed",
            )),
        }
    }

    /// The name of the format.
    pub(super) fn format(&self) -> &'static str {
        match &self.source {
            Format::Safetensors(_) => "safetensors",
            Format::Torch(file) => file.container(),
        }
    }

    /// Reads the values of a tensor, row-major.
    pub(super) fn read(&mut self, name: &str) -> Result<Vec<f32>, WeightsError> {
        let values = match &mut self.source {
            Format::Safetensors(file) => file.read(name),
            Format::Torch(file) => file.read(name),
        };
        let values = values.unwrap_or_else(|| Err(TensorFileError::new("not in the file").of_tensor(name)));
        values.map_err(|error| WeightsError::unread(&self.path, error))
    }

    /// Like [`read`](Self::read); values that are not finite are an error.
    pub(super) fn read_finite(&mut self, name: &str) -> Result<Vec<f32>, WeightsError> {
        let values = self.read(name)?;
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(values),
            false => Err(WeightsError::NotFinite { path: self.path.clone(), tensor: name.to_owned(), run: None }),
        }
    }
}

/// Describes a file that is not a weights file.
fn what_it_is(start: &[u8]) -> &'static str {
    match start {
        [] => "the file is empty",
        [0x89, b'H', b'D', b'F', ..] => "a Keras (HDF5) file",
        [0x80, 2..=5, ..] => "a pickle, but none that `torch.save` wrote",
        [b'<', ..] => "a web page and no weights: the download failed",
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' ', ..] => "a pointer to a large file (git LFS), not the file",
        _ if start.get(257..262) == Some(b"ustar") => "a tar archive, such as PyTorch before 0.1.10 wrote",
        _ => "neither a safetensors nor a torch file",
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// The error of a system whose disk fails, EIO.
    const DISK: i32 = 5;

    /// A file on a disk that fails after some reads.
    #[derive(Debug)]
    struct FailingDisk {
        bytes: Cursor<Vec<u8>>,
        reads_left: usize,
    }

    impl Read for FailingDisk {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.reads_left = self.reads_left.checked_sub(1).ok_or_else(|| io::Error::from_raw_os_error(DISK))?;
            self.bytes.read(out)
        }
    }

    impl Seek for FailingDisk {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.bytes.seek(to)
        }
    }

    #[test]
    fn a_disk_that_fails_is_no_fault_of_the_file() {
        let golden = |name: &str| {
            std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/torch").join(name)).unwrap()
        };
        let header = br#"{"plain":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let safetensors = [&(header.len() as u64).to_le_bytes()[..], header, &1_f32.to_le_bytes()].concat();
        let path = Path::new("there.weights");
        for bytes in [safetensors, golden("state.zip.pth"), golden("state.legacy.pth")] {
            let read = |reads_left: usize| {
                let disk = FailingDisk { bytes: Cursor::new(bytes.clone()), reads_left };
                TensorFile::of(Box::new(disk), path)?.read("plain")
            };
            let enough = (0..1000).find(|reads| match read(*reads) {
                Ok(_) => true,
                Err(WeightsError::File(FileError { action, path: of, error })) => {
                    assert_eq!((action, of.as_path(), error.raw_os_error()), ("read", path, Some(DISK)));
                    false
                }
                Err(other) => panic!("{reads} reads: {other}"),
            });
            assert!(enough.is_some_and(|reads| reads >= 3), "{enough:?}");
        }
    }
}
