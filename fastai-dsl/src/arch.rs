//! What the language knows about each architecture. The layers themselves are in `fastai-runtime`, and a test there
//! holds the two together.

mod cuts;

pub use cuts::Cut;

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
    /// What can be left out at the end of the body, the last first.
    pub cuts: &'static [Cut],
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
            cuts: &[],
        }
    }

    const fn cuts(self, cuts: &'static [Cut]) -> Self {
        Self { cuts, ..self }
    }

    const fn aliases(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    const fn stats(self, stats: Stats) -> Self {
        Self { stats, ..self }
    }

    const fn without_batch_norm(self) -> Self {
        Self { batch_norm: false, ..self }
    }

    /// A residual network of torchvision: the first group ends after the second of its four stages.
    const fn resnet(name: &'static str, doc: &'static str, body: &'static [(&'static str, u64)], map: u32) -> Self {
        Self::new(name, doc, body, 2 * map, 32)
    }

    /// Most modules that `cut` can leave out.
    pub fn max_cut(&self) -> u32 {
        self.cuts.len() as u32
    }

    /// [`head_input`](Self::head_input) without the body's last `cut` modules; of a larger `cut` than the architecture has,
    /// that of the largest.
    pub fn head_input_without(&self, cut: u32) -> u32 {
        self.left_out(cut).last().map_or(self.head_input, |last| 2 * last.channels)
    }

    /// What each body group holds without the last `cut` modules, and its trainable parameters.
    pub fn groups_without(&self, cut: u32) -> Vec<(String, u64)> {
        let out = self.left_out(cut);
        let last = self.body.len().saturating_sub(1);
        let groups = self.body.iter().enumerate().map(|(group, (holds, parameters))| {
            if out.is_empty() || group < last {
                return ((*holds).to_string(), *parameters);
            }
            let names: Vec<&str> = out.iter().rev().map(|cut| cut.name).collect();
            let fewer = out.iter().map(|cut| cut.parameters).sum::<u64>();
            (format!("{holds} without {}", names.join(", ")), parameters - fewer)
        });
        groups.collect()
    }

    fn left_out(&self, cut: u32) -> &'static [Cut] {
        &self.cuts[..self.cuts.len().min(cut as usize)]
    }
}

/// Every architecture that can be trained.
pub const ARCHS: &[ArchFacts] = &[
    ArchFacts::new(
        "squeezenet1_1",
        "SqueezeNet 1.1: 0.7 million parameters in the body, no batch norm, quick on a CPU",
        &[("features 0..=4", 25_632), ("features 5..=12", 696_864)],
        1024,
        32,
    )
    .without_batch_norm()
    .cuts(cuts::SQUEEZENET1_1),
    ArchFacts::new(
        "mobilenet_v2",
        "MobileNet V2",
        &[("features 0..=6", 55_488), ("features 7..=18", 2_168_384)],
        2560,
        32,
    )
    .cuts(cuts::MOBILENET_V2),
    ArchFacts::new(
        "efficientnet_lite0",
        "EfficientNet-lite0: the most accurate for its time on a CPU, its weights come in a package",
        &[("_conv_stem, _blocks 0..=4", 55_504), ("_blocks 5..=15, _conv_head", 3_315_504)],
        2560,
        32,
    )
    .stats(Stats::TENSORFLOW_LITE)
    .cuts(cuts::EFFICIENTNET_LITE0),
    ArchFacts::new(
        "efficientnet_lite1",
        "EfficientNet-lite1, for 240 px",
        &[("_conv_stem, _blocks 0..=6", 90_576), ("_blocks 7..=20, _conv_head", 4_045_104)],
        2560,
        32,
    )
    .stats(Stats::TENSORFLOW_LITE)
    .cuts(cuts::EFFICIENTNET_LITE1),
    ArchFacts::new(
        "efficientnet_lite2",
        "EfficientNet-lite2, for 260 px",
        &[("_conv_stem, _blocks 0..=6", 111_456), ("_blocks 7..=20, _conv_head", 4_699_616)],
        2560,
        32,
    )
    .stats(Stats::TENSORFLOW_LITE)
    .cuts(cuts::EFFICIENTNET_LITE2),
    ArchFacts::new(
        "efficientnet_b0",
        "EfficientNet-B0: as accurate as ResNet-50 with a tenth of its multiplications",
        &[("features 0..=3", 65_730), ("features 4..=8", 3_941_818)],
        2560,
        32,
    )
    .cuts(cuts::EFFICIENTNET_B0),
    ArchFacts::new(
        "convnext_tiny",
        "ConvNeXt-T: depthwise 7x7 convolutions, layer norms instead of batch norms",
        &[("features 0..=3", 1_235_040), ("features 4..=7", 26_583_552)],
        1536,
        32,
    )
    .without_batch_norm()
    .cuts(cuts::CONVNEXT_TINY),
    ArchFacts::resnet(
        "resnet18",
        "ResNet-18",
        &[("conv1, layer1, layer2", 683_072), ("layer3, layer4", 10_493_440)],
        512,
    )
    .cuts(cuts::RESNET18),
    ArchFacts::resnet(
        "resnet34",
        "ResNet-34: what the course starts with",
        &[("conv1, layer1, layer2", 1_347_904), ("layer3, layer4", 19_936_768)],
        512,
    )
    .cuts(cuts::RESNET34),
    ArchFacts::resnet(
        "resnet50",
        "ResNet-50",
        &[("conv1, layer1, layer2", 1_444_928), ("layer3, layer4", 22_063_104)],
        2048,
    )
    .cuts(cuts::RESNET50),
    ArchFacts::resnet(
        "resnet101",
        "ResNet-101",
        &[("conv1, layer1, layer2", 1_444_928), ("layer3, layer4", 41_055_232)],
        2048,
    )
    .cuts(cuts::RESNET101),
    ArchFacts::resnet(
        "resnet152",
        "ResNet-152",
        &[("conv1, layer1, layer2", 2_565_184), ("layer3, layer4", 55_578_624)],
        2048,
    )
    .cuts(cuts::RESNET152),
    ArchFacts::resnet(
        "resnext50_32x4d",
        "ResNeXt-50, 32 groups",
        &[("conv1, layer1, layer2", 1_412_416), ("layer3, layer4", 21_567_488)],
        2048,
    )
    .aliases(&["resnext50"])
    .cuts(cuts::RESNEXT50_32X4D),
    ArchFacts::resnet(
        "resnext101_32x4d",
        "ResNeXt-101, 32 groups",
        &[("conv1, layer1, layer2", 1_412_416), ("layer3, layer4", 40_716_288)],
        2048,
    )
    .aliases(&["resnext101"])
    .cuts(cuts::RESNEXT101_32X4D),
    ArchFacts::resnet(
        "resnext101_64x4d",
        "ResNeXt-101, 64 groups: the course's most accurate",
        &[("conv1, layer1, layer2", 2_660_672), ("layer3, layer4", 78_745_600)],
        2048,
    )
    .aliases(&["resnext101_64"])
    .cuts(cuts::RESNEXT101_64X4D),
    ArchFacts::resnet(
        "wide_resnet50_2",
        "wide ResNet-50, twice the channels inside a block",
        &[("conv1, layer1, layer2", 4_126_528), ("layer3, layer4", 62_707_712)],
        2048,
    )
    .aliases(&["wrn"])
    .cuts(cuts::WIDE_RESNET50_2),
    ArchFacts::new(
        "vgg16_bn",
        "VGG-16 with batch norm",
        &[("features 0..=21", 1_737_792), ("features 22..=43", 12_985_344)],
        1024,
        32,
    )
    .aliases(&["vgg16"])
    .cuts(cuts::VGG16_BN),
    ArchFacts::new(
        "vgg19_bn",
        "VGG-19 with batch norm",
        &[("features 0..=21", 1_737_792), ("features 22..=52", 18_297_600)],
        1024,
        32,
    )
    .aliases(&["vgg19"])
    .cuts(cuts::VGG19_BN),
    ArchFacts::new(
        "densenet121",
        "DenseNet-121",
        &[("conv0, denseblock1, denseblock2", 1_297_536), ("transition2 to norm5", 5_656_320)],
        2048,
        32,
    )
    .aliases(&["dn121"])
    .cuts(cuts::DENSENET121),
    ArchFacts::new(
        "densenet161",
        "DenseNet-161",
        &[("conv0, denseblock1, denseblock2", 2_901_696), ("transition2 to norm5", 23_570_304)],
        4416,
        32,
    )
    .aliases(&["dn161"])
    .cuts(cuts::DENSENET161),
    ArchFacts::new(
        "densenet169",
        "DenseNet-169",
        &[("conv0, denseblock1, denseblock2", 1_297_536), ("transition2 to norm5", 11_186_944)],
        3328,
        32,
    )
    .aliases(&["dn169"])
    .cuts(cuts::DENSENET169),
    ArchFacts::new(
        "densenet201",
        "DenseNet-201",
        &[("conv0, denseblock1, denseblock2", 1_297_536), ("transition2 to norm5", 16_795_392)],
        3840,
        32,
    )
    .aliases(&["dn201"])
    .cuts(cuts::DENSENET201),
    ArchFacts::new(
        "inception_v4",
        "Inception v4 without its last module, as fastai cuts it",
        &[("features 0..=8", 1_558_624), ("features 9..=20", 35_031_104)],
        3072,
        75,
    )
    .stats(Stats::INCEPTION)
    .aliases(&["inception_4"])
    .cuts(cuts::INCEPTION_V4),
    ArchFacts::new(
        "inception_resnet_v2",
        "Inception-ResNet v2",
        &[("conv2d_1a to repeat", 1_672_672), ("mixed_6a to conv2d_7b", 52_633_792)],
        3072,
        75,
    )
    .stats(Stats::INCEPTION)
    .aliases(&["inceptionresnet_2"])
    .cuts(cuts::INCEPTION_RESNET_V2),
];

/// The architecture of that name or alias.
pub fn find(name: &str) -> Option<&'static ArchFacts> {
    ARCHS.iter().find(|a| a.name == name || a.aliases.contains(&name))
}
