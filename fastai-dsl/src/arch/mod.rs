//! The architectures that a recipe can name.
//!
//! The file of a family is the only place that describes its networks: their names, aliases and documentation, pixel
//! statistics and smallest image, and their [graphs](graph) of layers with the layer groups and the modules that `cut` can
//! remove. Everything else is derived from a graph when it is first asked for. The engine adds weights to the same graph.

mod convnext;
mod densenet;
mod efficientnet;
mod efficientnet_lite;
pub mod graph;
mod inception;
mod inverted;
mod mobilenet_v2;
mod mobilenet_v3;
mod resnet;
mod squeezenet;
pub mod unit;
mod vgg;

use std::sync::{LazyLock, OnceLock};

use crate::stats::Stats;
use graph::{Blueprint, Module};

/// Number of layer groups of every architecture including the head, as in fastai.
pub const GROUPS: usize = 3;
const _: () = assert!(GROUPS == 3, "the words of the architectures say how many groups there are");

/// Declares the networks of a family: `family` for the registry, and a word for each name and alias.
macro_rules! architectures {
    (
        min_size: $min_size:literal, stats: $stats:expr;
        $($(#[doc = $doc:literal])+ $name:ident $(| $alias:ident)* => $blueprint:expr;)+
    ) => {
        pub(super) fn family() -> Vec<$crate::arch::ArchFacts> {
            vec![$($crate::arch::ArchFacts::new(
                stringify!($name),
                &[$(stringify!($alias)),*],
                concat!($($doc),+),
                $min_size,
                $stats,
                $blueprint,
            )),+]
        }

        /// The names as Rust types.
        #[allow(non_camel_case_types)]
        pub mod words {
            use $crate::arch::Arch;
            $(
                $(#[doc = $doc])+
                #[derive(Clone, Copy, Debug)]
                pub struct $name;
                // `GROUPS` as a literal, which the compiler's messages show as it stands.
                impl Arch<3> for $name {
                    const NAME: &'static str = stringify!($name);
                }
                $(
                    #[doc = concat!("The course's name of [`", stringify!($name), "`].")]
                    pub use self::$name as $alias;
                )*
            )+
        }
    };
}
use architectures;

/// Collects the families in the order in which help texts list them.
macro_rules! families {
    ($($family:ident)+) => {
        /// Every architecture that can be trained.
        pub static ARCHS: LazyLock<Vec<ArchFacts>> =
            LazyLock::new(|| [$($family::family()),+].into_iter().flatten().collect());

        /// The names of the architectures as Rust types.
        pub mod words {
            $(pub use super::$family::words::*;)+
        }
    };
}
families! {
    squeezenet mobilenet_v2 mobilenet_v3 efficientnet_lite efficientnet convnext resnet vgg densenet inception
}

/// An architecture with `G` layer groups.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no architecture",
    note = "architectures are words: `words::squeezenet1_1`"
)]
pub trait Arch<const G: usize> {
    /// Its name.
    const NAME: &'static str;
}

/// An architecture.
#[derive(Debug)]
pub struct ArchFacts {
    /// Name in a recipe.
    pub name: &'static str,
    /// Other names that a recipe may use.
    pub aliases: &'static [&'static str],
    /// A one-line description.
    pub doc: &'static str,
    /// Smallest image side that leaves a feature map.
    pub min_size: u32,
    /// Pixel statistics that the published weights were trained with.
    pub stats: Stats,
    blueprint: fn() -> Blueprint,
    derived: OnceLock<Derived>,
}

/// Facts that follow from the graph.
#[derive(Debug)]
struct Derived {
    groups: Vec<(String, u64)>,
    channels: u32,
    batch_norm: bool,
    skippable: bool,
    modules: Vec<Module>,
}

impl ArchFacts {
    fn new(
        name: &'static str,
        aliases: &'static [&'static str],
        doc: &'static str,
        min_size: u32,
        stats: Stats,
        blueprint: fn() -> Blueprint,
    ) -> Self {
        // The documentation of a type is a sentence; a line in a table has no period.
        let doc = doc.trim().trim_end_matches('.');
        Self { name, aliases, doc, min_size, stats, blueprint, derived: OnceLock::new() }
    }

    /// Builds the layers.
    pub fn blueprint(&self) -> Blueprint {
        (self.blueprint)()
    }

    fn derived(&self) -> &Derived {
        self.derived.get_or_init(|| {
            let body = self.blueprint().body;
            Derived {
                groups: body.groups(),
                channels: body.channels() as u32,
                batch_norm: body.has_batch_norm(),
                skippable: !body.skippable().is_empty(),
                modules: body.removable(),
            }
        })
    }

    /// Layer groups, the head included.
    pub fn groups(&self) -> usize {
        GROUPS
    }

    /// The content of each body group and its number of trainable parameters.
    pub fn body(&self) -> &[(String, u64)] {
        &self.derived().groups
    }

    /// Width of the concat-pooled `[max, avg]` features: twice the last feature map's channels.
    pub fn head_input(&self) -> u32 {
        2 * self.derived().channels
    }

    /// Whether the body has batch norms; without them, `bn_freeze` has no effect.
    pub fn has_batch_norm(&self) -> bool {
        self.derived().batch_norm
    }

    /// Whether the body has branches that stochastic depth leaves out.
    pub fn has_stochastic_depth(&self) -> bool {
        self.derived().skippable
    }

    /// The modules at the end of the body that `cut` can remove, the last first. The second layer group keeps at least one
    /// module.
    ///
    /// fastai 0.7's `xtra_cut` counts in the same way, except that activations and pools belong to the module before or
    /// after them.
    pub fn cuts(&self) -> &[Module] {
        &self.derived().modules
    }

    /// The largest legal `cut`.
    pub fn max_cut(&self) -> u32 {
        self.cuts().len() as u32
    }

    /// [`head_input`](Self::head_input) without the body's last `cut` modules. A larger `cut` than the architecture allows
    /// counts as the largest.
    pub fn head_input_without(&self, cut: u32) -> u32 {
        self.removed(cut).last().map_or(self.head_input(), |last| 2 * last.channels)
    }

    /// The content of each body group without the last `cut` modules, and its number of trainable parameters.
    pub fn groups_without(&self, cut: u32) -> Vec<(String, u64)> {
        let (mut groups, removed) = (self.body().to_vec(), self.removed(cut));
        if let (Some((holds, parameters)), false) = (groups.last_mut(), removed.is_empty()) {
            let names: Vec<&str> = removed.iter().rev().map(|module| module.name.as_str()).collect();
            *holds += &format!(" without {}", names.join(", "));
            *parameters -= removed.iter().map(|module| module.parameters).sum::<u64>();
        }
        groups
    }

    fn removed(&self, cut: u32) -> &[Module] {
        &self.cuts()[..self.cuts().len().min(cut as usize)]
    }
}

/// Finds an architecture by name or alias.
pub fn find(name: &str) -> Option<&'static ArchFacts> {
    ARCHS.iter().find(|a| a.name == name || a.aliases.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_has_the_groups_that_its_word_says() {
        for arch in ARCHS.iter() {
            assert_eq!(arch.body().len() + 1, GROUPS, "{}", arch.name);
            assert!(
                arch.body().iter().all(|(holds, parameters)| !holds.is_empty() && *parameters > 0),
                "{}",
                arch.name
            );
            assert!(arch.max_cut() > 0, "{}", arch.name);
            assert!(!arch.doc.is_empty() && !arch.doc.ends_with('.'), "{}", arch.name);
        }
    }

    #[test]
    fn stochastic_depth_is_linear_over_the_blocks() {
        let shares = |name: &str| -> Vec<f64> {
            find(name).unwrap().blueprint().body.skippable().into_iter().map(|(_, share)| share).collect()
        };
        // torchvision: the rate times block / 16, of all blocks, in EfficientNet-B0, and block / 17 in ConvNeXt-T.
        let blocks = [2.0, 4.0, 6.0, 7.0, 9.0, 10.0, 12.0, 13.0, 14.0];
        assert_eq!(shares("efficientnet_b0"), blocks.map(|block| block / 16.0));
        assert_eq!(shares("convnext_tiny"), (1..18).map(|block| f64::from(block) / 17.0).collect::<Vec<_>>());
        let with: Vec<&str> = ARCHS.iter().filter(|a| a.has_stochastic_depth()).map(|a| a.name).collect();
        assert_eq!(with, ["efficientnet_b0", "convnext_tiny"]);
    }

    #[test]
    fn names_and_aliases_are_unique() {
        for arch in ARCHS.iter() {
            for name in std::iter::once(&arch.name).chain(arch.aliases) {
                assert_eq!(find(name).unwrap().name, arch.name);
            }
        }
    }

    #[test]
    fn a_cut_leaves_the_rest_of_the_second_group() {
        let arch = find("resnet34").unwrap();
        assert_eq!(arch.body()[1], ("layer3, layer4".to_owned(), 19_936_768));
        assert_eq!(arch.groups_without(1)[1], ("layer3, layer4 without layer4".to_owned(), 6_822_400));
        assert_eq!((arch.head_input(), arch.head_input_without(1), arch.head_input_without(9)), (1024, 512, 512));
    }
}
