//! The reader of safetensors files, which saved models and snapshots are too: whatever the bytes, it reads them or says why
//! not, in bounded memory.
#![no_main]

use fastai_data::atomic;
use libfuzzer_sys::fuzz_target;

mod data {
    pub use fastai_data::FileError;
}

/// What the reader needs of the engine's module, without the tensor library.
mod models {
    use std::io::Cursor;

    use crate::data::FileError;

    #[allow(dead_code)]
    #[path = "../../../src/models/safetensors_file.rs"]
    mod safetensors_file;
    #[allow(dead_code)]
    #[path = "../../../src/models/torch/mod.rs"]
    mod torch;

    #[derive(Debug)]
    pub struct WeightsError;

    impl From<FileError> for WeightsError {
        fn from(_: FileError) -> Self {
            WeightsError
        }
    }

    pub fn look(bytes: &[u8]) {
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
    }
}

fuzz_target!(|bytes: &[u8]| models::look(bytes));
