//! Reads the tensors of files that `torch.save` wrote, and executes nothing.
//!
//! A torch file is a pickle, a program for a stack machine that may call any Python function, beside the raw bytes of the
//! storages that its tensors are views of. Here the machine knows the few opcodes that a dictionary of tensors needs, and
//! the few functions that rebuild tensors; any other is refused by name. Both containers are read: the zip archive of
//! PyTorch 1.6 and later and the pickle stream before it. Which one it is is seen from the bytes.
//!
//! Files are hostile until shown otherwise: lengths are compared with what is there before memory is taken for them,
//! values live in an arena without recursion, views must stay within their storage and their elements must not lie on
//! each other, storages must not lie on each other, and compressed entries are refused. [`Checkpoint::open`] reads the
//! pickle only; the bytes of a tensor are read when it is asked for.
//!
//! This folder, `number_type` and `tensor_file_error` depend on the standard library and `half` alone, so that they are fuzzed
//! without the tensor library.

mod archive;
mod arena;
mod element;
mod legacy;
mod pickle;
mod state;
mod view;
mod zip;

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};

use arena::{Arena, Id};
pub(crate) use zip::{Packing, ZipDirectory};

use super::number_type::NumberType;
use super::tensor_file_error::{TensorFileError, shown};

/// Largest pickle that is read, bytes: a network of a thousand layers needs about a quarter of a megabyte.
const MAX_PICKLE: u64 = 16 << 20;

/// A tensor of a floating type in a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TensorEntry {
    /// Sides.
    pub(crate) shape: Vec<usize>,
    /// Type of its numbers in the file.
    pub(crate) element: NumberType,
    stride: Vec<usize>,
    /// Where element 0 is, bytes from the start of the file.
    at: u64,
}

/// The floating tensors of a file's state dictionary, by name; integers such as `num_batches_tracked` are left out.
#[derive(Debug)]
pub(crate) struct Checkpoint<R> {
    reader: R,
    container: &'static str,
    tensors: BTreeMap<String, TensorEntry>,
}

impl<R: Read + Seek> Checkpoint<R> {
    /// Whether a file that begins like this may be one of `torch.save`'s.
    pub(crate) fn recognizes(start: &[u8]) -> bool {
        archive::recognizes(start) || legacy::recognizes(start)
    }

    /// Reads the pickle and checks every tensor's place, but none of their bytes.
    pub(crate) fn open(mut reader: R) -> Result<Self, TensorFileError> {
        let mut start = Vec::new();
        reader.rewind().map_err(TensorFileError::io)?;
        (&mut reader).take(16).read_to_end(&mut start).map_err(TensorFileError::io)?;
        let length = reader.seek(SeekFrom::End(0)).map_err(TensorFileError::io)?;
        let (container, ParsedFile { arena, root, places }) = if archive::recognizes(&start) {
            ("torch (zip archive)", archive::parse(&mut reader)?)
        } else if legacy::recognizes(&start) {
            ("torch (before 1.6)", legacy::parse(&mut reader, length)?)
        } else {
            return Err(TensorFileError::new("not a file that torch.save wrote"));
        };
        let mut tensors = BTreeMap::new();
        for (name, tensor) in state::tensors(&arena, root)? {
            let view = arena.tensor(tensor);
            let storage = arena.storage(view.storage);
            if !storage.element.is_float() {
                continue;
            }
            let place = places[view.storage as usize];
            let entry = view.entry(storage, place).map_err(|e| e.of_tensor(name))?;
            tensors.insert(name.to_owned(), entry);
        }
        Ok(Self { reader, container, tensors })
    }

    /// What the container is called.
    pub(crate) fn container(&self) -> &'static str {
        self.container
    }

    /// What is in the file.
    pub(crate) fn tensors(&self) -> &BTreeMap<String, TensorEntry> {
        &self.tensors
    }

    /// The numbers of a tensor in row-major order, as f32; `None` if there is no such tensor.
    pub(crate) fn read(&mut self, name: &str) -> Option<Result<Vec<f32>, TensorFileError>> {
        let entry = self.tensors.get(name)?;
        let values = entry.read(&mut self.reader);
        Some(values.map_err(|e| e.of_tensor(name)))
    }
}

/// What a container's parser gives: the pickle's values, and where each storage begins.
struct ParsedFile {
    arena: Arena,
    root: Id,
    places: Vec<u64>,
}

#[cfg(test)]
mod tests;
