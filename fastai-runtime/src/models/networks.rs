//! The networks by their names in recipes.

use super::convnext;
use super::densenet;
use super::efficientnet;
use super::efficientnet_lite as lite;
use super::graph::Blueprint;
use super::inception;
use super::mobilenet;
use super::resnet::{self, Blocks};
use super::squeezenet;
use super::vgg;

/// Builds a network's layers.
type Family = fn() -> Blueprint;

const NETWORKS: &[(&str, Family)] = &[
    ("squeezenet1_1", squeezenet::squeezenet1_1),
    ("mobilenet_v2", mobilenet::mobilenet_v2),
    ("efficientnet_lite0", || lite::blueprint(1.0, 1.0, 5)),
    ("efficientnet_lite1", || lite::blueprint(1.0, 1.1, 7)),
    ("efficientnet_lite2", || lite::blueprint(1.1, 1.2, 7)),
    ("efficientnet_b0", efficientnet::efficientnet_b0),
    ("convnext_tiny", || convnext::blueprint([96, 192, 384, 768], [3, 3, 9, 3])),
    ("resnet18", || resnet::blueprint(Blocks::basic([2, 2, 2, 2]))),
    ("resnet34", || resnet::blueprint(Blocks::basic([3, 4, 6, 3]))),
    ("resnet50", || resnet::blueprint(Blocks::bottleneck([3, 4, 6, 3]))),
    ("resnet101", || resnet::blueprint(Blocks::bottleneck([3, 4, 23, 3]))),
    ("resnet152", || resnet::blueprint(Blocks::bottleneck([3, 8, 36, 3]))),
    ("resnext50_32x4d", || resnet::blueprint(Blocks::bottleneck([3, 4, 6, 3]).groups(32, 4))),
    ("resnext101_32x4d", || resnet::blueprint(Blocks::bottleneck([3, 4, 23, 3]).groups(32, 4))),
    ("resnext101_64x4d", || resnet::blueprint(Blocks::bottleneck([3, 4, 23, 3]).groups(64, 4))),
    ("wide_resnet50_2", || resnet::blueprint(Blocks::bottleneck([3, 4, 6, 3]).groups(1, 128))),
    ("vgg16_bn", || vgg::blueprint([2, 2, 3, 3, 3])),
    ("vgg19_bn", || vgg::blueprint([2, 2, 4, 4, 4])),
    ("densenet121", || densenet::blueprint(64, 32, [6, 12, 24, 16])),
    ("densenet161", || densenet::blueprint(96, 48, [6, 12, 36, 24])),
    ("densenet169", || densenet::blueprint(64, 32, [6, 12, 32, 32])),
    ("densenet201", || densenet::blueprint(64, 32, [6, 12, 48, 32])),
    ("inception_v4", inception::inception_v4),
    ("inception_resnet_v2", inception::inception_resnet_v2),
];

/// Names of the architectures in recipes.
pub fn names() -> impl Iterator<Item = &'static str> {
    NETWORKS.iter().map(|(name, _)| *name)
}

/// Returns the layers of the architecture `arch`.
///
/// # Panics
/// If `arch` is not one of [`names`]; that of a checked recipe always is.
pub fn blueprint(arch: &str) -> Blueprint {
    let found = NETWORKS.iter().find(|(name, _)| *name == arch);
    found.expect("a checked recipe names a known architecture").1()
}
