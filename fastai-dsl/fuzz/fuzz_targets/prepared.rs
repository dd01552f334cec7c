//! Any bytes as the summary of a recipe's data.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fastai_dsl_fuzz::verify(data));
