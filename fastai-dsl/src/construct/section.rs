//! The description of a section.

use super::Range;

/// A section of a recipe.
#[derive(Debug)]
pub struct Section {
    /// Its key.
    pub name: &'static str,
    /// What it says.
    pub doc: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// How it is written.
    pub example: &'static str,
    /// Legal numbers, of a section that is a number or a list of them.
    pub range: Option<Range>,
    /// Legal words, of a section that is a word.
    pub words: &'static [&'static str],
    /// What a recipe has without the section, as it would be written.
    pub default: Option<&'static str>,
}

impl Section {
    /// What follows the key in the example.
    pub(crate) fn example_value(&self) -> &'static str {
        self.example.split_once(": ").map_or("", |(_, value)| value)
    }

    /// A section that may be left out.
    pub(crate) const fn new(name: &'static str, example: &'static str, doc: &'static str) -> Self {
        Section { name, doc, required: false, example, range: None, words: &[], default: None }
    }

    /// A section that must be there.
    pub(crate) const fn required(self) -> Self {
        Section { required: true, ..self }
    }

    /// A section of such numbers.
    pub(crate) const fn within(self, range: Range) -> Self {
        Section { range: Some(range), ..self }
    }

    /// A section of one of these words.
    pub(crate) const fn one_of(self, words: &'static [&'static str]) -> Self {
        Section { words, ..self }
    }

    /// A section that a recipe without it has like this.
    pub(crate) const fn unless_given(self, default: &'static str) -> Self {
        Section { default: Some(default), ..self }
    }
}
