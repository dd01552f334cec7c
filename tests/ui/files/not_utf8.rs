//! The line and the byte.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

include_recipe!("not_utf8.recipe");

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
