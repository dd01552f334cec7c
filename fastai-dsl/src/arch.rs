//! What the language knows about each architecture. The layers themselves are in `fastai-runtime`, and a test there
//! holds the two together.

use crate::stats::Stats;

/// Facts about an architecture that a recipe can be checked with.
#[derive(Debug)]
pub struct ArchFacts {
    /// Name in a recipe.
    pub name: &'static str,
    /// Other names that a recipe may use.
    pub aliases: &'static [&'static str],
    /// One line for people.
    pub doc: &'static str,
    /// Layer groups, the head included. fastai always has three.
    pub groups: usize,
    /// What each body group holds, and its trainable parameters.
    pub body: &'static [(&'static str, u64)],
    /// Width of the concat-pooled `[max, avg]` features: twice the last feature map's channels.
    pub head_input: u32,
    /// Smallest image side that leaves a feature map.
    pub min_size: u32,
    /// Pixel statistics that the published weights were trained with.
    pub stats: Stats,
    /// Whether the body has BatchNorms (`bn_freeze` does nothing without).
    pub batch_norm: bool,
}

impl ArchFacts {
    /// An architecture with three groups, BatchNorm and ImageNet statistics.
    const fn new(
        name: &'static str,
        doc: &'static str,
        body: &'static [(&'static str, u64)],
        head_input: u32,
        min_size: u32,
    ) -> Self {
        Self {
            name,
            aliases: &[],
            doc,
            groups: 3,
            body,
            head_input,
            min_size,
            stats: Stats::IMAGENET,
            batch_norm: true,
        }
    }

    /// A residual network of torchvision: the first group ends after the second of its four stages.
    const fn resnet(name: &'static str, doc: &'static str, body: &'static [(&'static str, u64)], map: u32) -> Self {
        Self::new(name, doc, body, 2 * map, 32)
    }
}

/// Every architecture that can be trained.
pub const ARCHS: &[ArchFacts] = &[
    ArchFacts {
        batch_norm: false,
        ..ArchFacts::new(
            "squeezenet1_1",
            "SqueezeNet 1.1: 0.7 million parameters in the body, no batch norm, quick on a CPU",
            &[("features 0..=4", 25_632), ("features 5..=12", 696_864)],
            1024,
            32,
        )
    },
    ArchFacts {
        stats: Stats::TENSORFLOW_LITE,
        ..ArchFacts::new(
            "efficientnet_lite0",
            "EfficientNet-lite0: the most accurate for its time on a CPU, its weights come in a package",
            &[("_conv_stem, _blocks 0..=4", 55_504), ("_blocks 5..=15, _conv_head", 3_315_504)],
            2560,
            32,
        )
    },
    ArchFacts::resnet(
        "resnet18",
        "ResNet-18",
        &[("conv1, layer1, layer2", 683_072), ("layer3, layer4", 10_493_440)],
        512,
    ),
    ArchFacts::resnet(
        "resnet34",
        "ResNet-34: what the course starts with",
        &[("conv1, layer1, layer2", 1_347_904), ("layer3, layer4", 19_936_768)],
        512,
    ),
    ArchFacts::resnet(
        "resnet50",
        "ResNet-50",
        &[("conv1, layer1, layer2", 1_444_928), ("layer3, layer4", 22_063_104)],
        2048,
    ),
];

/// The architecture of that name or alias.
pub fn find(name: &str) -> Option<&'static ArchFacts> {
    ARCHS.iter().find(|a| a.name == name || a.aliases.contains(&name))
}
