//! Pixel statistics for normalisation.

/// Mean and standard deviation of each channel (red, green, blue) of pixels scaled to [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// Mean of each channel.
    pub mean: [f32; 3],
    /// Standard deviation of each channel.
    pub std: [f32; 3],
}

impl Stats {
    /// torchvision's and fastai's ImageNet statistics.
    pub const IMAGENET: Stats = Stats { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
    /// `2 x - 1` on 0..1, the statistics of the Inceptions.
    pub const INCEPTION: Stats = Stats { mean: [0.5; 3], std: [0.5; 3] };
    /// No change of pixels.
    pub const NONE: Stats = Stats { mean: [0.0; 3], std: [1.0; 3] };
    /// `(x - 127) / 128` on 0..255, the statistics of EfficientNet-lite.
    pub const TENSORFLOW_LITE: Stats = Stats { mean: [127.0 / 255.0; 3], std: [128.0 / 255.0; 3] };

    /// Whether all values differ by at most half a step of an 8-bit pixel, so that rounded statistics count as equal.
    pub fn is_near(&self, other: &Stats) -> bool {
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 0.5 / 255.0;
        self.mean.iter().zip(&other.mean).all(near) && self.std.iter().zip(&other.std).all(near)
    }
}
