//! What `cut` can leave out of each body: the modules at its end, under their published names, the last first.
//!
//! As fastai 0.7's `xtra_cut` counts them, but that activations and pools belong to the module before or after them. The
//! second layer group keeps at least one module, so there are always three groups.

/// A module at the end of a body that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Its published name.
    pub name: &'static str,
    /// Its trainable parameters.
    pub parameters: u64,
    /// Channels of the map that is left without it.
    pub channels: u32,
}

/// Lists of name, parameters, and channels that are left.
macro_rules! cuts {
    ($($arch:ident: $($name:literal $parameters:literal $channels:literal),+;)+) => {
        $(pub(super) const $arch: &[Cut] =
            &[$(Cut { name: $name, parameters: $parameters, channels: $channels }),+];)+
    };
}
cuts! {
    SQUEEZENET1_1:
        "features.12" 197_184 512,
        "features.11" 188_992 384,
        "features.10" 111_024 384,
        "features.9" 104_880 256,
        "features.7" 49_440 256;
    MOBILENET_V2:
        "features.18" 412_160 320,
        "features.17" 473_920 160,
        "features.16" 320_000 160,
        "features.15" 320_000 160,
        "features.14" 155_264 96,
        "features.13" 118_272 96,
        "features.12" 118_272 96,
        "features.11" 66_624 64,
        "features.10" 54_272 64,
        "features.9" 54_272 64,
        "features.8" 54_272 64;
    EFFICIENTNET_LITE0:
        "_conv_head" 412_160 320,
        "_blocks.15" 605_440 192,
        "_blocks.14" 476_160 192,
        "_blocks.13" 476_160 192,
        "_blocks.12" 476_160 192,
        "_blocks.11" 224_160 112,
        "_blocks.10" 170_240 112,
        "_blocks.9" 170_240 112,
        "_blocks.8" 106_304 80,
        "_blocks.7" 83_200 80,
        "_blocks.6" 83_200 80;
    EFFICIENTNET_LITE1:
        "_conv_head" 412_160 320,
        "_blocks.20" 605_440 192,
        "_blocks.19" 476_160 192,
        "_blocks.18" 476_160 192,
        "_blocks.17" 476_160 192,
        "_blocks.16" 476_160 192,
        "_blocks.15" 224_160 112,
        "_blocks.14" 170_240 112,
        "_blocks.13" 170_240 112,
        "_blocks.12" 170_240 112,
        "_blocks.11" 106_304 80,
        "_blocks.10" 83_200 80,
        "_blocks.9" 83_200 80,
        "_blocks.8" 83_200 80;
    EFFICIENTNET_LITE2:
        "_conv_head" 453_120 352,
        "_blocks.20" 715_808 208,
        "_blocks.19" 555_776 208,
        "_blocks.18" 555_776 208,
        "_blocks.17" 555_776 208,
        "_blocks.16" 555_776 208,
        "_blocks.15" 257_456 120,
        "_blocks.14" 193_920 120,
        "_blocks.13" 193_920 120,
        "_blocks.12" 193_920 120,
        "_blocks.11" 125_376 88,
        "_blocks.10" 99_968 88,
        "_blocks.9" 99_968 88,
        "_blocks.8" 99_968 88;
    EFFICIENTNET_B0:
        "features.8" 412_160 320,
        "features.7" 717_232 192,
        "features.6" 2_026_348 112,
        "features.5" 543_148 80;
    CONVNEXT_TINY:
        "features.7" 14_289_408 768,
        "features.6" 1_181_184 384,
        "features.5" 10_817_280 384;
    RESNET18:
        "layer4" 8_393_728 256;
    RESNET34:
        "layer4" 13_114_368 256;
    RESNET50:
        "layer4" 14_964_736 1024;
    RESNET101:
        "layer4" 14_964_736 1024;
    RESNET152:
        "layer4" 14_964_736 1024;
    RESNEXT50_32X4D:
        "layer4" 14_544_896 1024;
    RESNEXT101_32X4D:
        "layer4" 14_544_896 1024;
    RESNEXT101_64X4D:
        "layer4" 26_976_256 1024;
    WIDE_RESNET50_2:
        "layer4" 41_971_712 1024;
    VGG16_BN:
        "features.34" 7_082_496 512;
    VGG19_BN:
        "features.40" 9_443_328 512,
        "features.27" 8_263_680 256;
    DENSENET121:
        "features.norm5" 2_048 1024,
        "features.denseblock4" 2_158_080 512,
        "features.transition3" 526_336 1024,
        "features.denseblock3" 2_837_760 256;
    DENSENET161:
        "features.norm5" 4_416 2208,
        "features.denseblock4" 9_486_720 1056,
        "features.transition3" 2_234_496 2112,
        "features.denseblock3" 11_548_224 384;
    DENSENET169:
        "features.norm5" 3_328 1664,
        "features.denseblock4" 5_913_600 640,
        "features.transition3" 821_760 1280,
        "features.denseblock3" 4_316_160 256;
    DENSENET201:
        "features.norm5" 3_840 1920,
        "features.denseblock4" 6_978_560 896,
        "features.transition3" 1_609_216 1792,
        "features.denseblock3" 8_071_680 256;
    INCEPTION_V4:
        "features.20" 4_553_088 1536,
        "features.19" 4_553_088 1536,
        "features.18" 2_747_392 1024,
        "features.17" 2_936_256 1024,
        "features.16" 2_936_256 1024,
        "features.15" 2_936_256 1024,
        "features.14" 2_936_256 1024,
        "features.13" 2_936_256 1024,
        "features.12" 2_936_256 1024,
        "features.11" 2_936_256 1024,
        "features.10" 2_306_112 384;
    INCEPTION_RESNET_V2:
        "conv2d_7b" 3_197_952 2080,
        "block8" 2_035_424 2080,
        "repeat_2" 18_318_816 2080,
        "mixed_7a" 3_880_960 1088,
        "repeat_1" 22_535_680 1088;
}
