//! The recipe language of fastai: text, tokens or builder calls in; a checked [`Recipe`] (plain data), its [`Plan`] and
//! [`Diagnostics`] out. No tensors, no files, no clock.
#![forbid(unsafe_code)]

pub mod arch;
pub mod plan;
pub mod rate;
pub mod recipe;
pub mod schedule;
pub mod stats;

pub use arch::ArchFacts;
pub use plan::{Body, Facts, Plan, Stage, State};
pub use rate::{Base, Rate};
pub use recipe::{
    Anneal, ClassWeights, Column, Crop, Data, DeviceWish, Fit, HeadSpec, LrFind, Metric, Model, Options, Recipe,
    Source, Step, Suggest, TaskKind, Threshold, TransformSet, Transforms, Valid, Weights,
};
pub use schedule::Schedule;
pub use stats::Stats;
