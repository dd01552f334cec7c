//! One recipe a file.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

include_recipe!("two_recipes.recipe");

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
