//! What a label is: the tasks, as values and as types.

use crate::word_enums::word_enums;

word_enums! {
    /// What a label is.
    #[derive(Default)]
    TaskKind {
        /// Exactly one class per image: log-softmax and cross-entropy.
        #[default]
        SingleLabel = "single_label",
        /// Any number of tags per image: sigmoid and binary cross-entropy.
        MultiLabel = "multi_label",
        /// A number per image: no activation, L1 loss.
        Regression = "regression",
    }
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
