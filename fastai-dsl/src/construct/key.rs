//! The keys of constructs.

use super::{Range, Type};
use crate::draft::number;

/// A key of a block, or an argument of a call.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// What it takes.
    pub ty: Type,
    /// Legal numbers.
    pub range: Option<Range>,
    /// Legal words.
    pub words: &'static [&'static str],
    /// The value of a key that a recipe leaves out, as text.
    pub default: Option<&'static str>,
    /// Whether it must be given.
    pub required: bool,
}

impl Key {
    /// The words that may stand here: the enum's, or those of the kind.
    pub fn legal_words(&self) -> &'static [&'static str] {
        if self.words.is_empty() { self.ty.words() } else { self.words }
    }

    /// An example of a value, for help texts.
    pub(crate) fn instance(&self) -> String {
        if let Some(default) = self.default {
            return default.to_string();
        }
        let usual = match (self.name, self.ty) {
            ("root", _) => "\"data\"",
            ("labels", _) => "\"labels.csv\"",
            ("images" | "train", Type::Text) => "\"train\"",
            ("images", Type::Count) => "10000",
            ("path", _) => "\"valid\"",
            // Images of a block, where the others are sides in pixels.
            ("size", _) if self.range.is_some_and(|range| range.holds(2.0)) => "20",
            ("size", _) => "224",
            ("degrees", _) => "10",
            ("mean", Type::Numbers) => "[0.485, 0.456, 0.406]",
            ("std", Type::Numbers) => "[0.229, 0.224, 0.225]",
            ("cycles" | "epochs", _) => "3",
            ("share", _) => "0.2",
            ("count", _) => "5",
            ("names", _) => "[\"a\", \"b\"]",
            ("use_clr", _) => "[32, 8]",
            ("use_clr_beta", _) => "[10, 10]",
            _ => self.usual(),
        };
        match (usual.parse::<f64>(), self.range) {
            (Ok(x), Some(range)) if !range.holds(x) => number(range.lo),
            _ => usual.to_string(),
        }
    }

    /// An example of a value of the key's kind.
    fn usual(&self) -> &'static str {
        match self.ty {
            Type::Text => "\"name\"",
            Type::Texts => "\".jpg\"",
            Type::Columns => "[\"cat\", \"dog\"]",
            Type::Extent => "sample(10000)",
            Type::Count | Type::Column => "1",
            Type::Number | Type::Rate | Type::Rates | Type::Numbers | Type::Threshold => "0.01",
            Type::Zoom => "1.1",
            Type::Augment => "[rotate(10), flip]",
            Type::Word => self.words.first().copied().unwrap_or("none"),
            Type::Split => "random(0.2)",
            Type::Counts => "[512]",
            Type::Switch | Type::Weights | Type::Stats => self.ty.words().first().copied().unwrap_or_default(),
        }
    }
}
