//! A file that is not there: the searched folders are named.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

include_recipe!("no_such.recipe");

fn main() {}
