//! The registry: every construct of the language is described here once, with its keys, their kinds, ranges and defaults.
//! Checking executes it: a value that a recipe does not write is the registry's default. Did-you-mean, the builder's
//! setters and `fastai explain` read it too.
//!
//! Each construct is also a struct with one setter a key, so that Rust code (and what `recipe!` expands to) writes
//! `csv::new().root("data").batch(58)`.

pub use crate::construct::{Construct, IntoConstruct, Key, Range, Section, Type};
pub use crate::recipe::augmentation::calls::*;
pub use crate::recipe::data::calls::*;
pub use crate::recipe::loss::calls::*;
pub use crate::recipe::metric::calls::*;
pub use crate::recipe::model::calls::*;
pub use crate::recipe::optimizer::calls::*;
pub use crate::recipe::sections::{SECTIONS, section};
pub use crate::recipe::step::calls::*;
pub use crate::recipe::transforms::calls::*;
pub use crate::recipe::valid::calls::*;

/// The most items of a list, except those with one item for each class, which the most tokens of a recipe limit. Longer ones
/// cost the compiler time and memory and come from a mistake.
pub const MAX_ITEMS: usize = 64;

/// Every construct, in the order of the language page.
pub fn constructs() -> impl Iterator<Item = &'static Construct> {
    [SOURCES, SPLITS, CHECKS, IMAGES, AUGMENTATIONS, NETWORK, LOSSES, OPTIMIZERS, MEASURES, STEPS]
        .into_iter()
        .flatten()
        .copied()
}

/// The key of that name: the construct's own, or else that of another construct, which is answered with its place.
pub(crate) fn key_of(construct: &Construct, name: &str) -> Option<&'static Key> {
    construct.key(name).or_else(|| constructs().find_map(|other| other.key(name))).map(|(_, key)| key)
}

/// The constructs whose keys a section takes in braces; none for a section without keys.
pub fn choices(section: &str) -> &'static [&'static Construct] {
    match section {
        "data" => SOURCES,
        "transforms" => &[&TRANSFORMS],
        "model" => NETWORK,
        "loss" => LOSSES,
        "optimizer" => OPTIMIZERS,
        _ => &[],
    }
}

/// The construct of the keys after a section's word: `csv` of `data: csv { .. }`. The words of `transforms` and `model`, a set
/// and an architecture, all have the same keys.
pub fn chosen(section: &str, word: &str) -> Option<&'static Construct> {
    let any = matches!(section, "transforms" | "model");
    choices(section).iter().copied().find(|construct| any || construct.name == word)
}

impl Type {
    /// The constructs that a value of this kind may call, `random` of `valid: random(0.2)`.
    pub fn calls(self) -> &'static [&'static Construct] {
        match self {
            Type::Augment => AUGMENTATIONS,
            Type::Extent => CHECKS,
            Type::Split => SPLITS,
            Type::Stats => &[&NORMALIZE],
            _ => &[],
        }
    }
}
