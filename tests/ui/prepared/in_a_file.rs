//! A file is held to the summary beside it.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

include_recipe!("in_a_file.recipe");

fn main() {
    let _ = <Dogs as fastai_dsl::Experiment>::NAME;
}
