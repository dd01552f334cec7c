//! So does test-time augmentation.

use fastai_dsl::pipeline::{Frozen, Pipeline, Start};
use fastai_dsl::schema::{folders, model, transforms, tta};
use fastai_dsl::{SingleLabel, words};

fn base() -> Pipeline<SingleLabel, Frozen, 3> {
    Start::new("Cats", words::single_label)
        .data(folders::new().root("data/dogscats"))
        .transforms(words::side_on, transforms::new().size(224))
        .metric(words::accuracy)
        .model(words::squeezenet1_1, model::new())
}

fn main() {
    let _ = base().precompute(words::on).tta(tta::new());
}
