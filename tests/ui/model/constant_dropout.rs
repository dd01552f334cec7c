//! A constant in a list.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const DROPOUT: f64 = 1.0;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1 { dropout: [0.25, DROPOUT] },
        metrics: [accuracy],
        train: {
            fit(1e-2, 3);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
