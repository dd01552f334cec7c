//! Checks and lowers the section `transforms`.

use super::{augment, bind, unexpected};
use crate::bound::Bound;
use crate::catalog as c;
use crate::diagnostic::{Diagnostics, Site};
use crate::draft::{Value, ValueKind};
use crate::habits;
use crate::recipe::{Crop, Decode, StatsWish, TransformSet, Transforms};
use crate::schema;

pub(super) fn transforms(value: &Value, out: &mut Diagnostics) -> Option<Transforms> {
    let ValueKind::Block(name, entries) = &value.kind else {
        match &value.kind {
            ValueKind::Word(w) if TransformSet::parse(w).is_some() => {
                let help = format!("`{w} {{ size: 224 }}`");
                out.error(&c::MISSING_KEY, value.site, format!("`{w}` needs `size`"), help);
            }
            _ => unexpected("transforms", value, TransformSet::WORDS, out),
        }
        return None;
    };
    let set = TransformSet::parse(&name.text);
    if set.is_none() {
        let help = habits::word_help(&name.text, TransformSet::WORDS);
        out.error(&c::UNKNOWN_WORD, name.site, format!("unknown transforms `{}`", name.text), help);
    }
    let bound = bind::entries(&schema::TRANSFORMS, name, entries, out);
    let max_zoom = bound.read::<Vec<f64>>("max_zoom").map(|zoom| match zoom[..] {
        [lo, hi] => {
            if lo > hi {
                let at = bound.site("max_zoom", value.site);
                out.error(&c::OUT_OF_RANGE, at, format!("[{lo}, {hi}] is empty"), format!("`[{hi}, {lo}]`"));
            }
            [lo, hi]
        }
        // A single number is the largest zoom.
        _ => [1.0, zoom.last().copied().unwrap_or(1.0)],
    });
    let crop = bound.read("crop");
    let decode = bound.read("decode");
    let pad = bound.read("pad");
    if crop == Some(Crop::Googlenet) {
        for (key, given, why) in [
            ("max_zoom", max_zoom.is_some_and(|zoom| zoom != [1.0, 1.0]), "the crop draws its own scale"),
            ("pad", pad.is_some_and(|pad| pad > 0), "the crop takes a part of the image as it is"),
            (
                "decode",
                decode == Some(Decode::Reduced),
                "the crop may show a small part of the image, which needs all its pixels",
            ),
        ] {
            if given && bound.known(&[key]) {
                let (site, crop) = (bound.site(key, value.site), bound.site("crop", value.site));
                let text = format!("`crop: googlenet` ignores `{key}`");
                out.error_beside(&c::CROP_IGNORES, site, text, format!("remove `{key}`"), (crop, why));
            }
        }
    }
    let augment = augment::augment(&bound, out);
    let stats = stats(&bound, out);
    Some(Transforms {
        set: set?,
        size: bound.read("size")?,
        max_zoom: max_zoom?,
        crop: crop?,
        pad: pad?,
        pad_mode: bound.read("pad_mode")?,
        augment: augment?,
        stats: stats?,
        decode: decode?,
        bits: bound.read("bits")?,
        pixels: bound.read("pixels")?,
    })
}

/// The size in `transforms` and its place, even if the section has other mistakes; `None` for anything but a legal number.
pub(super) fn size(value: &Value) -> Option<(u32, Site)> {
    let (_, key) = schema::TRANSFORMS.key("size")?;
    let value = value.entry("size")?;
    match value.kind {
        ValueKind::Number(x) if x.fract() == 0.0 && key.range.is_none_or(|r| r.holds(x)) => {
            Some((x as u32, value.site))
        }
        _ => None,
    }
}

/// The statistics for normalising pixels.
fn stats(bound: &Bound, out: &mut Diagnostics) -> Option<StatsWish> {
    if !bound.given("stats") {
        return Some(StatsWish::default());
    }
    let value = bound.written("stats")?;
    let (name, args) = match &value.kind {
        ValueKind::Word(word) => return StatsWish::of_word(word),
        ValueKind::Call(name, args) => (name, args),
        _ => return None,
    };
    if name.text != schema::NORMALIZE.name {
        let help = format!("`{NORMALIZED}`");
        out.error(&c::UNKNOWN_WORD, name.site, format!("unknown statistics `{}`", name.text), help);
        return None;
    }
    let given = bind::args(&schema::NORMALIZE, name, value.site, args, out);
    let mut three = |key: &str| {
        let numbers = given.read::<Vec<f64>>(key)?;
        match numbers[..] {
            [all] => Some([all; 3]),
            [red, green, blue] => Some([red, green, blue]),
            _ => {
                let message = format!("`{key}` has a number each for red, green and blue, got {}", numbers.len());
                out.error(&c::OUT_OF_RANGE, given.site(key, value.site), message, format!("`{NORMALIZED}`"));
                None
            }
        }
    };
    let (mean, std) = (three("mean"), three("std"));
    Some(StatsWish::Given { mean: mean?, std: std? })
}

/// Example statistics: those of ImageNet.
const NORMALIZED: &str = "normalize(mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225])";
