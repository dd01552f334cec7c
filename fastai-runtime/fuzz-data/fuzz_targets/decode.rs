//! Any bytes as an image, and what was decoded through the pipeline of training and validation.
#![no_main]

use fastai_dsl::{Crop, Stats, TransformSet, Transforms};
use fuzz_data::data::decode;
use fuzz_data::random::Stream;
use fuzz_data::transforms::Transform;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(image) = decode(bytes) else { return };
    // A large image takes the same path and only takes longer.
    if u64::from(image.width()) * u64::from(image.height()) > 1 << 20 {
        return;
    }
    let choice = bytes.len() as u64;
    let crop = [Crop::Random, Crop::Center, Crop::None, Crop::Googlenet][choice as usize % 4];
    let max_zoom = if crop == Crop::Googlenet { [1.0, 1.0] } else { [1.0, 1.3] };
    let transforms = Transforms { set: TransformSet::TopDown, size: 24, max_zoom, crop, pad: (choice % 3) as u32 };
    let transform = Transform::new(&transforms, Stats::IMAGENET);
    let mut out = vec![0.0; 3 * 24 * 24];
    transform.valid(&image, &mut out);
    assert!(out.iter().all(|value| value.is_finite()));
    out.fill(0.0);
    transform.train(&image, &mut Stream::new(choice, "transform").at(&[1]), &mut out);
    assert!(out.iter().all(|value| value.is_finite()));
});
