//! Any bytes as an image, and what was decoded through the pipeline of training and validation, in full and reduced. For the
//! fuzzer, and for the replay of what it found.

use fastai_dsl::{Crop, Decode, Stats, TransformSet, Transforms};

use fastai_data::random::Stream;
use fastai_data::transforms::Transform;
use fastai_data::{Demand, unguarded};

/// Decodes `bytes` and transforms the image that they contain.
pub fn look(bytes: &[u8]) {
    let reduced = |shorter: u32| unguarded::decode_as(bytes, Demand { shorter: Some(shorter), ..Demand::FULL });
    let Ok(image) = unguarded::decode(bytes) else {
        assert!(reduced(8).is_err(), "a broken file became an image by being reduced");
        return;
    };
    // A large image takes the same path and only takes longer.
    if u64::from(image.width()) * u64::from(image.height()) > 1 << 20 {
        return;
    }
    let choice = bytes.len() as u64;
    let crop = [Crop::Random, Crop::Center, Crop::None, Crop::Googlenet][choice as usize % 4];
    let max_zoom = if crop == Crop::Googlenet { [1.0, 1.0] } else { [1.0, 1.3] };
    let pad = (choice % 3) as u32;
    let transforms = Transforms { max_zoom, crop, pad, ..Transforms::new(TransformSet::TopDown, 24) };
    let transform = Transform::new(&transforms, Stats::IMAGENET);
    let mut out = vec![0.0; 3 * 24 * 24];
    transform.valid(&image, &mut out);
    assert!(out.iter().all(|value| value.is_finite()));
    let transforms = Transforms { decode: Decode::Reduced, ..transforms };
    let transform = Transform::new(&transforms, Stats::IMAGENET);
    let image = reduced(transform.demand().shorter.unwrap_or(8)).expect("a sound file");
    transform.valid(&image, &mut out);
    assert!(out.iter().all(|value| value.is_finite()));
    out.fill(0.0);
    transform.train(&image, Stream::new(choice, "transform").address(&[1]), &mut out);
    assert!(out.iter().all(|value| value.is_finite()));
}
