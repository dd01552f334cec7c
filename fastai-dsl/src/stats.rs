//! Pixel statistics for normalisation.

/// Mean and standard deviation a channel (red, green, blue) of pixels scaled to [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// Mean a channel.
    pub mean: [f32; 3],
    /// Standard deviation a channel.
    pub std: [f32; 3],
}

impl Stats {
    /// torchvision's and fastai's ImageNet statistics.
    pub const IMAGENET: Stats = Stats { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
    /// `2 x - 1` on 0..1, as the Inceptions were trained.
    pub const INCEPTION: Stats = Stats { mean: [0.5; 3], std: [0.5; 3] };
    /// Pixels stay as they are.
    pub const NONE: Stats = Stats { mean: [0.0; 3], std: [1.0; 3] };
    /// `(x - 127) / 128` on 0..255, as EfficientNet-lite was trained.
    pub const TENSORFLOW_LITE: Stats = Stats { mean: [127.0 / 255.0; 3], std: [128.0 / 255.0; 3] };

    /// Whether no number differs by more than half a step of 8-bit pixels: rounded statistics are the same.
    pub fn is_near(&self, other: &Stats) -> bool {
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 0.5 / 255.0;
        self.mean.iter().zip(&other.mean).all(near) && self.std.iter().zip(&other.std).all(near)
    }
}
