//! What the calls of fastai 0.7 are here: those of a whole notebook, see [`import`](crate::import), or of a single line that
//! stands in a recipe.

mod fits;
mod learner;
mod sections;
mod specs;
mod world;

use crate::python::{self, Assigned, StatementKind};
pub(crate) use world::World;

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
