//! Every kind of image becomes the 8-bit RGB that Pillow reads: files and colours of tools/make_image_fixtures.py.

use std::path::Path;

use fastai_data::progress::{Silent, StopSignal};
use fastai_data::{Dataset, decode};
use fastai_dsl::Duplicates;
use serde_json::Value;

use crate::preflight;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/images")
}

fn expected() -> serde_json::Map<String, Value> {
    let text = std::fs::read_to_string(folder().join("images.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_kind_decodes_to_the_reference_colours() {
    let mut failures = Vec::new();
    for (name, file) in expected() {
        let image = match decode(&folder().join(&name)) {
            Ok(image) => image,
            Err(reason) => {
                failures.push(format!("{name}: {reason}"));
                continue;
            }
        };
        let number = |value: &Value| value.as_u64().unwrap() as u32;
        let size = (number(&file["size"][0]), number(&file["size"][1]));
        if image.dimensions() != size {
            failures.push(format!("{name}: {:?} instead of {size:?}", image.dimensions()));
            continue;
        }
        let tolerance = number(&file["tolerance"]);
        for place in file["pixels"].as_array().unwrap() {
            let (x, y) = (number(&place[0]), number(&place[1]));
            let found = image.get_pixel(x, y).0;
            let wanted: Vec<u32> = place[2].as_array().unwrap().iter().map(number).collect();
            if found.iter().zip(&wanted).any(|(a, b)| u32::from(*a).abs_diff(*b) > tolerance) {
                failures.push(format!("{name} at {x}, {y}: {found:?} instead of {wanted:?} (+-{tolerance})"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn preflight_passes_every_kind() {
    let names: Vec<String> = expected().keys().cloned().collect();
    let files = names.iter().enumerate().map(|(i, name)| (folder().join(name), ["x", "y"][i % 2]));
    let mut dataset = Dataset::from_files(files, &fastai_dsl::Valid::None).unwrap();
    let stop = StopSignal::default();
    let health = preflight(Duplicates::Drop, 36, &stop).check(&mut dataset, &mut Silent).unwrap();
    assert_eq!((health.images, health.enlarged), (names.len(), 0));
    // Turned by EXIF: those that are higher than wide, a JPEG, a WebP and a TIFF.
    assert_eq!(health.sizes[0].0, [[36, 48, 3], [48, 36, names.len() as u32 - 3]]);
}
