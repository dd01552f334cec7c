//! The trait that `recipe!` implements, and the marker types of tasks.

use crate::recipe::{Recipe, TaskKind};

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
    /// The checked recipe.
    fn recipe() -> Recipe;
}

/// The kind of label, as a type. Predictions carry it, so that a metric for another task does not compile.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no task",
    note = "tasks are words: `words::single_label`, `words::multi_label` or `words::regression`"
)]
pub trait Task: Copy + Send + Sync + 'static {
    /// The task as a value.
    const KIND: TaskKind;
}

/// Exactly one class per image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SingleLabel;
/// Any number of tags per image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultiLabel;
/// A number per image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Regression;

impl Task for SingleLabel {
    const KIND: TaskKind = TaskKind::SingleLabel;
}
impl Task for MultiLabel {
    const KIND: TaskKind = TaskKind::MultiLabel;
}
impl Task for Regression {
    const KIND: TaskKind = TaskKind::Regression;
}
