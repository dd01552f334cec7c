//! A file has no Rust constants.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

include_recipe!("constant.recipe");

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
