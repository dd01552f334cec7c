//! The program as a user meets it.

mod alike;
mod bench;
mod call;
mod cli;
mod hostile;
mod plan;
mod product;
mod show;
mod small;
mod terminal;
mod weights;
