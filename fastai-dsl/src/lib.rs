//! The recipe language of fastai: turns text, tokens or builder calls into a checked [`Recipe`] (plain data), its [`Plan`]
//! and [`Diagnostics`]. The crate uses no tensors, no files and no clock.
//!
//! Programs depend on the crate `fastai`, which re-exports the public items of this one. [`source`] reads recipes from text,
//! [`pipeline`] builds them from Rust calls, [`check`](check()) checks a [`Draft`], [`schema`] describes every construct, and
//! [`catalog`] every error and lint. LANGUAGE.md in the repository defines the language.
#![forbid(unsafe_code)]

pub mod arch;
pub mod blank_is_none;
mod bound;
pub mod catalog;
mod check;
mod construct;
pub mod curve;
mod defaults;
pub mod diagnostic;
pub mod draft;
pub mod evaluate;
mod experiment;
pub mod explain;
pub mod fits;
pub mod fmt;
mod from_value;
pub mod grid;
mod habits;
mod help;
pub mod import;
mod legal;
mod model_text;
pub mod overrides;
pub mod parse;
pub mod pipeline;
pub mod plan;
pub mod prepared;
mod print;
mod python;
pub mod rate;
mod rate_names;
pub mod recipe;
pub mod scan;
pub mod schedule;
pub mod schema;
pub mod source;
mod spelling;
pub mod stats;
pub mod suggest;
mod syntax;
mod translation;
mod value_kinds;
mod word;
mod word_enums;
pub mod words;
mod written;

pub use arch::ArchFacts;
pub use check::{Checked, check, check_with};
pub use diagnostic::{Diagnostic, Diagnostics, Severity, Site};
pub use draft::Draft;
pub use experiment::{Class, Classified, Experiment, UnknownClass, class_named, same_classes, same_text};
pub use model_text::{MODEL_KEY, canonical_text, in_todays_words, is_of_another_layout, model_text, seeded_text};
pub use pipeline::Pipeline;
pub use plan::{BodyState, Facts, Plan, Stage, State};
pub use rate::{Base, Rate};
pub use recipe::{
    Anneal, Architecture, Augmentation, Average, ClassWeights, Column, Corrupt, Crop, Data, Dealing, Decode,
    DeviceWish, Direction, Duplicates, Encoding, Erased, Extent, Fall, Fit, FitCourse, HeadSpec, KappaWeights,
    KeepBest, LARGEST_SEED, LossSpec, LrFind, Metric, MetricKind, Model, MultiLabel, OptimizerSpec, PadMode,
    PixelFormat, Precision, Recipe, Regression, Sampler, SingleLabel, Source, StatsWish, Step, StepKind, Suggest, Task,
    TaskKind, Threshold, TransformSet, Transforms, Valid, Weights, cycle_model,
};
pub use schedule::Schedule;
pub use stats::Stats;

/// The items that the output of the macros names. The facade re-exports them under its own `__private`.
#[doc(hidden)]
pub mod __private {
    pub use crate::draft::Value;
    pub use crate::experiment::{Class, Classified, Experiment, UnknownClass, class_named, same_classes, same_text};
    pub use crate::model_text::{first_difference, joined, joined_len, takes_text, utf8};
    pub use crate::pipeline::{self, Pipeline, Start};
    pub use crate::rate::Rate;
    pub use crate::recipe::{MultiLabel, Recipe, Regression, SingleLabel};
    pub use crate::schema;
    pub use crate::words;
}
