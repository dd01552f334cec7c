//! A pipeline that is never built, settings that nothing takes.

#![deny(unused_must_use)]

use fastai_dsl::pipeline::{Frozen, Pipeline, Start};
use fastai_dsl::schema::{fit, folders, model, transforms};
use fastai_dsl::{SingleLabel, words};

fn base() -> Pipeline<SingleLabel, Frozen, 3> {
    Start::new("Cats", words::single_label)
        .data(folders::new().root("data/dogscats"))
        .transforms(words::side_on, transforms::new().size(224))
        .metric(words::accuracy)
        .model(words::squeezenet1_1, model::new())
}

fn main() {
    base().unfreeze();
    fit::new().cycle_len(1);
    let _ = base().build();
}
