//! The traits that `recipe!` implements.

use crate::recipe::{Recipe, Task};
use crate::suggest::did_you_mean;

/// A recipe as a type. `recipe!` and `include_recipe!` implement only this trait; running is an extension trait of the
/// engine.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no recipe",
    note = "declare it with `recipe! {{ .. }}` or `include_recipe!(\"file.recipe\")`"
)]
pub trait Experiment: Sized + 'static {
    /// What a label is.
    type Task: Task;
    /// The recipe's name.
    const NAME: &'static str;
    /// The classes of the data, in the order of a model's outputs, if a summary of the data states them.
    const CLASSES: Option<&'static [&'static str]> = None;
    /// The texts of the recipe's models ([`Recipe::model_texts`]), if the macro knows them: not with Rust constants in the
    /// recipe, whose values a macro does not know.
    const MODEL_TEXTS: Option<&'static [&'static str]> = None;
    /// The checked recipe.
    fn recipe() -> Recipe;
}

/// A recipe whose classes are a type: that of a recipe with a committed summary (`fastai prepare`).
#[diagnostic::on_unimplemented(
    message = "the classes of `{Self}` are no type",
    note = "write a summary of its data with `fastai prepare FILE` and commit it beside the recipe"
)]
pub trait Classified: Experiment {
    /// Its classes or tags.
    type Class: Class;
}

/// The classes of a recipe's data, an enum that the macro writes.
pub trait Class: Copy + Eq + Send + Sync + 'static {
    /// All of them, in the order of a model's outputs.
    const ALL: &'static [Self];
    /// Their names in the data, in the same order.
    const NAMES: &'static [&'static str];
    /// The position in [`ALL`](Self::ALL).
    fn index(self) -> usize;
}

/// A name that no class has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownClass {
    /// The name.
    pub name: String,
    /// The names of the classes.
    pub known: &'static [&'static str],
}

impl std::error::Error for UnknownClass {}

impl std::fmt::Display for UnknownClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no class {:?}: {}", self.name, did_you_mean(&self.name, self.known.iter().copied()))
    }
}

/// Finds the class of that name in the data.
///
/// # Errors
/// If there is none.
pub fn class_named<C: Class>(name: &str) -> Result<C, UnknownClass> {
    let at = C::NAMES.iter().position(|known| *known == name);
    at.map(|at| C::ALL[at]).ok_or_else(|| UnknownClass { name: name.to_owned(), known: C::NAMES })
}

/// Whether two texts are equal, while compiling.
pub const fn same_text(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether a model's classes are those that a recipe states, while compiling; a recipe without a summary states none.
pub const fn same_classes(stated: Option<&[&str]>, found: &[&str]) -> bool {
    let Some(stated) = stated else { return true };
    if stated.len() != found.len() {
        return false;
    }
    let mut at = 0;
    while at < found.len() {
        if !same_text(stated[at], found[at]) {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_classes_are_compared_while_compiling() {
        const SAME: bool = same_classes(Some(&["a", "b"]), &["a", "b"]) && same_classes(None, &["a"]);
        const OTHER: bool = same_classes(Some(&["a", "b"]), &["a"])
            || same_classes(Some(&["a", "b"]), &["b", "a"])
            || same_text("ab", "ac")
            || same_text("ab", "abc");
        const { assert!(SAME && !OTHER) };
    }
}
