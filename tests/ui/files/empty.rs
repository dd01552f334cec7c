//! A file with nothing in it.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

include_recipe!("empty.recipe");

fn main() {}
