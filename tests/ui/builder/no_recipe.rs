//! A type that is no recipe.

use fastai_dsl::Experiment;

struct Cats;

fn main() {
    let _ = <Cats as Experiment>::recipe();
}
