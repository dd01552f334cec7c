//! Brackets that do not fit; the type is there all the same.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

include_recipe!("unbalanced.recipe");

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
