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
    /// How a value is often written, if the default is no example of one.
    pub example: Option<&'static str>,
    /// Whether it must be given.
    pub required: bool,
}

impl Key {
    /// The words that may stand here: the enum's, or those of the kind.
    pub fn legal_words(&self) -> &'static [&'static str] {
        if self.words.is_empty() { self.ty.words() } else { self.words }
    }

    /// The string, or the list of one, that a word is meant as, with the dot that an example such as `".jpg"` begins with;
    /// `None` if the key takes none, or none like it.
    pub(crate) fn quoted(&self, word: &str) -> Option<String> {
        let begins = |mark: &str| self.example.is_some_and(|example| example.starts_with(mark));
        let quoted = format!("\"{}{word}\"", if begins("\".") { "." } else { "" });
        match self.ty {
            Type::Columns => Some(format!("[{quoted}]")),
            // One is not enough.
            Type::Texts if begins("[") => None,
            Type::Text if self.name == "delimiter" && word.chars().count() != 1 => None,
            Type::Text | Type::Texts | Type::Column => Some(quoted),
            _ => None,
        }
    }

    /// The key as one item of its list has it.
    pub(crate) fn of_item(&self) -> Key {
        let ty = match self.ty {
            Type::Columns => Type::Column,
            Type::Texts => Type::Text,
            ty => ty,
        };
        Key { ty, ..*self }
    }

    /// An example of a value, for help texts.
    pub(crate) fn instance(&self) -> String {
        if let Some(text) = self.example.or(self.default) {
            return text.to_string();
        }
        let usual = self.usual();
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
            Type::NumberList => "[0.01]",
            Type::Counts => "[512]",
            Type::Switch | Type::Weights | Type::Stats => self.ty.words().first().copied().unwrap_or_default(),
        }
    }
}
