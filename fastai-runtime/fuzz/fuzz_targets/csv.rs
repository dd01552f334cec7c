//! Any bytes as a csv file.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use fastai_fuzz::table;
use libfuzzer_sys::fuzz_target;

/// A data set's folder, of this process.
fn root() -> &'static PathBuf {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let root = std::env::temp_dir().join(format!("fastai-fuzz-csv-{}", std::process::id()));
        table::prepare(&root);
        root
    })
}

fuzz_target!(|bytes: &[u8]| {
    table::open(root(), bytes);
});
