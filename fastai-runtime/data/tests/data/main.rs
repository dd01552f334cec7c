//! Data sets, readers and decoders, on sound and on broken files.

mod broken_inputs;
mod image_kinds;
#[path = "../../../fuzz/src/picture.rs"]
mod picture;
mod reduced_decoding;
mod sets;
#[path = "../../../fuzz/src/table.rs"]
mod table;

use std::path::Path;

use fastai_data::Preflight;
use fastai_data::progress::StopSignal;
use fastai_dsl::{Column, Corrupt, Data, Duplicates, Encoding, Extent, Sampler, Source, Valid};

fn data(root: &Path, source: Source, valid: Valid) -> Data {
    Data {
        root: Some(root.to_str().unwrap().to_string()),
        source,
        valid,
        test: None,
        batch: 64,
        workers: None,
        corrupt: Corrupt::Deny,
        duplicates: Duplicates::Drop,
        sampler: Sampler::Shuffle,
        resize_to: None,
        preflight: Extent::All,
    }
}

fn csv(labels: &str, images: &str, [id, label]: [Column; 2]) -> Source {
    Source::Csv {
        labels: labels.to_string(),
        images: images.to_string(),
        suffix: vec![".jpg".to_string()],
        id,
        label,
        separator: " ".to_string(),
        header: true,
        columns: Vec::new(),
        delimiter: ',',
        encoding: Encoding::Utf8,
    }
}

/// The check of all images, none of which may be broken.
fn preflight(duplicates: Duplicates, size: u32, stop: &StopSignal) -> Preflight<'_> {
    let (corrupt, extent) = (Corrupt::Deny, Extent::All);
    Preflight { corrupt, duplicates, size, bits: 16, extent, limit: None, known: None, across: None, stop }
}
