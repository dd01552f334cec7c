//! The sections stand in braces.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

recipe! {
    pub Cats(task = single_label)
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
