//! A body on the CPU: one operation instead of one for each unit. Maps are `[batch, height, width, channel]` between the
//! units, each unit is one or two calls of [`fastai_kernels`], and the backward pass walks a tape of its own.
//!
//! Where a frozen unit's convolution runs: [`evaluate`] makes the unit [`ready`] once, and every pass calls
//! [`Convolution::run`](fastai_kernels::convolution::Convolution::run). A unit that learns is in [`tape`] and [`backward`].

mod backward;
mod evaluate;
mod feature_map;
mod linear;
mod operation;
mod ready;
mod shape;
mod tape;

pub(super) use linear::evaluate_layer;
pub(super) use operation::{features, forward, together};
pub(super) use ready::ReadyUnit;
