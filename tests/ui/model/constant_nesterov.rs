//! A constant momentum of 0 that `nesterov` looks ahead along.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const MOMENTUM: f64 = 0.0;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        optimizer: sgd { momentum: MOMENTUM, nesterov: on },
        train: {
            fit(1e-2, 3);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
