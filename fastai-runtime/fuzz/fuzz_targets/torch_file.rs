//! The reader of torch files: whatever the bytes, it reads them or says why not, in bounded memory.
//!
//! With `cargo fuzz` (nightly), from `fastai-runtime`:
//!
//! ```sh
//! cargo +nightly fuzz run torch_file fuzz/corpus/torch_file tests/golden/torch -- -max_total_time=600 -rss_limit_mb=512
//! ```
//!
//! The corpus holds a small part of what was found; a test of the crate reads it on stable.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../src/models/number_type.rs"]
mod number_type;
#[path = "../../src/models/tensor_file_error.rs"]
mod tensor_file_error;
#[allow(dead_code, unused_imports)]
#[path = "../../src/models/torch/mod.rs"]
mod torch;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut file) = torch::Checkpoint::open(Cursor::new(bytes)) else { return };
    for name in file.tensors().keys().cloned().collect::<Vec<_>>() {
        let count: usize = file.tensors()[&name].shape.iter().product();
        if let Ok(values) = file.read(&name).expect("it is in the list") {
            assert_eq!(values.len(), count);
        }
    }
});
