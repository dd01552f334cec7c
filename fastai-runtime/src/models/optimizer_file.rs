//! The state of an optimizer in a safetensors file with a digest.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::tensor::TensorData;

use super::WeightsError;
use super::checkpoint::{ModelDigest, Seal};
use super::safetensors_file::{self, Array};
use super::tensor_file::TensorFile;
use crate::data::FileError;

/// The only metadata key.
const FORMAT: &str = "fastai optimizer 1";

/// Writes state tensors, atomically.
///
/// # Errors
/// If the file cannot be written, or a tensor has no 32-bit floats.
pub fn save_state(tensors: &BTreeMap<String, TensorData>, path: &Path) -> Result<ModelDigest, WeightsError> {
    let failed = |reason: String| FileError::new("write", path, std::io::Error::other(reason));
    let mut arrays = BTreeMap::new();
    for (name, data) in tensors {
        let values = data.clone().try_to_vec::<f32>().map_err(|e| failed(format!("tensor `{name}`: {e:?}")))?;
        arrays.insert(name.clone(), Array { shape: data.shape().to_vec(), values });
    }
    let seal = Seal { blake3: safetensors_file::BLANK.to_string() };
    let json = serde_json::to_string(&seal).map_err(|e| failed(e.to_string()))?;
    safetensors_file::write(path, &arrays, HashMap::from([(FORMAT.to_owned(), json)])).map(ModelDigest)
}

/// Reads what [`save_state`] wrote with this digest.
///
/// # Errors
/// If it is another file, or damaged.
pub fn load_state(path: &Path, digest: &ModelDigest) -> Result<BTreeMap<String, TensorData>, WeightsError> {
    let mut file = verified(path, digest)?;
    let shapes = file.shapes().clone();
    let read = |(name, shape): (String, Vec<usize>)| {
        let values = file.read(&name)?;
        Ok((name, TensorData::new(values, shape)))
    };
    shapes.into_iter().map(read).collect()
}

/// Checks that the file is the one with this digest.
///
/// # Errors
/// If it is another one, or damaged.
pub fn verify_state(path: &Path, digest: &ModelDigest) -> Result<(), WeightsError> {
    verified(path, digest).map(drop)
}

fn verified(path: &Path, digest: &ModelDigest) -> Result<TensorFile, WeightsError> {
    let mut file = TensorFile::open(path)?;
    let claimed = file.metadata().and_then(|facts| serde_json::from_str::<Seal>(facts.get(FORMAT)?).ok());
    let Some(Seal { blake3 }) = claimed else {
        return Err(WeightsError::unfit(path, "not the state of an optimizer"));
    };
    file.check_seal(&blake3)?;
    if blake3 != digest.0 {
        return Err(WeightsError::unfit(path, "the sound state of an optimizer, but not of this snapshot"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_reads_back_and_damage_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.safetensors");
        let tensor = |values: Vec<f32>| TensorData::new(values, [1, 3]);
        let state = BTreeMap::from([
            ("velocity/a".to_string(), tensor(vec![1.0, -0.0, 1e-40])),
            ("velocity/b".to_string(), tensor(vec![0.5; 3])),
        ]);
        let digest = save_state(&state, &path).unwrap();
        assert_eq!(load_state(&path, &digest).unwrap(), state);
        verify_state(&path, &digest).unwrap();
        let other = save_state(&BTreeMap::new(), &folder.path().join("none")).unwrap();
        assert!(load_state(&path, &other).unwrap_err().to_string().contains("not of this snapshot"));
        assert!(load_state(&folder.path().join("none"), &other).unwrap().is_empty());
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let error = verify_state(&path, &digest).unwrap_err().to_string();
        assert!(error.contains("state.safetensors") && error.contains("digest"), "{error}");
    }
}
