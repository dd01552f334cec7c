//! Lints of a file, made errors here by the crate.

#![deny(deprecated)]

#[macro_use]
#[path = "../facade.rs"]
mod facade;

include_recipe!("warnings.recipe");

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
