//! A constant stochastic depth of a network without branches.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const DEPTH: f64 = 0.1;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1 { stochastic_depth: DEPTH },
        metrics: [accuracy],
        train: {
            fit(1e-2, 3);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
