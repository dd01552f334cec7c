//! Any bytes as a recipe file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fastai_dsl_fuzz::check(data));
