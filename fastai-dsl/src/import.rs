//! Turns the calls of a fastai 0.7 notebook into a recipe.
//!
//! The statements are read in order and nothing is run: variables, small functions and arithmetic are followed as far as
//! they are literal. What has no equivalent stays in the recipe as a comment with the reason.

use crate::fmt;
use crate::python;
use crate::translation::World;

/// A notebook as a recipe.
#[derive(Debug)]
pub struct Imported {
    /// The recipe, formatted. It may have errors: whoever wrote the notebook knows what is missing.
    pub text: String,
    /// Statements that became a part of the recipe, some of them but in part.
    pub translated: usize,
    /// Statements that stand in the recipe as comments; one that was translated in part counts as both.
    pub comments: usize,
    /// Imports, magics and shell commands, which a recipe does not need.
    pub left_out: usize,
}

/// Reads the code of a notebook's cells, or of a script, and writes the recipe `name` of its calls.
///
/// ```
/// let code = "tfms = tfms_from_model(resnet34, 224)\n\
///     data = ImageClassifierData.from_paths('data/dogscats/', tfms=tfms)\n\
///     learn = ConvLearner.pretrained(resnet34, data, precompute=True)\n\
///     learn.fit(0.01, 2)";
/// let recipe = fastai_dsl::import::notebook("DogsCats", [code]).text;
/// assert!(recipe.contains("precompute(on);\n        fit(0.01, 2);"), "{recipe}");
/// ```
pub fn notebook<'c>(name: &str, cells: impl IntoIterator<Item = &'c str>) -> Imported {
    let mut world = World::default();
    for cell in cells {
        for statement in python::statements(cell) {
            world.statement(&statement);
        }
    }
    let text = world.recipe(name);
    let text = fmt::format("imported.recipe", text.as_bytes()).unwrap_or(text);
    Imported { text, translated: world.translated, comments: world.comments, left_out: world.left_out }
}
