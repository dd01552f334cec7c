//! Turns the calls of a fastai 0.7 notebook into a recipe.
//!
//! The statements are read in order and nothing is run: variables, small functions and arithmetic are followed as far as
//! they are literal. What has no equivalent stays in the recipe as a comment with the reason.

mod learner;
mod sections;
mod specs;
mod world;

use crate::fmt;
use crate::python::{self, Assigned, StatementKind};
use world::World;

/// A notebook as a recipe.
#[derive(Debug)]
pub struct Imported {
    /// The recipe, formatted. It may have errors: whoever wrote the notebook knows what is missing.
    pub text: String,
    /// Statements that became a part of the recipe.
    pub translated: usize,
    /// Statements that stand in the recipe as comments.
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

/// What to type in place of a line of the original.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    /// Statements of `train`.
    pub(crate) steps: Vec<String>,
    /// Sections: `data: folders { .. }`.
    pub(crate) sections: Vec<String>,
    /// Why there is nothing to type, or what a step does not say.
    pub(crate) reasons: Vec<String>,
}

impl Answer {
    /// The answer as a help text.
    pub(crate) fn help(&self) -> String {
        let code = |all: &[String]| all.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(" ");
        let mut parts = Vec::new();
        if !self.steps.is_empty() {
            parts.push(code(&self.steps));
        }
        match self.sections.len() {
            0 => {}
            1 => parts.push(format!("a section of its own: {}", code(&self.sections))),
            _ => parts.push(format!("sections of their own: {}", code(&self.sections).replace("` `", "` and `"))),
        }
        parts.extend(self.reasons.iter().cloned());
        parts.join("; ")
    }
}

/// The answer to a single statement of the original, of whose surroundings nothing is known; `None` for a line that
/// is no statement or an import, and for one that needs no answer.
pub(crate) fn answer(line: &str) -> Option<Answer> {
    let mut statements = python::statements(line);
    // `fn = ..; fn`: the second one only shows the first.
    statements.truncate(1);
    let statement = statements.pop()?;
    if matches!(statement.kind, StatementKind::Import) {
        return None;
    }
    let mut world = World::of_a_line();
    world.statement(&statement);
    let answer = world.answer();
    (answer != Answer::default()).then_some(answer)
}

/// The names that a statement of the original binds.
pub(crate) fn bound_names(line: &str) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(StatementKind::Assign { targets, .. }) = python::statements(line).into_iter().next().map(|s| s.kind) {
        for target in targets {
            match target {
                Assigned::Name(name) => names.push(name),
                Assigned::Names(all) => names.extend(all),
                _ => {}
            }
        }
    }
    names
}
