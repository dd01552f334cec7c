//! A file holds the recipe alone, without the macro around it.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

include_recipe!("rust_around.recipe");

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
