//! A constant last fall of `use_clr_beta` that takes the whole cycle.

#[macro_use]
#[path = "../facade.rs"]
mod facade;

const PERCENT: f64 = 100.0;

recipe! {
    pub Cats {
        task: single_label,
        data: folders { root: "data/dogscats" },
        transforms: side_on { size: 224 },
        model: squeezenet1_1,
        metrics: [accuracy],
        train: {
            fit(1e-2, 1, cycle_len = 1, use_clr_beta = [10, PERCENT]);
        },
    }
}

fn main() {
    let _ = <Cats as fastai_dsl::Experiment>::NAME;
}
