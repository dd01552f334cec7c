//! The container before PyTorch 1.6: pickles in a row, then the storages.

use std::io::{BufReader, Read, Seek, SeekFrom};

use super::arena::{Arena, PickleNode};
use super::{ParsedFile, TensorFileError, pickle, shown};

/// The number that the first pickle holds.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
/// How a pickle of that number begins, whatever its protocol.
const MAGIC_BYTES: [u8; 12] = [0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// The container's version.
const VERSION: i128 = 1001;

pub(super) fn recognizes(start: &[u8]) -> bool {
    start.first() == Some(&0x80) && start.get(2..14) == Some(&MAGIC_BYTES)
}

/// Reads a file of `length` bytes.
pub(super) fn parse<R: Read + Seek>(reader: &mut R, length: u64) -> Result<ParsedFile, TensorFileError> {
    reader.rewind().map_err(TensorFileError::io)?;
    let mut input = BufReader::new(reader);
    let mut arena = Arena::default();
    let magic = pickle::load(&mut input, &mut arena)?;
    let version = pickle::load(&mut input, &mut arena)?;
    for (id, expected) in [(magic, MAGIC), (version, VERSION)] {
        if !matches!(arena.node(id), PickleNode::Int(found) if *found == expected) {
            return Err(TensorFileError::new("not a file that torch.save wrote: its first numbers are others"));
        }
    }
    let system = pickle::load(&mut input, &mut arena)?;
    let little = match arena.node(system) {
        PickleNode::Dict(entries) => entries.iter().any(|(key, value)| {
            arena.text(*key) == Some("little_endian") && matches!(arena.node(*value), PickleNode::Bool(true))
        }),
        _ => false,
    };
    if !little {
        return Err(TensorFileError::new("refused: written by a big-endian machine"));
    }
    let root = pickle::load(&mut input, &mut arena)?;
    let keys = pickle::load(&mut input, &mut arena)?;
    let PickleNode::List(keys) = arena.node(keys) else {
        return Err(TensorFileError::new("damaged: no list of storages after the weights' description"));
    };
    let mut places = vec![None; arena.storages().len()];
    let mut at = input.stream_position().map_err(TensorFileError::io)?;
    for key in keys {
        let named = match arena.node(*key) {
            PickleNode::Text(text) => text.to_string(),
            PickleNode::Int(n) => n.to_string(),
            _ => return Err(TensorFileError::new("damaged: a storage without a key")),
        };
        // An unused storage has no known type and therefore no known end.
        let index = arena.find_storage(&named).ok_or_else(|| {
            TensorFileError::new(format!("damaged: storage `{}` belongs to no tensor", shown(&named)))
        })?;
        let storage = arena.storage(index);
        let mut count = [0; 8];
        input.seek(SeekFrom::Start(at)).map_err(TensorFileError::io)?;
        input.read_exact(&mut count).map_err(TensorFileError::io)?;
        if u64::from_le_bytes(count) != storage.length {
            return Err(TensorFileError::new(format!(
                "damaged: storage `{}` should have {} numbers and says {}",
                shown(&named),
                storage.length,
                u64::from_le_bytes(count)
            )));
        }
        let start = at + 8;
        let end = storage.length.checked_mul(storage.element.size()).and_then(|bytes| bytes.checked_add(start));
        at = end.filter(|end| *end <= length).ok_or_else(|| {
            TensorFileError::new(format!(
                "storage `{}` ends beyond the file: it is truncated or damaged",
                shown(&named)
            ))
        })?;
        if places[index as usize].replace(start).is_some() {
            return Err(TensorFileError::new(format!("damaged: storage `{}` is there twice", shown(&named))));
        }
    }
    let places: Option<Vec<u64>> = places.into_iter().collect();
    let places = places.ok_or_else(|| TensorFileError::new("damaged: a storage is missing"))?;
    Ok(ParsedFile { arena, root, places })
}
