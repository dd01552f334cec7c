//! A word that is no architecture.

use fastai_dsl::pipeline::{Frozen, Pipeline, Start};
use fastai_dsl::schema::model;
use fastai_dsl::{SingleLabel, words};

fn main() {
    let start = Start::new("Cats", words::single_label);
    let _: Pipeline<SingleLabel, Frozen, 3> = start.model(words::cosine, model::new());
}
