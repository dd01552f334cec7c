//! Recipes whose tokens were deleted, doubled, swapped and replaced.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fastai_dsl_fuzz::check(fastai_dsl_fuzz::mutate(data).as_bytes()));
