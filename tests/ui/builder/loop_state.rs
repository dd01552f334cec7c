//! A loop must end in the state that it began with.

use fastai_dsl::pipeline::{Frozen, Pipeline, Start};
use fastai_dsl::schema::{folders, model, resize, transforms};
use fastai_dsl::{SingleLabel, words};

fn base() -> Pipeline<SingleLabel, Frozen, 3> {
    Start::new("Cats", words::single_label)
        .data(folders::new().root("data/dogscats"))
        .transforms(words::side_on, transforms::new().size(224))
        .metric(words::accuracy)
        .model(words::squeezenet1_1, model::new())
}

fn main() {
    let mut p = base();
    for size in [128, 224] {
        p = p.resize(size, resize::new()).unfreeze();
    }
    let _ = p;
}
