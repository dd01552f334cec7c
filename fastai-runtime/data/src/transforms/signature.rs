//! What validation's pixels depend on.

use std::fmt;

use fastai_dsl::{Crop, PixelFormat, Stats};

use super::demand::Demand;

/// Everything that [`Transform::valid`](super::Transform::valid) depends on besides the image.
///
/// Caches of activations are named by the text that `Display` writes, so what it says of these values never changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// The version of the code.
    pub version: u32,
    /// Side of the square, pixels.
    pub size: usize,
    /// [`Crop::Center`] or [`Crop::None`].
    pub crop: Crop,
    /// Border that is added before a squash, pixels; 0 for the centre, which shows none of it.
    pub pad: usize,
    /// What pixels are normalised with.
    pub stats: Stats,
    /// How images are decoded.
    pub demand: Demand,
    /// The numbers of the input before it is normalised.
    pub pixels: PixelFormat,
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Signature { version, size, crop, pad, stats: Stats { mean, std }, demand, pixels } = self;
        write!(f, "transforms {version}: size {size} crop {} pad {pad} mean {mean:?} std {std:?}", crop.word())?;
        if let Some(side) = demand.shorter {
            write!(f, " decoded to {side}")?;
        }
        if demand.bits != Demand::FULL.bits {
            write!(f, " of {} bits", demand.bits)?;
        }
        match pixels {
            PixelFormat::Floats => Ok(()),
            PixelFormat::Bytes => f.write_str(" rounded to bytes"),
        }
    }
}

impl Signature {
    /// Reads the text that `Display` writes; `None` of another one, such as that of an earlier version.
    pub fn read(text: &str) -> Option<Self> {
        let (version, rest) = text.strip_prefix("transforms ")?.split_once(": size ")?;
        let (size, rest) = rest.split_once(" crop ")?;
        let (crop, rest) = rest.split_once(" pad ")?;
        let (pad, rest) = rest.split_once(" mean ")?;
        let (mean, rest) = rest.split_once(" std ")?;
        let (rest, pixels) = match rest.strip_suffix(" rounded to bytes") {
            Some(rest) => (rest, PixelFormat::Bytes),
            None => (rest, PixelFormat::Floats),
        };
        let (rest, bits) = match rest.strip_suffix(" bits").and_then(|rest| rest.split_once(" of ")) {
            Some((rest, bits)) => (rest, bits.parse().ok()?),
            None => (rest, Demand::FULL.bits),
        };
        let (std, shorter) = match rest.split_once(" decoded to ") {
            Some((std, side)) => (std, Some(side.parse().ok()?)),
            None => (rest, None),
        };
        let numbers = |text: &str| serde_json::from_str::<[f32; 3]>(text).ok();
        Some(Signature {
            version: version.parse().ok()?,
            size: size.parse().ok()?,
            crop: Crop::parse(crop)?,
            pad: pad.parse().ok()?,
            stats: Stats { mean: numbers(mean)?, std: numbers(std)? },
            demand: Demand { shorter, bits },
            pixels,
        })
    }

    /// What differs from the `wanted` one, in words: `size 32 instead of 48`.
    pub fn differences(&self, wanted: &Self) -> Vec<String> {
        let pairs = self.parts().into_iter().zip(wanted.parts()).filter(|(own, wanted)| own != wanted);
        pairs.map(|((name, own), (_, wanted))| format!("{name} {own} instead of {wanted}")).collect()
    }

    /// Each value with its name, in words.
    fn parts(&self) -> [(&'static str, String); 9] {
        let Signature { version, size, crop, pad, stats, demand, pixels } = self;
        [
            ("transforms of version", version.to_string()),
            ("size", size.to_string()),
            ("crop", crop.word().to_string()),
            ("pad", pad.to_string()),
            ("mean", format!("{:?}", stats.mean)),
            ("std", format!("{:?}", stats.std)),
            ("shorter side decoded to", demand.shorter.map_or("all pixels".to_string(), |side| side.to_string())),
            ("depth", format!("{} bits", demand.bits)),
            ("pixels", pixels.word().to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use fastai_dsl::{Decode, PadMode, TransformSet, Transforms};

    use super::*;
    use crate::transforms::Transform;

    fn signature(change: impl FnOnce(&mut Transforms)) -> Signature {
        let mut transforms = Transforms::new(TransformSet::SideOn, 64);
        change(&mut transforms);
        Transform::new(&transforms, Stats::IMAGENET).signature()
    }

    #[test]
    fn the_text_is_that_by_which_caches_are_found() {
        const IMAGENET: &str = "mean [0.485, 0.456, 0.406] std [0.229, 0.224, 0.225]";
        let all = |t: &mut Transforms| {
            (t.crop, t.pad, t.max_zoom, t.decode) = (Crop::Center, 4, [1.0, 1.1], Decode::Reduced);
            (t.bits, t.pixels) = (12, PixelFormat::Bytes);
        };
        for (found, text) in [
            (signature(|_| {}), format!("transforms 3: size 64 crop center pad 0 {IMAGENET}")),
            (
                signature(|t| (t.crop, t.pad) = (Crop::None, 4)),
                format!("transforms 3: size 64 crop none pad 4 {IMAGENET}"),
            ),
            (
                signature(all),
                format!(
                    "transforms 3: size 64 crop center pad 0 {IMAGENET} decoded to 140 of 12 bits rounded to bytes"
                ),
            ),
            (signature(|t| t.bits = 10), format!("transforms 3: size 64 crop center pad 0 {IMAGENET} of 10 bits")),
        ] {
            assert_eq!(found.to_string(), text);
            assert_eq!(Signature::read(&text), Some(found));
        }
    }

    #[test]
    fn what_only_training_sees_does_not_count() {
        let (plain, squashed) = (signature(|_| {}), signature(|t| (t.crop, t.pad) = (Crop::None, 4)));
        assert_eq!(signature(|t| t.set = TransformSet::None), plain);
        assert_eq!(signature(|t| (t.max_zoom, t.pad) = ([1.0, 2.0], 4)), plain);
        let black = signature(|t| (t.crop, t.pad, t.pad_mode) = (Crop::None, 4, PadMode::Constant));
        assert_eq!(black, squashed, "validation's border is reflected");
    }

    #[test]
    fn only_what_differs_is_told() {
        let plain = signature(|_| {});
        assert_eq!(plain.differences(&plain), [""; 0]);
        let smaller = signature(|t| (t.size, t.crop, t.pad) = (32, Crop::None, 4));
        let told = ["size 32 instead of 64", "crop none instead of center", "pad 4 instead of 0"];
        assert_eq!(smaller.differences(&plain), told);
        let reduced = signature(|t| (t.decode, t.bits, t.pixels) = (Decode::Reduced, 12, PixelFormat::Bytes));
        let told = [
            "shorter side decoded to all pixels instead of 128",
            "depth 16 bits instead of 12 bits",
            "pixels floats instead of bytes",
        ];
        assert_eq!(plain.differences(&reduced), told);
        let other = Signature { stats: Stats { mean: [0.485, 0.456, 0.5], ..plain.stats }, ..plain.clone() };
        assert_eq!(other.differences(&plain), ["mean [0.485, 0.456, 0.5] instead of [0.485, 0.456, 0.406]"]);
    }

    #[test]
    fn another_text_is_not_read() {
        let text = signature(|_| {}).to_string();
        let (shorter, broken) = (text.replace(" crop center", ""), text.replace("0.485", "x"));
        for other in ["", "side 64", &text[1..], shorter.as_str(), broken.as_str()] {
            assert_eq!(Signature::read(other), None, "{other}");
        }
    }
}
