//! Mistakes in a file are shown with its line and a caret.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

include_recipe!("mistakes.recipe");

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
