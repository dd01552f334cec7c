//! Brackets without end.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

include_recipe!("too_deep.recipe");

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
