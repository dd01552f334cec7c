//! Texts stand in double quotes.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

include_recipe!("single_quotes.recipe");

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
