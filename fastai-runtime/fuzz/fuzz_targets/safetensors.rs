//! The reader of safetensors files, which saved models and snapshots are too: whatever the bytes, it reads them or says why
//! not, in bounded memory. The modules at the root stand for those that the reader has around it in the engine, without the
//! tensor library.
#![no_main]

use std::io::Cursor;

use fastai_data::atomic;
use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../src/models/number_type.rs"]
mod number_type;
#[allow(dead_code)]
#[path = "../../src/models/safetensors_file.rs"]
mod safetensors_file;
#[path = "../../src/models/tensor_file_error.rs"]
mod tensor_file_error;

mod data {
    pub use fastai_data::FileError;
}

#[derive(Debug)]
pub struct WeightsError;

impl From<data::FileError> for WeightsError {
    fn from(_: data::FileError) -> Self {
        WeightsError
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut file) = safetensors_file::SafetensorsReader::open(Cursor::new(bytes)) else { return };
    for name in file.tensors().keys().cloned().collect::<Vec<_>>() {
        let count: usize = file.tensors()[&name].shape.iter().product();
        if let Ok(values) = file.read(&name).expect("it is in the list") {
            assert_eq!(values.len(), count);
        }
    }
    for digits in file.metadata().values().cloned().collect::<Vec<_>>() {
        let _ = file.digest_without(&digits);
    }
    let _ = file.digest_without(safetensors_file::BLANK);
});
