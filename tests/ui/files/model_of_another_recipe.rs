//! A model of another recipe cannot be included.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

include_recipe!("../pass/cats.recipe");

fn main() {
    let _ = ::fastai_macros::include_model_at! { [::fastai_dsl] Cats, "../pass/breeds.safetensors" };
}
