//! Any bytes as an image.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fastai_fuzz::picture::look(bytes));
