//! The words of the language as Rust values: `words::on`, `words::side_on`, `words::squeezenet1_1`.
#![allow(non_upper_case_globals)] // they are spelled as in a recipe

use crate::recipe::{MultiLabel, Regression, SingleLabel};

pub use crate::word::*;

pub use crate::arch::Arch;
pub use crate::arch::words::*;
pub use crate::recipe::{
    augmentation_words::*, course_words::*, data_words::*, fit_words::*, keep_best_words::*, metric_argument_words::*,
    metric_words::*, option_words::*, step_words::*, transforms_words::*,
};

/// The mean over the classes or tags.
pub const r#macro: Word = Word("macro");

/// The task with one class an image, as a value.
pub const single_label: SingleLabel = SingleLabel;
/// The task with any number of tags an image, as a value.
pub const multi_label: MultiLabel = MultiLabel;
/// The task with a number an image, as a value.
pub const regression: Regression = Regression;
