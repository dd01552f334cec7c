//! A model file that lacks its end cannot be included.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

include_recipe!("../pass/cats.recipe");

fn main() {
    let _ = ::fastai_macros::include_model_at! { [::fastai_dsl] Cats, "cut_off.safetensors" };
}
