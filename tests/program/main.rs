//! The program as a user meets it.

mod bench;
mod call;
mod cli;
mod plan;
mod show;
mod small;
mod weights;
