//! The program as a user meets it.

mod alike;
mod bench;
mod call;
mod cli;
mod folders;
mod folds;
mod hostile;
mod plan;
mod product;
#[cfg(feature = "serve")]
mod serve;
mod show;
mod small;
mod sweep;
mod terminal;
mod weights;
