//! How the preparation of images whose activations are cached differs from another one.

use fastai_runtime::transforms::Signature;

/// What differs between the preparation of cached activations and the one that is wanted: `size 32 instead of 48`. Of a text that
/// this version does not know it is the whole of `cached`.
pub fn difference(cached: &str, wanted: &str) -> String {
    let both = Signature::read(cached).zip(Signature::read(wanted));
    let differing = both.map(|(cached, wanted)| cached.differences(&wanted)).unwrap_or_default();
    if differing.is_empty() { cached.to_string() } else { differing.join("; ") }
}
