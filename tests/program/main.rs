//! The program as a user meets it.

mod alike;
mod bench;
mod call;
mod cli;
mod endings;
mod folder;
mod folders;
mod folds;
mod hostile;
mod json;
mod json_page;
mod kills;
#[cfg(unix)]
mod mixed;
mod numbers;
mod outputs;
#[cfg(unix)]
mod parts;
mod plan;
mod product;
#[cfg(all(unix, feature = "remote"))]
mod remote;
mod ruined;
#[cfg(feature = "serve")]
mod serve;
mod show;
mod small;
mod started;
mod sweep;
mod terminal;
mod weights;
