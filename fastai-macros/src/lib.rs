//! The compile-time front end of fastai: a thin layer over `fastai-dsl`, which implements the language.
//!
//! Programs use `recipe!`, `include_recipe!` and `include_model!` of the crate `fastai`. These forward to the macros here with
//! the path of their own crate in front, `[$crate] ..`, so that the output names items that the user's crate can reach.
#![forbid(unsafe_code)]

mod builder;
mod classes;
mod expand;
mod facade;
mod file;
mod item;
mod model;
mod ranges;
mod relations;
mod report;

use std::sync::{Mutex, MutexGuard, PoisonError};

use proc_macro::TokenStream;

/// One expansion at a time: reading a file switches proc-macro2 between the compiler's tokens and its own, for the whole
/// process, and an editor expands on several threads.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `recipe_at!{ [path] Name { .. } }`: a checked recipe as a type.
#[proc_macro]
pub fn recipe_at(input: TokenStream) -> TokenStream {
    let _alone = alone();
    expand::recipe(input.into()).into()
}

/// `include_recipe_at!{ [path] "file.recipe" }`: a checked recipe from a file, which cargo then tracks.
#[proc_macro]
pub fn include_recipe_at(input: TokenStream) -> TokenStream {
    let _alone = alone();
    file::include(input.into()).into()
}

/// `include_model_at!{ [path] Recipe, "file.safetensors" }`: the bytes of a trained model, checked against the recipe.
#[proc_macro]
pub fn include_model_at(input: TokenStream) -> TokenStream {
    let _alone = alone();
    model::include(input.into()).into()
}
