//! Nothing is computed with a constant.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

#[allow(dead_code)]
const BATCH: usize = 32;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats", batch: BATCH * 2 },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 3);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
