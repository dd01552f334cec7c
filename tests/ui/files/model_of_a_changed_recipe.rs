//! A model that the recipe trained before its image size changed cannot be included; its comment does not matter.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

include_recipe!("../pass/cats.recipe");

fn main() {
    let _ = ::fastai_macros::include_model_at! { [::fastai_dsl] Cats, "cats_at_128.safetensors" };
}
