//! The words of the language as Rust values: `words::on`, `words::side_on`, `words::squeezenet1_1`.
#![allow(non_upper_case_globals, non_camel_case_types)] // they are spelled as in a recipe

use crate::draft::{Arg, Name, Value, ValueKind};
use crate::experiment::{MultiLabel, Regression, SingleLabel};
use crate::fits::{Fits, kind};
use crate::recipe::Measures;

/// A word that stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(pub(crate) &'static str);

impl From<Word> for Value {
    fn from(word: Word) -> Value {
        Value::new(ValueKind::Word(word.0.to_string()))
    }
}

macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident;)*) => { $(
        $(#[doc = $doc])+
        pub const $name: Word = Word(stringify!($name));
    )* };
}
words! {
    /// Nothing: no transforms, no crop, random weights, no validation.
    none;
    /// The architecture's published weights.
    pretrained;
    /// ImageNet's mean and standard deviation.
    imagenet;
    /// Mean and standard deviation 0.5.
    inception;
    /// The best threshold on the images it is measured on.
    search;
    /// Train on all images, hold out none.
    all;
}
pub use crate::recipe::{data_words::*, option_words::*, step_words::*, transforms_words::*};

/// The task with one class an image, as a value.
pub const single_label: SingleLabel = SingleLabel;
/// The task with any number of tags an image, as a value.
pub const multi_label: MultiLabel = MultiLabel;
/// The task with a number an image, as a value.
pub const regression: Regression = Regression;

/// Switched on, as a type: `precompute(on)` and `precompute(off)` lead to different states.
#[derive(Clone, Copy, Debug)]
pub struct On;
/// Switched off, as a type.
#[derive(Clone, Copy, Debug)]
pub struct Off;
/// On.
pub const on: On = On;
/// Off.
pub const off: Off = Off;

impl From<On> for Value {
    fn from(_: On) -> Value {
        Value::new(ValueKind::Word("on".to_string()))
    }
}
impl From<Off> for Value {
    fn from(_: Off) -> Value {
        Value::new(ValueKind::Word("off".to_string()))
    }
}
impl Fits<kind::Switch> for On {}
impl Fits<kind::Switch> for Off {}

/// An architecture with `G` layer groups.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no architecture",
    note = "architectures are words: `words::squeezenet1_1`"
)]
pub trait Arch<const G: usize> {
    /// Its name.
    const NAME: &'static str;
}

macro_rules! archs {
    ($($(#[doc = $doc:literal])+ $name:ident: $groups:literal;)*) => { $(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug)]
        pub struct $name;
        impl Arch<$groups> for $name { const NAME: &'static str = stringify!($name); }
    )*
        /// Names and groups of the words, for the test that holds them to the registry.
        pub const ARCH_WORDS: &[(&str, usize)] = &[$((stringify!($name), $groups)),*];
    };
}
archs! {
    /// SqueezeNet 1.1: 0.7 million parameters in the body, no batch norm, quick on a CPU.
    squeezenet1_1: 3;
    /// MobileNet V2.
    mobilenet_v2: 3;
    /// EfficientNet-lite0: the most accurate for its time on a CPU, its weights come in a package.
    efficientnet_lite0: 3;
    /// EfficientNet-lite1, for 240 px.
    efficientnet_lite1: 3;
    /// EfficientNet-lite2, for 260 px.
    efficientnet_lite2: 3;
    /// EfficientNet-B0: as accurate as ResNet-50 with a tenth of its multiplications.
    efficientnet_b0: 3;
    /// ConvNeXt-T: depthwise 7x7 convolutions, layer norms instead of batch norms.
    convnext_tiny: 3;
    /// ResNet-18.
    resnet18: 3;
    /// ResNet-34: what the course starts with.
    resnet34: 3;
    /// ResNet-50.
    resnet50: 3;
    /// ResNet-101.
    resnet101: 3;
    /// ResNet-152.
    resnet152: 3;
    /// ResNeXt-50, 32 groups.
    resnext50_32x4d: 3;
    /// ResNeXt-101, 32 groups.
    resnext101_32x4d: 3;
    /// ResNeXt-101, 64 groups: the course's most accurate.
    resnext101_64x4d: 3;
    /// wide ResNet-50, twice the channels inside a block.
    wide_resnet50_2: 3;
    /// VGG-16 with batch norm.
    vgg16_bn: 3;
    /// VGG-19 with batch norm.
    vgg19_bn: 3;
    /// DenseNet-121.
    densenet121: 3;
    /// DenseNet-161.
    densenet161: 3;
    /// DenseNet-169.
    densenet169: 3;
    /// DenseNet-201.
    densenet201: 3;
    /// Inception v4 without its last module, as fastai cuts it.
    inception_v4: 3;
    /// Inception-ResNet v2.
    inception_resnet_v2: 3;
}

/// The course's name of [`densenet121`].
pub use self::densenet121 as dn121;
/// The course's name of [`densenet161`].
pub use self::densenet161 as dn161;
/// The course's name of [`densenet169`].
pub use self::densenet169 as dn169;
/// The course's name of [`densenet201`].
pub use self::densenet201 as dn201;
/// The course's name of [`inception_resnet_v2`].
pub use self::inception_resnet_v2 as inceptionresnet_2;
/// The course's name of [`inception_v4`].
pub use self::inception_v4 as inception_4;
/// The course's name of [`resnext50_32x4d`].
pub use self::resnext50_32x4d as resnext50;
/// The course's name of [`resnext101_32x4d`].
pub use self::resnext101_32x4d as resnext101;
/// The course's name of [`resnext101_64x4d`].
pub use self::resnext101_64x4d as resnext101_64;
/// The course's name of [`vgg16_bn`].
pub use self::vgg16_bn as vgg16;
/// The course's name of [`vgg19_bn`].
pub use self::vgg19_bn as vgg19;
/// The course's name of [`wide_resnet50_2`].
pub use self::wide_resnet50_2 as wrn;

pub use crate::recipe::metric_words::*;

/// [`f2`] with a threshold of its own.
#[derive(Clone, Debug)]
pub struct F2At(Value);

/// F-beta with beta 2: a number, or `words::search`.
pub fn f2_at(threshold: impl Fits<kind::Threshold>) -> F2At {
    F2At(threshold.into())
}

impl Measures<MultiLabel> for F2At {}
impl From<F2At> for Value {
    fn from(metric: F2At) -> Value {
        let arg = Arg { name: Some(Name::new("threshold")), value: metric.0 };
        Value::new(ValueKind::Call(Name::new("f2"), vec![arg]))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_architecture_is_a_word_with_the_same_groups() {
        let registry: Vec<(&str, usize)> = crate::arch::ARCHS.iter().map(|a| (a.name, a.groups)).collect();
        assert_eq!(registry, super::ARCH_WORDS);
    }
}
