//! The container since PyTorch 1.6: a zip archive without compression.

use std::io::{Read, Seek, SeekFrom};

use super::arena::Arena;
use super::zip::{EntryPlace, Packing, ZipDirectory};
use super::{MAX_PICKLE, ParsedFile, TensorFileError, pickle, shown};

pub(super) fn recognizes(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04")
}

pub(super) fn parse<R: Read + Seek>(reader: &mut R) -> Result<ParsedFile, TensorFileError> {
    let directory = ZipDirectory::read(reader)?;
    let mut pickles = directory.names().filter(|name| *name == "data.pkl" || name.ends_with("/data.pkl"));
    let (Some(pickle), None) = (pickles.next(), pickles.next()) else {
        return Err(TensorFileError::new(
            "a zip archive, but not one that torch.save wrote: it does not have one data.pkl",
        ));
    };
    let folder = &pickle[..pickle.len() - "data.pkl".len()];
    let has = |name: &str| directory.names().any(|known| known.strip_prefix(folder) == Some(name));
    if has("constants.pkl") {
        return Err(TensorFileError::new(
            "refused: a TorchScript program; save the weights alone with `torch.save(model.state_dict(), PATH)`",
        ));
    }
    if has("byteorder") && small(&directory, reader, &format!("{folder}byteorder"), 16)? != b"little" {
        return Err(TensorFileError::new("refused: written by a big-endian machine"));
    }
    let mut arena = Arena::default();
    let description = small(&directory, reader, pickle, MAX_PICKLE)?;
    let root = pickle::load(&mut description.as_slice(), &mut arena)?;
    let mut places = Vec::with_capacity(arena.storages().len());
    for storage in arena.storages() {
        let name = format!("{folder}data/{}", storage.key);
        let place = stored(&directory, reader, &name)?;
        if storage.length.checked_mul(storage.element.size()).is_none_or(|bytes| bytes > place.size) {
            return Err(TensorFileError::new(format!(
                "damaged: entry `{}` has {} bytes, too few for {} numbers of {}",
                shown(&name),
                place.size,
                storage.length,
                storage.element.size()
            )));
        }
        places.push(place);
    }
    let mut sorted = places.clone();
    sorted.sort_unstable_by_key(|place| (place.start, place.size));
    if sorted.windows(2).any(|pair| pair[0].start + pair[0].size > pair[1].start) {
        return Err(TensorFileError::new("damaged: storages that lie on each other"));
    }
    Ok(ParsedFile { arena, root, places: places.iter().map(|place| place.start).collect() })
}

/// The place of an entry that is not compressed.
fn stored<R: Read + Seek>(directory: &ZipDirectory, reader: &mut R, name: &str) -> Result<EntryPlace, TensorFileError> {
    let place = directory.place(reader, name)?;
    if place.packing == Packing::Stored {
        return Ok(place);
    }
    Err(TensorFileError::new(format!(
        "refused: entry `{}` of the archive is compressed or encrypted, which torch.save never does",
        shown(name)
    )))
}

/// The bytes of a small entry.
fn small<R: Read + Seek>(
    directory: &ZipDirectory,
    reader: &mut R,
    name: &str,
    most: u64,
) -> Result<Vec<u8>, TensorFileError> {
    let place = stored(directory, reader, name)?;
    if place.size > most {
        let size = place.size;
        return Err(TensorFileError::new(format!(
            "refused: entry `{}` of the archive has {size} bytes; {most} are read",
            shown(name)
        )));
    }
    let mut bytes = vec![0; place.size as usize];
    let read = reader.seek(SeekFrom::Start(place.start)).and_then(|_| reader.read_exact(&mut bytes));
    read.map_err(TensorFileError::io)?;
    Ok(bytes)
}
