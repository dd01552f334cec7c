//! A text that never ends.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

include_recipe!("unfinished_text.recipe");

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
